//! Unique names for the items of an arena: the first item of a name has it alone, later ones with a number.

use crate::ir::name::is_identifier;
use std::collections::HashMap;

/// One text an item, in order.
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

/// The name itself where it is an identifier, else in quotes.
pub(super) fn escape(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { format!("{name:?}") }
}
