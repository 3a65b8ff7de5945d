//! The header of a `.safetensors` file: an object of JSON, to and from the tensors that it names.

use super::{Entry, METADATA, MOST_AXES, NAMES, Reading};
use crate::error::TensorType;
use hidet::types::Scalar;
use std::collections::HashSet;

/// Returns the tensors of a header, with places behind it.
pub(super) fn read(header: &str) -> Reading<Vec<Entry>> {
    let mut header = Header { rest: header };
    let mut entries = Vec::new();
    let mut names = HashSet::new();
    header.object(|header, name| {
        if !names.insert(name.clone()) {
            return Err(format!("its header has `{name}` twice"));
        }
        if name == METADATA {
            return header.object(|header, _| header.string().map(drop));
        }
        let (ty, [start, end]) = header.tensor().map_err(|why| format!("`{name}`: {why}"))?;
        entries.push(Entry { name, ty, place: start..end });
        Ok(())
    })?;
    match header.rest.trim_start_matches(SPACES) {
        "" => Ok(entries),
        _ => Err(header.wrong("its end")),
    }
}

/// Adds the part of a header that is about a tensor.
pub(super) fn push(header: &mut String, Entry { name, ty, place }: &Entry) {
    let stored = if ty.dtype == Scalar::TF32 { Scalar::F32 } else { ty.dtype };
    let dtype = NAMES.iter().find(|(_, dtype)| *dtype == stored).map_or("", |(name, _)| name);
    let extents: Vec<String> = ty.shape.iter().map(ToString::to_string).collect();
    header.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => header.extend(['\\', c]),
            '\0'..' ' => header.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => header.push(c),
        }
    }
    let (shape, start, end) = (extents.join(","), place.start, place.end);
    header.push_str(&format!(r#"":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{start},{end}]}}"#));
}

/// What JSON has between tokens.
const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

/// A header that is read.
struct Header<'a> {
    rest: &'a str,
}

impl Header<'_> {
    /// Reads the type of a tensor, and where its elements begin and end.
    fn tensor(&mut self) -> Reading<(TensorType, [usize; 2])> {
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        self.object(|header, key| {
            let is_again = match key.as_str() {
                "dtype" => dtype.replace(header.dtype()?).is_some(),
                "shape" => shape.replace(header.numbers(MOST_AXES, "axes")?).is_some(),
                "data_offsets" => offsets.replace(header.numbers(2, "offsets")?).is_some(),
                _ => return Err(format!("it has `{key}`, which is unknown")),
            };
            if is_again { Err(format!("it has `{key}` twice")) } else { Ok(()) }
        })?;
        match (dtype, shape, offsets.as_deref()) {
            (Some(dtype), Some(shape), Some(&[start, end])) => Ok((TensorType { dtype, shape }, [start, end])),
            _ => Err("it does not have all of `dtype`, `shape` and two `data_offsets`".to_owned()),
        }
    }

    fn dtype(&mut self) -> Reading<Scalar> {
        let name = self.string()?;
        let found = NAMES.iter().find(|(own, _)| *own == name).map(|(_, dtype)| *dtype);
        found.ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("its elements are of type `{name}`, but must be of one of {}", names.join(", "))
        })
    }

    /// Reads an object, of which `value` reads what is behind each key.
    fn object(&mut self, mut value: impl FnMut(&mut Self, String) -> Reading<()>) -> Reading<()> {
        self.expect('{')?;
        if self.eat('}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(':')?;
            value(self, key)?;
            if !self.eat(',') {
                return self.expect('}');
            }
        }
    }

    /// Reads a list of at most so many numbers.
    fn numbers(&mut self, most: usize, what: &str) -> Reading<Vec<usize>> {
        let mut numbers = Vec::new();
        self.expect('[')?;
        if self.eat(']') {
            return Ok(numbers);
        }
        loop {
            if numbers.len() == most {
                return Err(format!("it has more than {most} {what}"));
            }
            numbers.push(self.number()?);
            if !self.eat(',') {
                return self.expect(']').map(|()| numbers);
            }
        }
    }

    fn number(&mut self) -> Reading<usize> {
        self.rest = self.rest.trim_start_matches(SPACES);
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().map_err(|_| self.wrong("a number from 0 to 2^64 - 1"))?;
        self.rest = rest;
        Ok(number)
    }

    fn string(&mut self) -> Reading<String> {
        if !self.eat('"') {
            return Err(self.wrong("a string"));
        }
        let mut string = String::new();
        loop {
            let at = self.rest.find(['"', '\\']).ok_or_else(|| self.wrong("a string that ends"))?;
            string.push_str(&self.rest[..at]);
            let is_end = self.rest[at..].starts_with('"');
            self.rest = &self.rest[at + 1..];
            if is_end {
                return Ok(string);
            }
            string.push(self.escaped()?);
        }
    }

    /// Reads what is behind a backslash.
    fn escaped(&mut self) -> Reading<char> {
        let wrong = self.wrong("an escaped character");
        let c = self.rest.chars().next().ok_or_else(|| wrong.clone())?;
        self.rest = &self.rest[c.len_utf8()..];
        Ok(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut units = vec![self.unit()?];
                // The first of two units of UTF-16.
                if matches!(units[0], 0xd800..0xdc00) {
                    self.rest = self.rest.strip_prefix("\\u").ok_or_else(|| wrong.clone())?;
                    units.push(self.unit()?);
                }
                char::decode_utf16(units).next().and_then(Result::ok).ok_or(wrong)?
            }
            _ => return Err(wrong),
        })
    }

    fn unit(&mut self) -> Reading<u16> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.rest = &self.rest[4..];
        u16::from_str_radix(digits, 16).map_err(|error| error.to_string())
    }

    fn eat(&mut self, token: char) -> bool {
        let rest = self.rest.trim_start_matches(SPACES).strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: char) -> Reading<()> {
        if self.eat(token) { Ok(()) } else { Err(self.wrong(&format!("`{token}`"))) }
    }

    fn wrong(&self, wanted: &str) -> String {
        let rest: String = self.rest.trim_start_matches(SPACES).chars().take(20).collect();
        match rest.as_str() {
            "" => format!("the header is damaged: it ends where {wanted} is expected"),
            _ => format!("the header is damaged: {wanted} is expected instead of `{rest}`"),
        }
    }
}
