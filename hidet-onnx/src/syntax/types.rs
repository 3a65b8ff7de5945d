//! Reading types of values, and the elements of tensors.

use super::lexer::Token;
use super::parse::Parser;
use super::{TYPE_WORDS, UNDEFINED, is_float};
use crate::element;
use crate::error::Result;
use crate::proto::{
    DimensionKind, DimensionProto, Ignored, OptionalTypeProto, StringStringEntryProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeKind, TypeProto,
};
use hidet::types::Scalar;
use std::str::FromStr;

/// Returns the number of a type of elements.
fn number(word: &str) -> Option<i32> {
    if word == UNDEFINED { Some(0) } else { element::number(word) }
}

impl Parser<'_> {
    /// Returns true if a type comes next.
    pub(super) fn is_type(&self) -> bool {
        matches!(self.token, Token::Name(word) if number(word).is_some() || TYPE_WORDS.contains(&word))
    }

    pub(super) fn r#type(&mut self) -> Result<TypeProto> {
        self.inside(|parser| {
            let Token::Name(word) = parser.token else { return Err(parser.wanted("a type")) };
            if number(word).is_some() {
                return Ok(TypeProto { value: Some(TypeKind::Tensor(parser.tensor_type()?)) });
            }
            if !TYPE_WORDS.contains(&word) {
                return Err(parser.wanted("a type"));
            }
            parser.take()?;
            parser.expect('(')?;
            let mut value = Some(TypeKind::Sequence(Ignored {}));
            match word {
                "seq" => drop(parser.r#type()?),
                "map" => {
                    parser.word("a type of keys")?;
                    parser.expect(',')?;
                    parser.r#type()?;
                    value = Some(TypeKind::Map(Ignored {}));
                }
                "optional" => {
                    let elem_type = Some(Box::new(parser.r#type()?));
                    value = Some(TypeKind::Optional(OptionalTypeProto { elem_type }));
                }
                "sparse_tensor" => {
                    parser.tensor_type()?;
                    value = Some(TypeKind::SparseTensor(Ignored {}));
                }
                _ => {
                    // An opaque type, of which no operator of the standard has values.
                    while !parser.is(')') && parser.token != Token::End {
                        parser.take()?;
                    }
                    value = None;
                }
            }
            parser.expect(')')?;
            Ok(TypeProto { value })
        })
    }

    /// Reads a type of tensors: without brackets it has no axes, with empty ones any axes.
    fn tensor_type(&mut self) -> Result<TensorTypeProto> {
        let found = if let Token::Name(word) = self.token { number(word) } else { None };
        let elem_type = found.ok_or_else(|| self.wanted("a type of elements"))?;
        self.take()?;
        let mut dim = Vec::new();
        let has_brackets = self.takes('[')?;
        if has_brackets {
            self.list(']', |parser| {
                let value = match parser.token {
                    Token::Symbol('?') => parser.take().map(|_| None)?,
                    Token::Number(_) => Some(DimensionKind::Value(parser.integer()?)),
                    _ => Some(DimensionKind::Name(parser.name("an extent: a number, a name or `?`")?)),
                };
                dim.push(DimensionProto { value });
                Ok(())
            })?;
        }
        let shape = (!has_brackets || !dim.is_empty()).then_some(TensorShapeProto { dim });
        Ok(TensorTypeProto { elem_type: Some(elem_type), shape })
    }

    /// Reads the elements of a tensor behind its type, which begins at a byte, and its name.
    pub(super) fn elements(&mut self, ty: Option<&TypeProto>, at: usize, name: String) -> Result<TensorProto> {
        let (dtype, dims) = match ty.and_then(|ty| ty.value.as_ref()).map(dims_of) {
            Some(Some(found)) => found,
            _ => {
                let why = format!("`{name}` has elements, so it needs a type of tensors with extents that are numbers");
                return Err(self.error(at, why));
            }
        };
        let name = Some(name).filter(|name| !name.is_empty());
        let mut tensor = TensorProto { dims, data_type: Some(dtype), name, ..TensorProto::default() };
        if self.is('[') {
            let entry = |(key, value)| StringStringEntryProto { key: Some(key), value: Some(value) };
            tensor.external_data = self.pairs(Self::quoted)?.into_iter().map(entry).collect();
            tensor.data_location = Some(1);
            return Ok(tensor);
        }
        let dtype = element::scalar(i64::from(dtype)).map_err(|why| self.error(at, why))?;
        if !self.takes('{')? {
            return Err(self.wanted("elements in `{` and `}`, or the place of a file in `[` and `]`"));
        }
        if self.token == Token::Dots {
            let name = tensor.name.unwrap_or_default();
            let why = format!(
                "the elements of `{name}` were left out when the text was written; write it with all constants to read \
                 it back"
            );
            return Err(self.error(self.at, why));
        }
        let mut bytes = Vec::new();
        self.list('}', |parser| parser.element(dtype, &mut bytes))?;
        tensor.raw_data = Some(bytes.into());
        Ok(tensor)
    }

    /// Reads an element: a number, or for floats of 16 and 8 bits their bits as an integer.
    fn element(&mut self, dtype: Scalar, bytes: &mut Vec<u8>) -> Result<()> {
        match dtype {
            Scalar::F32 => bytes.extend(self.float::<f32>()?.to_le_bytes()),
            Scalar::F64 => bytes.extend(self.float::<f64>()?.to_le_bytes()),
            _ => {
                let (size, is_signed) = (dtype.bytes(), dtype.is_signed_int());
                let bits = 8 * size as u32;
                let (least, most) = match dtype {
                    Scalar::Bool => (0, 1),
                    _ if is_signed => (-1i128 << (bits - 1), (1 << (bits - 1)) - 1),
                    _ => (0, (1i128 << bits) - 1),
                };
                let number = match self.token {
                    Token::Number(text) => text.parse::<i128>().ok().filter(|own| (least..=most).contains(own)),
                    _ => None,
                };
                let what = || format!("an element of type {}, an integer from {least} to {most}", dtype.name());
                bytes.extend(&number.ok_or_else(|| self.wanted(&what()))?.to_le_bytes()[..size]);
                self.take()?;
            }
        }
        Ok(())
    }

    /// Reads a float.
    pub(super) fn float<T: FromStr + Into<f64> + Copy>(&mut self) -> Result<T> {
        let text = match self.token {
            Token::Number(text) => text,
            Token::Name(text) if is_float(text) => text,
            _ => return Err(self.wanted("a number")),
        };
        let number: T = text.parse().map_err(|_| self.wanted("a number"))?;
        // `1e999` would become infinite.
        if number.into().is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
            return Err(self.wanted("a number that is not too large for its type"));
        }
        self.take()?;
        Ok(number)
    }
}

/// Returns the number of the type of elements and the extents of a tensor, if all are known.
fn dims_of(kind: &TypeKind) -> Option<(i32, Vec<i64>)> {
    let TypeKind::Tensor(TensorTypeProto { elem_type, shape: Some(shape) }) = kind else { return None };
    let dim = |dim: &DimensionProto| match dim.value {
        Some(DimensionKind::Value(value)) => Some(value),
        _ => None,
    };
    Some((elem_type.unwrap_or(0), shape.dim.iter().map(dim).collect::<Option<Vec<i64>>>()?))
}
