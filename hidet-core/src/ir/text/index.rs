//! Parses index formulas as [`IndexExpr::text`] prints them: nothing is folded, so that the same tree is read back.

use super::lex::{Name, Token};
use super::parse::Parser;
use super::{MAX_DEPTH, MAX_NODES, error};
use crate::Result;
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;

impl<'s> Parser<'s> {
    /// Parses a formula over the symbolic extents of the signature.
    pub(super) fn dim_formula(&mut self) -> Result<IndexExpr> {
        self.formula(&|parser, name| parser.dim_symbol(name))
    }

    /// Parses a formula; `symbol` looks up the number of a named symbol.
    pub(super) fn formula(&mut self, symbol: &dyn Fn(&Parser<'s>, &Name<'s>) -> Result<u32>) -> Result<IndexExpr> {
        self.nodes = 0;
        self.formula_at(symbol, 1, 0)
    }

    fn formula_at(
        &mut self,
        symbol: &dyn Fn(&Parser<'s>, &Name<'s>) -> Result<u32>,
        least: u8,
        depth: u32,
    ) -> Result<IndexExpr> {
        if depth > MAX_DEPTH {
            return Err(error(self.line(), format!("the formula is nested deeper than {MAX_DEPTH}")));
        }
        let mut left = self.formula_operand(symbol, depth)?;
        loop {
            let op = match self.peek() {
                Token::Sign("+") => IndexOp::Add,
                Token::Sign("-") => IndexOp::Sub,
                Token::Sign("*") => IndexOp::Mul,
                Token::Sign("/") => IndexOp::Div,
                Token::Sign("%") => IndexOp::Rem,
                Token::Sign("^") => IndexOp::Xor,
                Token::Sign("&") => IndexOp::And,
                _ => return Ok(left),
            };
            let own = op.strength();
            if own < least {
                return Ok(left);
            }
            self.next();
            self.count_node()?;
            let right = self.formula_at(symbol, own + 1, depth + 1)?;
            left = IndexExpr::Binary(op, Box::new(left), Box::new(right));
        }
    }

    /// Counts an operation: chains nest to the left as they are parsed, so their length is bounded as well as the
    /// nesting.
    pub(super) fn count_node(&mut self) -> Result<()> {
        self.nodes += 1;
        match self.nodes <= MAX_NODES {
            true => Ok(()),
            false => Err(error(self.line(), format!("the formula has more than {MAX_NODES} operations"))),
        }
    }

    fn formula_operand(
        &mut self,
        symbol: &dyn Fn(&Parser<'s>, &Name<'s>) -> Result<u32>,
        depth: u32,
    ) -> Result<IndexExpr> {
        match self.peek().clone() {
            Token::Sign("(") => {
                self.next();
                let inner = self.formula_at(symbol, 1, depth + 1)?;
                self.sign(")")?;
                Ok(inner)
            }
            Token::Number(_) | Token::Sign("-") => Ok(IndexExpr::Const(self.integer("a number")?)),
            Token::Word(word @ ("min" | "max")) if *self.peek_after() == Token::Sign("(") => {
                self.next();
                self.count_node()?;
                self.sign("(")?;
                let a = self.formula_at(symbol, 1, depth + 1)?;
                self.sign(",")?;
                let b = self.formula_at(symbol, 1, depth + 1)?;
                self.sign(")")?;
                let op = if word == "min" { IndexOp::Min } else { IndexOp::Max };
                Ok(IndexExpr::Binary(op, Box::new(a), Box::new(b)))
            }
            Token::Word(_) | Token::Quoted(_) => {
                let name = self.plain_name("an extent")?;
                Ok(IndexExpr::Symbol(symbol(self, &name)?))
            }
            _ => Err(self.expected("a number, an extent or `(`")),
        }
    }
}
