//! What can go wrong with a model: in its file, in one of its nodes, or with the inputs of a run.

use std::fmt;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A result inside of a node, whose name is added where the node is known.
pub(crate) type NodeResult<T> = std::result::Result<T, Why>;

/// An error of a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would help.
        why: String,
    },
    /// The bytes are not a valid model.
    #[error("the model is not valid: {0}")]
    Invalid(String),
    /// The model has operators that are not supported: all of them.
    #[error("{}", Missing(.0))]
    Unsupported(Vec<Unsupported>),
    /// A pass of hidet left a graph that is not valid.
    #[error("a fault of hidet, please report it with the model: its pass `{name}` fails: {why}")]
    Pass {
        /// The pass.
        name: &'static str,
        /// What is not valid.
        why: Box<Error>,
    },
    /// A rule cannot be read, or is not for any model.
    #[error("rule `{rule}`: {why}")]
    Rule {
        /// The name of the rule.
        rule: String,
        /// What is wrong, and what would help.
        why: String,
    },
    /// A node cannot be computed.
    #[error("{node}: {why}")]
    Node {
        /// The node.
        node: Box<NodeName>,
        /// What is wrong.
        why: Why,
    },
    /// The inputs of a run are not those of the model.
    #[error("input `{name}`: {why}")]
    Input {
        /// The name of the input.
        name: String,
        /// What does not fit, and what would.
        why: String,
    },
    /// A compiled model cannot be made, read or run.
    #[error("compiled model: {0}")]
    Compiled(String),
    /// The device failed, or an extent cannot have sizes that were given.
    #[error(transparent)]
    Device(#[from] hidet_ops::Error),
}

impl Error {
    /// Returns the error that a model is not valid as that of its file.
    pub(crate) fn in_file(self, path: &Path) -> Error {
        match self {
            Error::Invalid(why) => Error::File { path: path.to_owned(), why },
            other => other,
        }
    }
}

/// An operator that is not supported.
#[derive(Clone, Debug)]
pub struct Unsupported {
    /// The node that needs it.
    pub node: NodeName,
    /// What is not supported about it.
    pub why: String,
}

/// A node in messages: what a user finds it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// Its name, which may be empty.
    pub name: String,
    /// The domain of its operator, empty for that of the standard.
    pub domain: String,
    /// Its operator.
    pub op_type: String,
    /// The version of the set of operators.
    pub version: i64,
    /// Its number among the nodes of its graph.
    pub number: usize,
}

impl NodeName {
    /// Returns the operator, with its domain if that is not the standard's.
    pub(crate) fn operator(&self) -> String {
        let domain = if self.domain.is_empty() { "" } else { "." };
        format!("{}{domain}{}", self.domain, self.op_type)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.number)?;
        if !self.name.is_empty() {
            write!(f, " `{}`", self.name)?;
        }
        write!(f, " ({}, opset {})", self.operator(), self.version)
    }
}

/// Operators that are missing, as a list in words.
struct Missing<'a>(&'a [Unsupported]);

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model needs what is not supported:")?;
        self.0.iter().try_for_each(|one| write!(f, "\n  {}: {}", one.node, one.why))
    }
}

/// Why a node cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// In words: what is wrong, and what would help.
    #[error("{0}")]
    Text(String),
    /// An operator refuses its inputs, or the device failed.
    #[error(transparent)]
    Operator(#[from] hidet_ops::Error),
    /// A node of a graph inside of the node.
    #[error("{0}")]
    Inside(Box<Error>),
}

impl From<hidet::Error> for Error {
    fn from(error: hidet::Error) -> Error {
        Error::Device(error.into())
    }
}

impl From<String> for Why {
    fn from(text: String) -> Why {
        Why::Text(text)
    }
}

impl From<&str> for Why {
    fn from(text: &str) -> Why {
        Why::Text(text.to_owned())
    }
}

impl From<Error> for Why {
    fn from(error: Error) -> Why {
        Why::Inside(Box::new(error))
    }
}

impl From<hidet::Error> for Why {
    fn from(error: hidet::Error) -> Why {
        Why::Operator(error.into())
    }
}
