//! `.npy`, the files of NumPy with one array each: a header in the syntax of Python, then the elements.

use crate::array::{Array, MOST_AXES};
use hidet::types::Scalar;
use hidet_ops::TensorType;

/// Why a file cannot be read.
type Reading<T> = Result<T, String>;

/// What a file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// Elements begin at a multiple of so many bytes.
const ALIGNMENT: usize = 64;

/// The names of types that are the same here and in NumPy.
const NAMES: [(&str, Scalar); 12] = [
    ("|b1", Scalar::Bool),
    ("|i1", Scalar::I8),
    ("<i2", Scalar::I16),
    ("<i4", Scalar::I32),
    ("<i8", Scalar::I64),
    ("|u1", Scalar::U8),
    ("<u2", Scalar::U16),
    ("<u4", Scalar::U32),
    ("<u8", Scalar::U64),
    ("<f2", Scalar::F16),
    ("<f4", Scalar::F32),
    ("<f8", Scalar::F64),
];

impl Array {
    /// Reads the content of a `.npy` file, of versions 1 to 3 of the format.
    ///
    /// # Errors
    ///
    /// If the file is damaged, its elements are of a type that hidet does not have, or they are not little-endian and in
    /// row-major order.
    pub fn from_npy(bytes: &[u8]) -> Result<Array, String> {
        let after = bytes.strip_prefix(MAGIC).ok_or("it is not a .npy file, as `numpy.save` writes")?;
        let cut = || "its header is cut off".to_owned();
        let (version, after) = after.split_at_checked(2).ok_or_else(cut)?;
        let (length, after) = match version {
            [1, 0] => after.split_at_checked(2).ok_or_else(cut)?,
            [2 | 3, 0] => after.split_at_checked(4).ok_or_else(cut)?,
            _ => return Err(format!("it has version {}.{} of .npy, but 1.0 to 3.0 are read", version[0], version[1])),
        };
        let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (header, elements) = after.split_at_checked(length).ok_or_else(cut)?;
        let header = str::from_utf8(header).map_err(|_| "its header is not text")?;
        let ty = Header { rest: header }.read()?;
        if ty.dtype == Scalar::Bool && elements.iter().any(|byte| *byte > 1) {
            return Err("it has elements of type bool that are neither 0 nor 1".to_owned());
        }
        let wrong = || format!("its header says {ty}, but {} bytes of elements follow", elements.len());
        Array::new(ty.clone(), elements.to_vec()).ok_or_else(wrong)
    }

    /// Returns the content of a `.npy` file. NumPy has neither `bf16` nor floats of 8 bits: their bits are written as unsigned
    /// integers. `tf32` is written as `f32`.
    pub fn to_npy(&self) -> Vec<u8> {
        let stored = match self.dtype() {
            Scalar::BF16 => Scalar::U16,
            Scalar::E4M3 | Scalar::E5M2 => Scalar::U8,
            Scalar::TF32 => Scalar::F32,
            other => other,
        };
        let name = NAMES.iter().find(|(_, dtype)| *dtype == stored).map_or("", |(name, _)| name);
        let extents: String = self.shape().iter().map(|extent| format!("{extent}, ")).collect();
        // A tuple of one has a comma behind it.
        let extents = if self.shape().len() == 1 { extents.trim_end() } else { extents.trim_end_matches(", ") };
        let mut header = format!("{{'descr': '{name}', 'fortran_order': False, 'shape': ({extents}), }}");
        // Magic, version and the length of the header, which has 2 bytes in version 1, and 4 in version 2.
        let is_long = header.len() + 2 * ALIGNMENT > usize::from(u16::MAX);
        let before = MAGIC.len() + 2 + if is_long { 4 } else { 2 };
        let end = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
        header.extend(std::iter::repeat_n(' ', end - before - header.len() - 1));
        header.push('\n');
        let mut file = [MAGIC, if is_long { &[2, 0] } else { &[1, 0] }].concat();
        file.extend_from_slice(&header.len().to_le_bytes()[..if is_long { 4 } else { 2 }]);
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(self.bytes());
        file
    }
}

/// A header that is read: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
struct Header<'a> {
    rest: &'a str,
}

impl<'a> Header<'a> {
    /// Returns the type of the array.
    fn read(&mut self) -> Reading<TensorType> {
        let (mut dtype, mut is_fortran, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.eat("}") {
            let key = self.string()?;
            self.expect(":")?;
            match key {
                "descr" => dtype = Some(self.dtype()?),
                "fortran_order" => is_fortran = Some(self.boolean()?),
                "shape" => shape = Some(self.shape()?),
                _ => return Err(format!("its header has `{key}`, which is unknown")),
            }
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return Err(self.wrong("its end"));
        }
        let (Some(dtype), Some(is_fortran), Some(shape)) = (dtype, is_fortran, shape) else {
            return Err("its header does not have all of `descr`, `fortran_order` and `shape`".to_owned());
        };
        if is_fortran {
            return Err("its elements are in Fortran order; save `numpy.ascontiguousarray(..)` of it".to_owned());
        }
        Ok(TensorType { dtype, shape })
    }

    fn dtype(&mut self) -> Reading<Scalar> {
        if self.eat("[") {
            return Err("its elements are records, which are not supported".to_owned());
        }
        let name = self.string()?;
        let found = NAMES.iter().find(|(own, _)| *own == name).map(|(_, dtype)| *dtype);
        found.ok_or_else(|| match name.starts_with('>') {
            true => format!("its elements are big-endian (`{name}`); save them as `{}`", name.replace('>', "<")),
            false => {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                format!("its elements are of type `{name}`, but must be of one of {}", names.join(", "))
            }
        })
    }

    fn shape(&mut self) -> Reading<Vec<usize>> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.eat(")") {
            shape.push(self.number()?);
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        if shape.len() > MOST_AXES {
            return Err(format!("it has {} axes, but at most {MOST_AXES} are possible", shape.len()));
        }
        Ok(shape)
    }

    fn number(&mut self) -> Reading<usize> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        if digits.is_empty() {
            return Err(self.wrong("an extent"));
        }
        self.rest = rest;
        // Python 2 wrote `3L`.
        self.eat("L");
        digits.parse().map_err(|_| format!("its extent {digits} is too large"))
    }

    fn boolean(&mut self) -> Reading<bool> {
        if self.eat("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    /// Returns a string, in quotes of either kind. No name in a header has a quote inside.
    fn string(&mut self) -> Reading<&'a str> {
        let text = self.rest.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let parts = quote.and_then(|quote| text[1..].split_once(quote));
        let (string, rest) = parts.ok_or_else(|| self.wrong("a string"))?;
        self.rest = rest;
        Ok(string)
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Reading<()> {
        if self.eat(token) { Ok(()) } else { Err(self.wrong(&format!("`{token}`"))) }
    }

    fn wrong(&self, wanted: &str) -> String {
        let rest: String = self.rest.trim().chars().take(20).collect();
        format!("its header is damaged: {wanted} is expected instead of `{rest}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 1 with this header.
    fn file(header: &str, elements: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), elements].concat()
    }

    fn error(header: &str, elements: &[u8]) -> String {
        Array::from_npy(&file(header, elements)).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read() {
        for dtype in Scalar::ALL {
            for shape in [&[][..], &[3], &[0, 2], &[2, 1, 5]] {
                let ty = TensorType::new(dtype, shape);
                let array = Array::new(ty.clone(), vec![1; ty.len() * dtype.bytes()]).unwrap();
                let (bytes, bits) = (array.to_npy(), array.to_npy().len() - array.bytes().len());
                assert_eq!(bits % ALIGNMENT, 0);
                let read = Array::from_npy(&bytes).unwrap();
                assert_eq!((read.shape(), read.bytes()), (shape, array.bytes()));
                let wanted = match dtype {
                    Scalar::BF16 => Scalar::U16,
                    Scalar::E4M3 | Scalar::E5M2 => Scalar::U8,
                    Scalar::TF32 => Scalar::F32,
                    other => other,
                };
                assert_eq!(read.dtype(), wanted);
            }
        }
    }

    #[test]
    fn headers_are_those_of_numpy() {
        let array = Array::new(TensorType::new(Scalar::I16, &[2]), vec![1, 0, 2, 0]).unwrap();
        let mut wanted = b"\x93NUMPY\x01\0v\0{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }".to_vec();
        wanted.resize(127, b' ');
        wanted.extend_from_slice(b"\n\x01\0\x02\0");
        assert_eq!(array.to_npy(), wanted);
        let long = Array::new(TensorType::new(Scalar::U8, &[1; 30_000]), vec![1]).unwrap();
        assert!(long.to_npy().starts_with(b"\x93NUMPY\x02\0"));
        // Other orders and quotes, numbers of Python 2, and the longer lengths of versions 2 and 3.
        let header = "{\"shape\":(1L,2L),'fortran_order':False,'descr':'|u1'}";
        let read = Array::from_npy(&file(header, &[7, 8])).unwrap();
        assert_eq!((read.ty(), read.bytes()), (&TensorType::new(Scalar::U8, &[1, 2]), &[7, 8][..]));
        for version in [2, 3] {
            let length = (header.len() as u32).to_le_bytes();
            let bytes = [MAGIC, &[version, 0], &length, header.as_bytes(), &[7, 8]].concat();
            assert_eq!(Array::from_npy(&bytes).unwrap(), read);
        }
    }

    #[test]
    fn what_is_wrong_is_an_error_that_says_why() {
        let header =
            |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}");
        for (descr, shape, why) in [
            ("'>f4'", "(1,)", "its elements are big-endian (`>f4`); save them as `<f4`"),
            ("'<c8'", "(1,)", "its elements are of type `<c8`, but must be of one of |b1, |i1, <i2"),
            ("[('a', '<f4')]", "(1,)", "its elements are records"),
            ("'<f4'", "(2,)", "its header says f32[2], but 4 bytes of elements follow"),
            ("'<f4'", "(4294967296, 4294967296)", "its header says f32[4294967296, 4294967296], but 4 bytes"),
            ("'<f4'", "(99999999999999999999,)", "its extent 99999999999999999999 is too large"),
            ("'<f4'", "(-1,)", "its header is damaged: an extent is expected instead of `-1,)}`"),
            ("'<f4'", "(1", "its header is damaged: `)` is expected instead of `}`"),
            ("'<f4", "(1,)", "its elements are of type `<f4, `"),
            ("'|b1'", "(4,)", "it has elements of type bool that are neither 0 nor 1"),
        ] {
            let found = error(&header(descr, shape), &[2, 0, 0, 0]);
            assert!(found.starts_with(why), "{descr} {shape}: {found}");
        }
        assert!(error(&header("'<f4'", &format!("({})", "1,".repeat(65))), &[0; 4]).starts_with("it has 65 axes"));
        let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}";
        assert!(error(fortran, &[0; 4]).contains("Fortran order; save `numpy.ascontiguousarray(..)` of it"));
        assert!(error("{'descr': '<f4'}", &[]).contains("does not have all of"));
        assert!(error("{'other': '<f4'}", &[]).contains("has `other`, which is unknown"));
        assert!(error(&(header("'<f4'", "(1,)") + " x"), &[0; 4]).contains("its end is expected instead of `x`"));
        assert!(Array::from_npy(b"PK\x03\x04").unwrap_err().starts_with("it is not a .npy file"));
        assert!(Array::from_npy(b"\x93NUMPY\x09\0").unwrap_err().starts_with("it has version 9.0 of .npy"));
    }

    #[test]
    fn every_prefix_and_every_changed_byte_is_read_or_an_error() {
        let bytes = Array::new(TensorType::new(Scalar::F32, &[2, 3]), vec![1; 24]).unwrap().to_npy();
        for len in 0..bytes.len() {
            assert!(Array::from_npy(&bytes[..len]).is_err());
        }
        for at in 0..bytes.len() {
            for byte in 0..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] = byte;
                let _ = Array::from_npy(&changed);
            }
        }
    }
}
