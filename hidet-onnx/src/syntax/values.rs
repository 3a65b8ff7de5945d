//! Reading the values of attributes.

use super::lexer::Token;
use super::parse::Parser;
use super::{KINDS, is_float};
use crate::error::Result;
use crate::proto::AttributeProto;

/// Kinds of values by their numbers in ONNX.
const FLOAT: i32 = 1;
const INT: i32 = 2;
const TEXT: i32 = 3;
const TENSOR: i32 = 4;
const GRAPH: i32 = 5;
const TYPE: i32 = 13;

/// What a value may be, in messages.
const VALUE: &str = "a value: a number, a text in quotes, a tensor, a graph, a list or `@`";

/// Returns the kind of the elements of a list.
fn single(list: i32) -> i32 {
    match list {
        6..=10 => list - 5,
        12 | 14 => list - 1,
        other => other,
    }
}

/// Returns a kind in messages.
fn words(kind: i32) -> &'static str {
    KINDS.iter().find(|(number, ..)| *number == kind).map_or("of no kind", |(_, _, words)| words)
}

/// Returns true if a number is written as an integer, of any size.
fn is_integer(text: &str) -> bool {
    text.trim_start_matches('-').chars().all(|c| c.is_ascii_digit())
}

impl Parser<'_> {
    /// Reads the value of an attribute behind its name, and in front of that its kind, if it is written.
    pub(super) fn attribute(&mut self, name: String) -> Result<AttributeProto> {
        let mut kind = 0;
        if self.takes(':')? {
            let found = match self.token {
                Token::Name(word) => KINDS.iter().find(|(_, own, _)| *own == word),
                _ => None,
            };
            let Some((number, ..)) = found else {
                let kinds: Vec<&str> = KINDS.iter().map(|(_, own, _)| *own).collect();
                return Err(self.wanted(&format!("the kind of an attribute, one of `{}`", kinds.join("`, `"))));
            };
            kind = *number;
            self.take()?;
        }
        self.expect('=')?;
        let mut attribute = match self.token {
            Token::Symbol('[') => self.values(kind)?,
            Token::Symbol('@') => {
                self.take()?;
                let of_call = self.name("the name of an attribute of the function")?;
                let r#type = (kind != 0).then_some(kind);
                AttributeProto { ref_attr_name: Some(of_call), r#type, ..AttributeProto::default() }
            }
            _ => self.value(kind)?,
        };
        attribute.name = Some(name);
        Ok(attribute)
    }

    /// Reads a list. The first element says of which kind all are, if that is not given.
    fn values(&mut self, kind: i32) -> Result<AttributeProto> {
        let at = self.at;
        let mut all = AttributeProto::default();
        let mut of = single(kind);
        if kind != 0 && kind == of {
            return Err(self.error(at, format!("found a list, expected {}", words(kind))));
        }
        self.take()?;
        self.list(']', |parser| {
            let at = parser.at;
            let one = parser.value(of)?;
            of = one.r#type.unwrap_or(0);
            if !matches!(of, FLOAT | INT | TEXT) {
                let why = format!("found {}, expected a number or a text: other lists are not supported", words(of));
                return Err(parser.error(at, why));
            }
            all.floats.extend(one.f);
            all.ints.extend(one.i);
            all.strings.extend(one.s);
            Ok(())
        })?;
        if of == 0 {
            let why = "an empty list needs the kind of the attribute, as in `axes: ints = []`";
            return Err(self.error(at, why));
        }
        all.r#type = Some(if kind == 0 { of + 5 } else { kind });
        Ok(all)
    }

    /// Reads a value that is not a list, of a kind, if that is given.
    fn value(&mut self, wanted: i32) -> Result<AttributeProto> {
        let at = self.at;
        let mut value = AttributeProto::default();
        let kind = match &self.token {
            Token::Number(text) if wanted == FLOAT || !is_integer(text) => {
                value.f = Some(self.float()?);
                FLOAT
            }
            Token::Number(_) => {
                value.i = Some(self.integer()?);
                INT
            }
            Token::Name(word) if is_float(word) => {
                value.f = Some(self.float()?);
                FLOAT
            }
            Token::Name(_) if self.is_type() => {
                let ty = self.r#type()?;
                if self.is('{') || self.is('=') || matches!(self.token, Token::Name(_) | Token::Quoted(_)) {
                    let name = self.optional_name()?.unwrap_or_default();
                    self.takes('=')?;
                    value.t = Some(self.elements(Some(&ty), at, name)?);
                    TENSOR
                } else {
                    TYPE
                }
            }
            Token::Name(_) | Token::Quoted(_) => {
                let is_quoted = matches!(self.token, Token::Quoted(_));
                let found = self.token.clone();
                let text = self.optional_name()?.unwrap_or_default();
                if self.is('(') || self.token == Token::Arrow {
                    value.g = Some(self.graph(text)?);
                    GRAPH
                } else if is_quoted {
                    value.s = Some(text.into_bytes());
                    TEXT
                } else {
                    return Err(self.error(at, format!("found {found}, expected {VALUE}")));
                }
            }
            _ => return Err(self.wanted(VALUE)),
        };
        if wanted != 0 && wanted != kind {
            let why = format!("found {}, expected {}", words(kind), words(wanted));
            return Err(self.error(at, why));
        }
        value.r#type = Some(kind);
        Ok(value)
    }
}
