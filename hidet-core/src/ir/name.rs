//! Identifiers: names of kernels, and names that the text form writes without quotes.

/// Returns true if identifiers may contain that character, as in Rust.
pub(super) fn is_letter(c: char) -> bool {
    c == '_' || if c.is_ascii() { c.is_ascii_alphanumeric() } else { !c.is_whitespace() && !c.is_control() }
}

/// Returns true if a name is an identifier.
pub(super) fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| is_letter(first) && !first.is_ascii_digit()) && name.chars().all(is_letter)
}
