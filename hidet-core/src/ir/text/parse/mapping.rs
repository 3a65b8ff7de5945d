//! Parses task mappings.

use super::super::error;
use super::super::lex::Token;
use super::Parser;
use crate::Result;
use crate::ir::{Mapping, MappingAtom, MappingExtent, Unroll};

impl<'s> Parser<'s> {
    /// Parses `repeat[4, 1] * spatial[32, 8]`.
    pub(super) fn mapping(&mut self) -> Result<Mapping> {
        let mut atoms = Vec::new();
        if !self.try_word("empty") {
            atoms.push(self.mapping_atom()?);
            while self.try_sign("*") {
                atoms.push(self.mapping_atom()?);
            }
        }
        Ok(Mapping { atoms })
    }

    fn mapping_atom(&mut self) -> Result<MappingAtom> {
        if self.try_word("custom") {
            return self.custom_mapping();
        }
        let repeat = match self.peek() {
            Token::Word("spatial") => false,
            Token::Word("repeat") => true,
            _ => return Err(self.expected("a mapping: `spatial`, `repeat` or `custom`")),
        };
        self.next();
        let shape = self.list("[", "]", Self::extent)?;
        let ranks = match self.try_word("ranks") {
            true => self.list("[", "]", |parser| parser.number("the rank of an axis"))?,
            false => (0..=u8::MAX).take(shape.len()).collect(),
        };
        if !repeat {
            let projected = self.projected(shape.len())?;
            return Ok(MappingAtom::Spatial { shape, ranks, projected });
        }
        let unroll = match self.try_word("unroll") {
            true => self.list("[", "]", Self::unroll)?,
            false => vec![Unroll::Auto; shape.len()],
        };
        let projected = self.projected(shape.len())?;
        Ok(MappingAtom::Repeat { shape, ranks, unroll, projected })
    }

    /// Parses `projected[1, 0]`, or nothing if no axis is projected.
    fn projected(&mut self, rank: usize) -> Result<Vec<bool>> {
        if !self.try_word("projected") {
            return Ok(vec![false; rank]);
        }
        self.list("[", "]", |parser| match parser.number::<u8>("0 or 1")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(error(parser.line(), "an axis is projected (1) or not (0)")),
        })
    }

    fn extent(&mut self) -> Result<MappingExtent> {
        match self.peek() {
            Token::Number(_) => Ok(MappingExtent::Const(self.number("an extent")?)),
            Token::Handle('%', _) => Ok(MappingExtent::Value(self.value()?)),
            _ => Err(self.expected("an extent: a number or a value (`%...`)")),
        }
    }

    /// Parses `[8, 4] workers 32 tasks [(worker / 4, worker % 4)]`.
    fn custom_mapping(&mut self) -> Result<MappingAtom> {
        let shape = self.list("[", "]", |parser| parser.number("an extent"))?;
        self.word("workers")?;
        let workers = self.number("a number of workers")?;
        self.word("tasks")?;
        let tasks = self.list("[", "]", |parser| {
            parser.list("(", ")", |parser| {
                parser.formula(&|parser, name| match (name.text.as_ref(), name.number) {
                    ("worker", None) => Ok(0),
                    _ => Err(error(parser.line(), "the only symbol of a custom mapping is `worker`")),
                })
            })
        })?;
        Ok(MappingAtom::Custom { workers, shape, tasks })
    }

    /// Parses `auto`, `never`, `full`, `explicit`, or a number.
    pub(super) fn unroll(&mut self) -> Result<Unroll> {
        let unroll = match self.peek() {
            Token::Word("auto") => Unroll::Auto,
            Token::Word("never") => Unroll::Never,
            Token::Word("full") => Unroll::Full,
            Token::Word("explicit") => Unroll::Explicit,
            Token::Number(_) => return Ok(Unroll::By(self.number("a number of times")?)),
            _ => return Err(self.expected("`auto`, `never`, `full`, `explicit` or a number")),
        };
        self.next();
        Ok(unroll)
    }
}
