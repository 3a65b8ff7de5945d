//! Calls of intrinsics: substitutes the operands in the row's CUDA text.

use crate::intrinsics::matrix::Form;

/// Replaces `$0`, `$1`, ... by the operands and `$T0`, ... by their element types. For operands that are forms of
/// matrices, `$F0` is replaced by the fields of a descriptor and `$M0` by the major axis. A reference to an operand
/// that does not exist is not replaced, and the text fails to compile.
pub fn fill(template: &str, operands: &[String], types: &[&str], forms: &[Option<Form>]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        let after = &rest[at + 1..];
        let kind = after.chars().next().filter(|kind| matches!(kind, 'T' | 'F' | 'M'));
        let digits = &after[kind.map_or(0, char::len_utf8)..];
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let index: usize = digits[..length].parse().unwrap_or(usize::MAX);
        let form = forms.get(index).copied().flatten();
        let text = match kind {
            Some('T') => types.get(index).map(|ty| (*ty).to_owned()),
            Some('F') => form.map(|form| format!("{}, {}, {}", form.leading, form.stride, form.swizzle_code())),
            Some(_) => form.map(|form| u8::from(form.mn_major).to_string()),
            None => operands.get(index).cloned(),
        };
        match text {
            Some(text) => {
                out += &text;
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
    use super::{Form, fill};

    #[test]
    fn operands_and_types_are_put_in() {
        let operands = ["a".to_owned(), "b + 1".to_owned()];
        assert_eq!(fill("f<$T0>($1, $0);", &operands, &["float", "int"], &[]), "f<float>(b + 1, a);");
        let form = Form { mn_major: true, span: 64, leading: 16, stride: 512 };
        assert_eq!(fill("f<$M0>($F0)", &operands, &[], &[Some(form)]), "f<1>(16, 512, 2)");
        assert_eq!(fill("f($7)", &operands, &[], &[]), "f($7)");
    }
}
