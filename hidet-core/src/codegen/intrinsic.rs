//! Calls of intrinsics: the row's CUDA text with the operands put in.

/// Replaces `$0`, `$1`, ... by the operands and `$T0`, ... by their element types. The text of a row is ours, so an
/// operand it names but does not have stays as it is, and does not compile.
pub fn fill(template: &str, operands: &[String], types: &[&str]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        let after = &rest[at + 1..];
        let (list, digits): (Option<&[&str]>, &str) = match after.strip_prefix('T') {
            Some(after) => (Some(types), after),
            None => (None, after),
        };
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let index: usize = digits[..length].parse().unwrap_or(usize::MAX);
        let text = match list {
            Some(types) => types.get(index).copied(),
            None => operands.get(index).map(String::as_str),
        };
        match text {
            Some(text) => out += text,
            None => {
                out.push('$');
                rest = after;
                continue;
            }
        }
        rest = &digits[length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn operands_and_types_are_put_in() {
        let operands = ["a".to_owned(), "b + 1".to_owned()];
        assert_eq!(fill("f<$T0>($1, $0);", &operands, &["float", "int"]), "f<float>(b + 1, a);");
        assert_eq!(fill("f($7)", &operands, &[]), "f($7)");
    }
}
