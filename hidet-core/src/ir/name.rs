//! What is an identifier: of kernels, and of what the text form writes without quotes.

/// Whether an identifier may hold that letter: Rust's identifiers hold no others.
pub(super) fn is_letter(c: char) -> bool {
    c == '_' || if c.is_ascii() { c.is_ascii_alphanumeric() } else { !c.is_whitespace() && !c.is_control() }
}

/// Whether a name is an identifier.
pub(super) fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| is_letter(first) && !first.is_ascii_digit()) && name.chars().all(is_letter)
}
