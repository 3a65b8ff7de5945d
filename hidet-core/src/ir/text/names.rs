//! Unique names for the items of an arena: the first item with a name keeps it, later ones get a number.

use crate::ir::name::is_identifier;
use std::collections::HashMap;

/// Returns one text per item, in order.
pub(super) fn unique<'a>(sigil: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    names
        .map(|name| {
            let count = seen.entry(name).or_default();
            let number = *count;
            *count += 1;
            match (name.is_empty() && !sigil.is_empty(), number) {
                (true, _) => format!("{sigil}{number}"),
                (false, 0) => format!("{sigil}{}", escape(name)),
                (false, _) => format!("{sigil}{}.{number}", escape(name)),
            }
        })
        .collect()
}

/// Returns the name, quoted unless it is an identifier.
pub(super) fn escape(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { format!("{name:?}") }
}
