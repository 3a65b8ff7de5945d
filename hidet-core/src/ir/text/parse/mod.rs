//! From a text to its function: recursive descent over the tokens; every error names what was expected.

mod header;
mod mapping;
mod stmt;

use super::error;
use super::lex::{Name, Token, lex};
use crate::ir::{BufferId, Function, LoopId, MapId, ValueId, VarId};
use crate::types::{Scalar, Type};
use crate::{Error, Result};
use std::collections::HashMap;
use std::str::FromStr;

/// Parses a function. If the name of its file is given, statements get their positions in it.
pub(super) fn parse(text: &str, file: Option<&str>) -> Result<Function> {
    let tokens = lex(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        f: Function::default(),
        dims: HashMap::new(),
        buffers: HashMap::new(),
        maps: HashMap::new(),
        values: HashMap::new(),
        vars: HashMap::new(),
        loops: HashMap::new(),
        nodes: 0,
        layout_nodes: 0,
        depth: 0,
        places: file.is_some(),
    };
    parser.function()?;
    if let (Some(file), true) = (file, parser.f.files.is_empty()) {
        parser.f.files.push(file.to_owned());
    }
    if *parser.peek() != Token::End {
        return Err(parser.expected("the end of the text"));
    }
    parser.all_defined()?;
    Ok(parser.f)
}

/// An item that may be mentioned before it is defined.
struct Known<I> {
    id: I,
    /// The line of the first mention.
    line: u32,
    defined: bool,
}

pub(in super::super) struct Parser<'s> {
    tokens: Vec<(Token<'s>, u32)>,
    at: usize,
    f: Function,
    dims: HashMap<Name<'s>, u32>,
    buffers: HashMap<Name<'s>, BufferId>,
    maps: HashMap<Name<'s>, MapId>,
    values: HashMap<Name<'s>, Known<ValueId>>,
    vars: HashMap<Name<'s>, Known<VarId>>,
    loops: HashMap<Name<'s>, Known<LoopId>>,
    /// The number of operations of the formula being read.
    pub(super) nodes: u32,
    /// The number of parts of the layout being read.
    pub(super) layout_nodes: u32,
    /// The number of blocks around the statement being read.
    depth: u32,
    /// True if statements get their line in the text as their position.
    places: bool,
}

impl<'s> Parser<'s> {
    pub(super) fn peek(&self) -> &Token<'s> {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn peek_after(&self) -> &Token<'s> {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(token, _)| token)
    }

    /// Returns the line of the next token.
    pub(super) fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, line)| *line)
    }

    pub(super) fn next(&mut self) {
        self.at += 1;
    }

    /// Returns the error for an unexpected token.
    pub(super) fn expected(&self, what: &str) -> Error {
        error(self.line(), format!("expected {what}, found {}", self.peek()))
    }

    /// Consumes a sign if it is next, and returns true if it was.
    fn try_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(next) if *next == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn sign(&mut self, sign: &str) -> Result<()> {
        if self.try_sign(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    /// Consumes a word if it is next, and returns true if it was.
    fn try_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(next) if *next == word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn word(&mut self, word: &str) -> Result<()> {
        if self.try_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// Parses an unsigned number.
    pub(super) fn number<N: FromStr>(&mut self, what: &str) -> Result<N> {
        let number = match self.peek() {
            Token::Number(text) => text.parse().map_err(|_| self.expected(what))?,
            _ => return Err(self.expected(what)),
        };
        self.next();
        Ok(number)
    }

    /// Parses a number with an optional sign.
    pub(super) fn integer(&mut self, what: &str) -> Result<i64> {
        let negative = self.try_sign("-");
        let number: i128 = match self.peek() {
            Token::Number(text) => text.parse().map_err(|_| self.expected(what))?,
            _ => return Err(self.expected(what)),
        };
        let number = i64::try_from(if negative { -number } else { number }).map_err(|_| self.expected(what))?;
        self.next();
        Ok(number)
    }

    /// Parses a quoted text.
    fn text(&mut self, what: &str) -> Result<String> {
        match self.peek().clone() {
            Token::Quoted(Name { text, number: None }) => {
                self.next();
                Ok(text.into_owned())
            }
            _ => Err(self.expected(&format!("{what} in quotes"))),
        }
    }

    /// Parses a name without a sigil: of a kernel or an extent.
    pub(super) fn plain_name(&mut self, what: &str) -> Result<Name<'s>> {
        let name = match self.peek().clone() {
            Token::Word(word) => match word.split_once('.') {
                None => Name { text: word.into(), number: None },
                Some((text, number)) => {
                    let number = number.parse().map_err(|_| self.expected(what))?;
                    Name { text: text.into(), number: Some(number) }
                }
            },
            Token::Quoted(name) => name,
            _ => return Err(self.expected(what)),
        };
        self.next();
        Ok(name)
    }

    /// Parses a name with a sigil.
    fn handle(&mut self, sigil: char, what: &str) -> Result<Name<'s>> {
        match self.peek().clone() {
            Token::Handle(found, name) if found == sigil => {
                self.next();
                Ok(name)
            }
            _ => Err(self.expected(&format!("{what} (`{sigil}...`)"))),
        }
    }

    /// Parses a list in brackets, separated by commas; a trailing comma is allowed.
    pub(super) fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.sign(open)?;
        let mut items = Vec::new();
        while !self.try_sign(close) {
            items.push(item(self)?);
            if !self.try_sign(",") {
                match self.try_sign(close) {
                    true => break,
                    false => return Err(self.expected(&format!("`,` or `{close}`"))),
                }
            }
        }
        Ok(items)
    }

    fn scalar(&mut self) -> Result<Scalar> {
        let scalar = match self.peek() {
            Token::Word(word) => Scalar::from_name(word),
            _ => None,
        };
        let scalar = scalar.ok_or_else(|| self.expected("a scalar type"))?;
        self.next();
        Ok(scalar)
    }

    /// Parses `f32`, or `f32x4`.
    fn ty(&mut self) -> Result<Type> {
        let expected = "a type, such as `f32` or `f32x4`";
        let Token::Word(word) = *self.peek() else { return Err(self.expected(expected)) };
        let vector = || {
            let (scalar, lanes) = word.split_once('x')?;
            Some(Type::vector(Scalar::from_name(scalar)?, lanes.parse().ok()?))
        };
        let ty = Scalar::from_name(word).map(Type::from).or_else(vector).ok_or_else(|| self.expected(expected))?;
        self.next();
        Ok(ty)
    }

    /// Returns the symbol number of a symbolic extent.
    pub(super) fn dim_symbol(&self, name: &Name<'s>) -> Result<u32> {
        self.dims.get(name).copied().ok_or_else(|| {
            let name = Token::Quoted(name.clone());
            error(self.line(), format!("the signature has no extent named {name}: add it in `<...>` after the name"))
        })
    }

    fn buffer(&mut self) -> Result<BufferId> {
        let line = self.line();
        let name = self.handle('@', "a buffer")?;
        self.known_buffer(&name, line)
    }

    fn known_buffer(&self, name: &Name<'s>, line: u32) -> Result<BufferId> {
        self.buffers
            .get(name)
            .copied()
            .ok_or_else(|| error(line, format!("no buffer {} is declared", Token::Handle('@', name.clone()))))
    }

    fn map(&mut self) -> Result<MapId> {
        let line = self.line();
        let name = self.handle('#', "a tensor map")?;
        let known = self.maps.get(&name).copied();
        known.ok_or_else(|| error(line, format!("no tensor map {} is declared", Token::Handle('#', name))))
    }

    /// Parses the use of a value.
    fn value(&mut self) -> Result<ValueId> {
        let line = self.line();
        let name = self.handle('%', "a value")?;
        let f = &mut self.f;
        let text = name.text.to_string();
        let known =
            self.values.entry(name).or_insert_with(|| Known { id: f.new_value(Type::I32, text), line, defined: false });
        Ok(known.id)
    }

    /// Parses the definition of a value, `%name: type`. The verifier rejects a second definition.
    fn definition(&mut self) -> Result<ValueId> {
        let line = self.line();
        let name = self.handle('%', "a value")?;
        self.sign(":")?;
        let ty = self.ty()?;
        let f = &mut self.f;
        let text = name.text.to_string();
        let shown = Token::Handle('%', name.clone());
        let known =
            self.values.entry(name).or_insert_with(|| Known { id: f.new_value(ty, text), line, defined: false });
        let value = &mut f.values[known.id];
        if known.defined && value.ty != ty {
            return Err(error(line, format!("{shown} is defined a second time, as {ty} and as {}", value.ty)));
        }
        known.defined = true;
        value.ty = ty;
        Ok(known.id)
    }

    fn var(&mut self) -> Result<VarId> {
        let line = self.line();
        let name = self.handle('$', "a variable")?;
        let f = &mut self.f;
        let text = name.text.to_string();
        let known = self.vars.entry(name).or_insert_with(|| Known {
            id: f.vars.push(crate::ir::Var { name: text, ty: Type::I32 }),
            line,
            defined: false,
        });
        Ok(known.id)
    }

    /// Parses `$name: type`.
    fn var_declaration(&mut self) -> Result<VarId> {
        let line = self.line();
        let shown = self.peek().to_string();
        let id = self.var()?;
        self.sign(":")?;
        let ty = self.ty()?;
        if let Some(known) = self.vars.values_mut().find(|known| known.id == id) {
            if known.defined && self.f.vars[id].ty != ty {
                let first = self.f.vars[id].ty;
                return Err(error(line, format!("{shown} is declared a second time, as {ty} and as {first}")));
            }
            known.defined = true;
        }
        self.f.vars[id].ty = ty;
        Ok(id)
    }

    fn label(&mut self) -> Result<LoopId> {
        let line = self.line();
        let name = self.handle('\'', "a label")?;
        let f = &mut self.f;
        let text = name.text.to_string();
        let known = self.loops.entry(name).or_insert_with(|| Known {
            id: f.loops.push(crate::ir::Loop { name: text }),
            line,
            defined: false,
        });
        Ok(known.id)
    }

    /// Returns an error at the earliest mention of an undefined item.
    fn all_defined(&self) -> Result<()> {
        let values = self.values.iter().map(|(name, k)| ('%', name, k.line, k.defined));
        let vars = self.vars.iter().map(|(name, k)| ('$', name, k.line, k.defined));
        let loops = self.loops.iter().map(|(name, k)| ('\'', name, k.line, k.defined));
        let missing = values.chain(vars).chain(loops).filter(|(.., defined)| !defined);
        match missing.min_by_key(|(sigil, name, line, _)| (*line, *sigil, name.text.clone(), name.number)) {
            None => Ok(()),
            Some((sigil, name, line, _)) => {
                Err(error(line, format!("{} is not defined anywhere", Token::Handle(sigil, name.clone()))))
            }
        }
    }
}
