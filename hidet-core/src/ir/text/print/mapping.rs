//! Prints task mappings.

use super::Printer;
use crate::ir::{Mapping, MappingAtom, MappingExtent, Unroll};
use std::fmt::Write;

impl Printer<'_> {
    pub(super) fn mapping(&self, mapping: &Mapping) -> String {
        let atoms: Vec<String> = mapping.atoms.iter().map(|atom| self.atom(atom)).collect();
        if atoms.is_empty() { "empty".to_owned() } else { atoms.join(" * ") }
    }

    fn atom(&self, atom: &MappingAtom) -> String {
        let extents = |shape: &[MappingExtent]| {
            let extents: Vec<String> = shape
                .iter()
                .map(|extent| match extent {
                    MappingExtent::Const(number) => number.to_string(),
                    MappingExtent::Value(value) => self.value(*value),
                })
                .collect();
            format!("[{}]", extents.join(", "))
        };
        let order = |ranks: &[u8], rank: usize| match ranks.iter().copied().eq((0..=u8::MAX).take(rank)) {
            true => String::new(),
            false => format!(" ranks{ranks:?}"),
        };
        let gone = |projected: &[bool], rank: usize| {
            if projected.len() == rank && !projected.contains(&true) {
                return String::new();
            }
            let axes: Vec<&str> = projected.iter().map(|gone| if *gone { "1" } else { "0" }).collect();
            format!(" projected[{}]", axes.join(", "))
        };
        match atom {
            MappingAtom::Spatial { shape, ranks, projected } => {
                let rank = shape.len();
                format!("spatial{}{}{}", extents(shape), order(ranks, rank), gone(projected, rank))
            }
            MappingAtom::Repeat { shape, ranks, unroll, projected } => {
                let mut text = format!("repeat{}{}", extents(shape), order(ranks, shape.len()));
                if unroll.len() != shape.len() || unroll.iter().any(|unroll| *unroll != Unroll::Auto) {
                    let unroll: Vec<String> = unroll.iter().map(|unroll| unroll_name(*unroll)).collect();
                    let _ = write!(text, " unroll[{}]", unroll.join(", "));
                }
                text.push_str(&gone(projected, shape.len()));
                text
            }
            MappingAtom::Custom { workers, shape, tasks } => {
                let symbol = |symbol| if symbol == 0 { "worker".to_owned() } else { "?".to_owned() };
                let tasks: Vec<String> = tasks
                    .iter()
                    .map(|task| {
                        let axes: Vec<String> = task.iter().map(|axis| axis.text(&symbol)).collect();
                        format!("({})", axes.join(", "))
                    })
                    .collect();
                format!("custom{shape:?} workers {workers} tasks [{}]", tasks.join(", "))
            }
        }
    }
}

pub(super) fn unroll_name(unroll: Unroll) -> String {
    match unroll {
        Unroll::Auto => "auto".to_owned(),
        Unroll::Never => "never".to_owned(),
        Unroll::Full => "full".to_owned(),
        Unroll::By(times) => times.to_string(),
        Unroll::Explicit => "explicit".to_owned(),
    }
}
