//! Calls of intrinsics: the row's CUDA text with the operands put in.

/// Replaces `$0`, `$1`, ... by the operands, `$T0`, ... by their element types and `$D0`, ... by their descriptors. The
/// text of a row is ours: an operand that it names but does not have stays as it is, and does not compile.
pub fn fill(template: &str, operands: &[String], types: &[&str], descriptors: &[String]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        let after = &rest[at + 1..];
        let kind = after.chars().next().filter(|kind| matches!(kind, 'T' | 'D'));
        let digits = &after[kind.map_or(0, char::len_utf8)..];
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let index: usize = digits[..length].parse().unwrap_or(usize::MAX);
        let text = match kind {
            Some('T') => types.get(index).copied(),
            Some(_) => descriptors.get(index).map(String::as_str),
            None => operands.get(index).map(String::as_str),
        };
        match text {
            Some(text) => {
                out += text;
                rest = &digits[length..];
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn operands_and_types_are_put_in() {
        let operands = ["a".to_owned(), "b + 1".to_owned()];
        assert_eq!(fill("f<$T0>($1, $0);", &operands, &["float", "int"], &[]), "f<float>(b + 1, a);");
        assert_eq!(fill("f($7)", &operands, &[], &[]), "f($7)");
    }
}
