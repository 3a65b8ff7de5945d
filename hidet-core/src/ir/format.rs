//! Formatting of printed values: Rust's format specifications, and numbers formatted by them. Shared by all devices.

use super::eval;
use crate::types::Scalar;
use std::fmt;

/// A format specification of Rust (`>8.3`, `#x`, `?`), without names and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    fill: char,
    /// `<`, `^` or `>`.
    align: Option<char>,
    plus: bool,
    alternate: bool,
    zero: bool,
    width: u16,
    precision: Option<u16>,
    kind: Kind,
}

/// The type of a format specification, after the width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Kind {
    #[default]
    Display,
    Debug,
    LowerHex,
    UpperHex,
    Octal,
    Binary,
    LowerExp,
    UpperExp,
}

const KINDS: [(&str, Kind); 8] = [
    ("", Kind::Display),
    ("?", Kind::Debug),
    ("x", Kind::LowerHex),
    ("X", Kind::UpperHex),
    ("o", Kind::Octal),
    ("b", Kind::Binary),
    ("e", Kind::LowerExp),
    ("E", Kind::UpperExp),
];

impl Default for Format {
    fn default() -> Self {
        Format {
            fill: ' ',
            align: None,
            plus: false,
            alternate: false,
            zero: false,
            width: 0,
            precision: None,
            kind: Kind::Display,
        }
    }
}

impl Format {
    /// Parses the specification between `:` and `}`. Returns `None` if it is invalid or takes its width from an
    /// argument.
    pub fn parse(spec: &str) -> Option<Format> {
        let mut format = Format::default();
        let mut rest = spec;
        let mut chars = spec.chars();
        let (first, second) = (chars.next(), chars.next());
        let is_align = |c: Option<char>| c.filter(|c| matches!(c, '<' | '^' | '>'));
        if let (Some(fill), Some(align)) = (first, is_align(second)) {
            (format.fill, format.align) = (fill, Some(align));
            rest = &rest[fill.len_utf8() + 1..];
        } else if let Some(align) = is_align(first) {
            format.align = Some(align);
            rest = &rest[1..];
        }
        let flag = |rest: &mut &str, flag: char| match rest.strip_prefix(flag) {
            Some(after) => {
                *rest = after;
                true
            }
            None => false,
        };
        format.plus = flag(&mut rest, '+');
        format.alternate = flag(&mut rest, '#');
        format.zero = flag(&mut rest, '0');
        let number = |rest: &mut &str| -> Option<u16> {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            *rest = after;
            number.parse().ok()
        };
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            format.width = number(&mut rest)?;
        }
        if flag(&mut rest, '.') {
            format.precision = Some(number(&mut rest)?);
        }
        format.kind = KINDS.iter().find(|(name, _)| *name == rest)?.1;
        Some(format)
    }

    /// Returns true if a number of that type can be printed so: floats have no hexadecimal form, `bool` only the plain
    /// one.
    pub fn fits(&self, scalar: Scalar) -> bool {
        match self.kind {
            Kind::Display | Kind::Debug => true,
            Kind::LowerExp | Kind::UpperExp => scalar != Scalar::Bool,
            _ => scalar != Scalar::Bool && !scalar.is_float(),
        }
    }

    /// Formats a number, or the lanes of a vector in brackets; `part` gives the bits of each lane.
    pub fn value(&self, scalar: Scalar, lanes: u32, part: impl Fn(u32) -> u64) -> String {
        match lanes {
            1 => self.number(scalar, part(0)),
            lanes => {
                let parts: Vec<String> = (0..lanes).map(|lane| self.number(scalar, part(lane))).collect();
                format!("[{}]", parts.join(", "))
            }
        }
    }

    fn number(&self, scalar: Scalar, bits: u64) -> String {
        match scalar {
            Scalar::Bool => {
                let word = if bits & 1 != 0 { "true" } else { "false" };
                let length = self.precision.map_or(word.len(), |digits| word.len().min(digits.into()));
                self.pad("", &word[..length], '<')
            }
            Scalar::F64 => self.signed(&self.float(f64::from_bits(bits))),
            _ if scalar.is_float() => {
                let value = eval::to_f64(scalar, bits) as f32;
                self.signed(&match self.kind {
                    // Only the shortest form of a number depends on its type.
                    Kind::Display if self.precision.is_none() => value.to_string(),
                    Kind::Debug if self.precision.is_none() => format!("{value:?}"),
                    Kind::LowerExp if self.precision.is_none() => format!("{value:e}"),
                    Kind::UpperExp if self.precision.is_none() => format!("{value:E}"),
                    _ => self.float(f64::from(value)),
                })
            }
            _ => self.integer(scalar, bits),
        }
    }

    fn float(&self, value: f64) -> String {
        match (self.kind, self.precision.map(usize::from)) {
            (Kind::LowerExp, None) => format!("{value:e}"),
            (Kind::LowerExp, Some(digits)) => format!("{value:.digits$e}"),
            (Kind::UpperExp, None) => format!("{value:E}"),
            (Kind::UpperExp, Some(digits)) => format!("{value:.digits$E}"),
            (Kind::Debug, None) => format!("{value:?}"),
            (_, None) => value.to_string(),
            (_, Some(digits)) => format!("{value:.digits$}"),
        }
    }

    fn integer(&self, scalar: Scalar, bits: u64) -> String {
        let width = scalar.bytes() as u32 * 8;
        let bits = bits & (u64::MAX >> (64 - width));
        let value = match scalar.is_signed_int() {
            true => i128::from((bits << (64 - width)) as i64 >> (64 - width)),
            false => i128::from(bits),
        };
        let (prefix, digits) = match self.kind {
            Kind::Display | Kind::Debug => return self.signed(&value.to_string()),
            Kind::LowerExp | Kind::UpperExp => {
                let digits = self.precision.map(usize::from);
                return self.signed(&match (self.kind, digits) {
                    (Kind::LowerExp, None) => format!("{value:e}"),
                    (Kind::LowerExp, Some(digits)) => format!("{value:.digits$e}"),
                    (_, None) => format!("{value:E}"),
                    (_, Some(digits)) => format!("{value:.digits$E}"),
                });
            }
            Kind::LowerHex => ("0x", format!("{bits:x}")),
            Kind::UpperHex => ("0x", format!("{bits:X}")),
            Kind::Octal => ("0o", format!("{bits:o}")),
            Kind::Binary => ("0b", format!("{bits:b}")),
        };
        let sign = if self.plus { "+" } else { "" };
        self.pad_number(&format!("{sign}{}", if self.alternate { prefix } else { "" }), &digits)
    }

    /// Formats a decimal number, which may begin with a minus sign.
    fn signed(&self, text: &str) -> String {
        match text.strip_prefix('-') {
            Some(rest) => self.pad_number("-", rest),
            None if self.plus && text != "NaN" => self.pad_number("+", text),
            None => self.pad_number("", text),
        }
    }

    fn pad_number(&self, sign: &str, digits: &str) -> String {
        if self.zero {
            let zeros = usize::from(self.width).saturating_sub(sign.len() + digits.len());
            return format!("{sign}{}{digits}", "0".repeat(zeros));
        }
        self.pad(sign, digits, '>')
    }

    fn pad(&self, sign: &str, digits: &str, usual: char) -> String {
        let missing = usize::from(self.width).saturating_sub(sign.len() + digits.len());
        let left = match self.align.unwrap_or(usual) {
            '<' => 0,
            '^' => missing / 2,
            _ => missing,
        };
        let fill = |count: usize| self.fill.to_string().repeat(count);
        format!("{}{sign}{digits}{}", fill(left), fill(missing - left))
    }
}

/// The specification, as [`Format::parse`] reads it.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(align) = self.align {
            write!(f, "{}{align}", self.fill)?;
        }
        for (set, flag) in [(self.plus, "+"), (self.alternate, "#"), (self.zero, "0")] {
            f.write_str(if set { flag } else { "" })?;
        }
        if self.width > 0 {
            write!(f, "{}", self.width)?;
        }
        if let Some(digits) = self.precision {
            write!(f, ".{digits}")?;
        }
        f.write_str(KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Element;

    fn ours<T: Element>(spec: &str, value: T) -> String {
        let format = Format::parse(spec).unwrap_or_else(|| panic!("`{spec}` is not read"));
        assert_eq!(Format::parse(&format.to_string()), Some(format), "{spec}");
        assert!(format.fits(T::SCALAR));
        format.value(T::SCALAR, 1, |_| value.constant().bits)
    }

    macro_rules! same {
        ($values:expr; $($spec:literal)*) => {$(
            for value in $values {
                assert_eq!(ours($spec, value), format!(concat!("{:", $spec, "}"), value), "{{:{}}}", $spec);
            }
        )*};
    }

    #[test]
    fn numbers_look_as_rust_formats_them() {
        let floats = [0.0f32, -0.0, 1.0, -2.5, 0.1, 1e-8, 3.4e38, 16777216.0, f32::NAN, f32::INFINITY, -f32::INFINITY];
        same!(floats; "" "?" ".0" ".3" "8" "<8" "^9" ">8.3" "*>12.2" "+" "+.2" "08" "+08.1" "e" "E" ".2e" "12.3E" ".4?");
        let doubles = [0.1f64, -1.0 / 3.0, 1e300, 5e-324, 1e16];
        same!(doubles; "" "?" ".12" "e" "+20.3" "-^30" "030.5");
        same!([0i32, 7, -7, i32::MIN, i32::MAX]; "" "?" "x" "#x" "X" "#010x" "b" "#b" "o" "5" "<5" "+" "+05" "e" ".1e");
        same!([0i8, -1, 127]; "" "x" "08b" "#o" "^7");
        same!([0u64, 255, u64::MAX]; "" "x" "#X" "25" "025" "E");
        same!([true, false]; "" "?" "7" ">7" "^7" ".2");
    }

    #[test]
    fn what_is_no_specification_is_refused() {
        for spec in ["y", "x?", "w$", ".*", ".", "5 ", "#?x"] {
            assert_eq!(Format::parse(spec), None, "{spec}");
        }
        assert!(!Format::parse("x").is_some_and(|format| format.fits(Scalar::F32)));
        assert!(!Format::parse("e").is_some_and(|format| format.fits(Scalar::Bool)));
    }

    #[test]
    fn vectors_stand_in_brackets() {
        let format = Format::parse(".1").unwrap_or_default();
        let bits = [1.0f32, 2.25].map(|value| u64::from(value.to_bits()));
        assert_eq!(format.value(Scalar::F32, 2, |lane| bits[lane as usize]), "[1.0, 2.2]");
    }
}
