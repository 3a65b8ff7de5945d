//! [`Attributes`] of a node, by name and type.

use crate::array::Array;
use crate::error::NodeResult;
use std::collections::BTreeMap;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Array),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    /// One of a kind that no operator here reads, with its name.
    Other(&'static str),
}

impl Attribute {
    fn kind(&self) -> &'static str {
        match self {
            Attribute::Float(_) => "a float",
            Attribute::Int(_) => "an integer",
            Attribute::Text(_) => "a text",
            Attribute::Tensor(_) => "a tensor",
            Attribute::Floats(_) => "a list of floats",
            Attribute::Ints(_) => "a list of integers",
            Attribute::Texts(_) => "a list of texts",
            Attribute::Other(kind) => kind,
        }
    }
}

/// The attributes of a node that are not graphs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes(pub(crate) BTreeMap<String, Attribute>);

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident $variant:ident -> $ty:ty, $kind:literal;)*) => {
        impl Attributes {$(
            $(#[$doc])*
            pub(crate) fn $name(&self, name: &str) -> NodeResult<Option<$ty>> {
                match self.0.get(name) {
                    None => Ok(None),
                    Some(Attribute::$variant(value)) => Ok(Some(value.clone())),
                    Some(other) => {
                        Err(format!("attribute `{name}` is {}, but must be {}", other.kind(), $kind).into())
                    }
                }
            }
        )*}
    };
}

getters! {
    /// Returns a float, if there is one.
    float Float -> f32, "a float";
    /// Returns an integer, if there is one.
    int Int -> i64, "an integer";
    /// Returns a text, if there is one.
    text Text -> String, "a text";
    /// Returns a tensor, if there is one.
    tensor Tensor -> Array, "a tensor";
    /// Returns a list of floats, if there is one.
    floats Floats -> Vec<f32>, "a list of floats";
    /// Returns a list of integers, if there is one.
    ints Ints -> Vec<i64>, "a list of integers";
    /// Returns a list of texts, if there is one.
    texts Texts -> Vec<String>, "a list of texts";
}
