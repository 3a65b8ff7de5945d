//! The operators of ONNX: a table of rows, one family per file.
//!
//! A row says from which version on its operator is read, and which attributes it knows. A node with others is refused, so that
//! nothing that changes the meaning is overlooked.

mod activation;
mod antialias;
mod arithmetic;
mod attention;
mod boxes;
mod cast;
mod cells;
mod compare;
mod control;
mod conv;
mod create;
pub(crate) mod images;
mod index;
mod linear_attention;
mod loss;
mod matmul;
mod norm;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod regions;
mod resize;
mod sample;
mod select;
mod shape;
mod signal;
mod slice;
mod tools;
mod windows;

use crate::call::Call;
use crate::error::{NodeName, NodeResult};
use crate::graph::OWN_DOMAIN;
use crate::value::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What computes a node.
pub(crate) type Operator = fn(&Call) -> NodeResult<Vec<Value>>;

/// A line of the table: the operator, the first version of the standard that is read, attributes, and what computes it.
pub(crate) struct Row(&'static str, i64, &'static [&'static str], Operator);

/// The newest version of the standard that was looked at.
const NEWEST: i64 = 28;

static TABLE: LazyLock<HashMap<&'static str, &'static Row>> = LazyLock::new(|| {
    let families = [
        activation::ROWS,
        arithmetic::ROWS,
        attention::ROWS,
        boxes::ROWS,
        cast::ROWS,
        compare::ROWS,
        control::ROWS,
        conv::ROWS,
        create::ROWS,
        index::ROWS,
        linear_attention::ROWS,
        loss::ROWS,
        matmul::ROWS,
        norm::ROWS,
        pool::ROWS,
        quantize::ROWS,
        recurrent::ROWS,
        reduce::ROWS,
        regions::ROWS,
        resize::ROWS,
        sample::ROWS,
        select::ROWS,
        shape::ROWS,
        signal::ROWS,
        slice::ROWS,
    ];
    families.into_iter().flatten().map(|row| (row.0, row)).collect()
});

fn row(node: &NodeName) -> Option<&'static Row> {
    if node.domain == OWN_DOMAIN {
        return attention::OWN_ROWS.iter().find(|row| (row.0, row.1) == (node.op_type.as_str(), node.version));
    }
    let row = TABLE.get(node.op_type.as_str()).filter(|_| node.domain.is_empty())?;
    (row.1..=NEWEST).contains(&node.version).then_some(row)
}

/// Returns what computes a node, if it is supported.
pub(crate) fn find(node: &NodeName) -> Option<Operator> {
    row(node).map(|row| row.3)
}

/// Returns true if there is an operator of the standard with this name, in some version.
pub(crate) fn is_known(operator: &str) -> bool {
    TABLE.contains_key(operator)
}

/// Returns an attribute of a node that its operator does not know, if any.
pub(crate) fn unknown<'a>(node: &NodeName, mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let row = row(node)?;
    names.find(|name| !row.2.contains(&name.as_str()))
}

/// Returns why a node is not supported.
pub(crate) fn why_not(node: &NodeName) -> String {
    match TABLE.get(node.op_type.as_str()) {
        _ if !node.domain.is_empty() => {
            format!("operators of `{}` are not supported; a `Rule` can replace it", node.domain)
        }
        None => "the operator is not supported".to_owned(),
        Some(_) if node.version > NEWEST => format!("opset {} is newer than {NEWEST}", node.version),
        Some(row) => format!("the operator is supported from opset {} on", row.1),
    }
}
