//! Text built in const context, and the coordinates in it.

use std::fmt;

/// The maximum number of axes of a mapping, and of coordinates shown in a text.
pub const MAX_RANK: usize = 8;

/// A task or extents of any rank, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    // Coordinates fit in `i32`: see `MappingError::TooLarge` and the arithmetic of custom functions.
    values: [i32; MAX_RANK],
    rank: u8,
}

impl Coordinates {
    /// Stores the coordinates; those beyond [`MAX_RANK`] are dropped.
    pub const fn new<const R: usize>(coordinates: [i64; R]) -> Self {
        let mut values = [0; MAX_RANK];
        let rank = if R < MAX_RANK { R } else { MAX_RANK };
        let mut axis = 0;
        while axis < rank {
            values[axis] = narrow(coordinates[axis]);
            axis += 1;
        }
        Coordinates { values, rank: rank as u8 }
    }

    /// Same as [`new`](Coordinates::new), for extents.
    pub const fn of<const R: usize>(coordinates: [u32; R]) -> Self {
        let mut wide = [0; R];
        let mut axis = 0;
        while axis < R {
            wide[axis] = coordinates[axis] as i64;
            axis += 1;
        }
        Self::new(wide)
    }

    /// Same as [`new`](Coordinates::new), for any number of coordinates.
    pub fn from_slice(coordinates: &[i64]) -> Self {
        let rank = coordinates.len().min(MAX_RANK);
        let mut values = [0; MAX_RANK];
        for (value, coordinate) in values.iter_mut().zip(coordinates) {
            *value = narrow(*coordinate);
        }
        Coordinates { values, rank: rank as u8 }
    }

    /// Returns one number per axis.
    pub fn values(&self) -> &[i32] {
        &self.values[..usize::from(self.rank)]
    }
}

const fn narrow(value: i64) -> i32 {
    if value > i32::MAX as i64 {
        i32::MAX
    } else if value < i32::MIN as i64 {
        i32::MIN
    } else {
        value as i32
    }
}

/// Text built in const context, truncated to the size of its buffer.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; 320],
    len: usize,
}

impl Text {
    pub(crate) const fn new() -> Self {
        Text { bytes: [0; 320], len: 0 }
    }

    /// Returns the text.
    pub const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            // Only ASCII is ever written.
            Err(_) => "",
        }
    }

    pub(crate) const fn str(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    pub(crate) const fn num(mut self, value: i64) -> Self {
        if value < 0 {
            self = self.str("-");
        }
        let mut rest = value.unsigned_abs();
        let (mut digits, mut count) = ([0u8; 20], 0);
        loop {
            digits[count] = b'0' + (rest % 10) as u8;
            count += 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        while count > 0 && self.len < self.bytes.len() {
            count -= 1;
            self.bytes[self.len] = digits[count];
            self.len += 1;
        }
        self
    }

    pub(crate) const fn list(self, list: &Coordinates) -> Self {
        let mut text = self.str("[");
        let mut axis = 0;
        while axis < list.rank as usize {
            if axis > 0 {
                text = text.str(", ");
            }
            text = text.num(list.values[axis] as i64);
            axis += 1;
        }
        text.str("]")
    }

    /// Appends both shapes, and the first task on which the declared and the covered domain differ.
    pub(crate) const fn shapes(self, declared: &Coordinates, found: &Coordinates) -> Self {
        let t = self.str("declared tasks = ").list(declared).str(", but the mapping covers ").list(found);
        let mut task = Coordinates { values: [0; MAX_RANK], rank: declared.rank };
        let mut axis = 0;
        while axis < declared.rank as usize {
            if declared.values[axis] > found.values[axis] {
                task.values[axis] = found.values[axis];
                return t.str(": task ").list(&task).str(" is done by nobody");
            }
            if declared.values[axis] < found.values[axis] {
                task.values[axis] = declared.values[axis];
                return t.str(": task ").list(&task).str(" is outside");
            }
            axis += 1;
        }
        t
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::new().list(self).as_str())
    }
}
