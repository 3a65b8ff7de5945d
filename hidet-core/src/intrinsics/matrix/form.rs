//! The placement of a `wgmma` operand in shared memory: the fields of the matrix descriptor, and the address of each
//! element.
//!
//! An operand is a matrix of `mn x k` elements (m for a, n for b). Chunks of 16 bytes form rows with a *span* of 16 (no
//! swizzle), 32, 64 or 128 bytes; eight rows form an atom. Within an atom the chunk's number is XORed with bits of the
//! row's number. This is done on bits of the address, so an atom starts at a multiple of its size. Source: PTX ISA,
//! "Asynchronous Warpgroup Level Matrix Shared Memory Layout".

/// The form of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// True if elements are contiguous along m or n (16-bit elements only), false if along k.
    pub mn_major: bool,
    /// The width of a row of an atom in bytes: 16, 32, 64 or 128.
    pub span: u32,
    /// The distance of consecutive atoms along the contiguous axis, in bytes. Without a swizzle, along k. Unused if
    /// that axis is k and there is a swizzle.
    pub leading: u32,
    /// The distance of consecutive atoms along the other axis, in bytes. Without a swizzle, along m or n.
    pub stride: u32,
}

/// The spans, in order of preference.
pub const SPANS: [u32; 4] = [128, 64, 32, 16];

impl Form {
    /// Returns the code of the swizzle in a matrix descriptor.
    pub fn swizzle_code(&self) -> u32 {
        match self.span {
            128 => 1,
            64 => 2,
            32 => 3,
            _ => 0,
        }
    }

    /// Returns the required alignment in bytes: the size of an atom, or 16 without a swizzle.
    pub fn alignment(&self) -> u32 {
        if self.span == 16 { 16 } else { 8 * self.span }
    }

    /// Applies the swizzle of rows of `span` bytes to an address.
    pub fn swizzled(span: u32, address: u32) -> u32 {
        address ^ (address >> 3 & (span - 16))
    }

    /// Returns true if an operand may start at that address: at the first row of an atom.
    pub fn can_start(&self, address: u32) -> bool {
        address.is_multiple_of(16) && (self.span == 16 || address & (7 * self.span) == 0)
    }

    /// Returns the address of element `(mn, k)` of the operand whose first element is at address `start`, as computed
    /// by the tensor core; an element has `bytes` bytes.
    pub fn address(&self, start: u32, [mn, k]: [u32; 2], bytes: u32) -> u32 {
        let (along, row) = if self.mn_major { (mn * bytes, k) } else { (k * bytes, mn) };
        // Without a swizzle, the leading dimension is always the one along k.
        let (next, other) = match (self.mn_major, self.span) {
            (true, 16) => (self.stride, self.leading),
            (false, 32..) => (self.span, self.stride),
            _ => (self.leading, self.stride),
        };
        let linear = along % self.span + along / self.span * next + row % 8 * self.span + row / 8 * other;
        Form::swizzled(self.span, start + linear)
    }

    /// Encodes the form as an operand of an intrinsic; the inverse of [`Form::decode`].
    pub fn encode(&self) -> i64 {
        2 | i64::from(self.mn_major) << 2
            | i64::from(self.swizzle_code()) << 3
            | i64::from(self.leading >> 4) << 8
            | i64::from(self.stride >> 4) << 24
    }

    /// Decodes the form from an operand, or returns `None` if it is still to be derived from the buffer.
    pub fn decode(operand: i64) -> Option<Form> {
        let field = |from: u32, bits: u32| (operand >> from) as u32 & ((1 << bits) - 1);
        let span = [16, 128, 64, 32][field(3, 2) as usize];
        let (leading, stride) = (field(8, 14) << 4, field(24, 14) << 4);
        (operand & 2 != 0).then(|| Form { mn_major: field(2, 1) == 1, span, leading, stride })
    }

    /// For a form that is still to be derived, returns true if the last two axes of the operand's buffer are `(k, mn)`,
    /// false if they are `(mn, k)`.
    pub fn is_transposed(operand: i64) -> bool {
        operand & 1 != 0
    }

    /// Finds the form of a matrix of `extents` elements of `bytes` bytes, where `place` returns the byte offset of
    /// element `(mn, k)`. Returns `None` if tensor cores cannot read it. Then every tile of 32 bytes along k (16
    /// elements of 16 bits) that starts at a multiple of eight along the other axis can be an operand.
    pub fn find(extents: [u32; 2], bytes: u32, place: impl Fn([u32; 2]) -> Option<u32>) -> Option<Form> {
        let [mn, k] = extents;
        let depth = 32 / bytes;
        if mn == 0 || k == 0 || k % depth != 0 {
            return None;
        }
        let count = mn.checked_mul(k)?;
        let mut places = Vec::with_capacity(count as usize);
        for at in 0..count {
            places.push(place([at / k, at % k])?);
        }
        let at = |[i, j]: [u32; 2]| if i < mn && j < k { places[(i * k + j) as usize] } else { 0 };
        let step = |to: [u32; 2]| at(to).wrapping_sub(at([0, 0]));
        let majors = if bytes == 2 { &[false, true][..] } else { &[false] };
        for (mn_major, span) in majors.iter().flat_map(|major| SPANS.map(|span| (*major, span))) {
            let chunk = span / bytes;
            let (leading, stride) = match (mn_major, span) {
                (false, 16) => (step([0, chunk]), step([8.min(mn), 0])),
                (false, _) => (16, step([8.min(mn), 0])),
                (true, 16) => (step([0, 8]), step([chunk, 0])),
                (true, _) => (step([chunk, 0]), step([0, 8])),
            };
            // A stride that the matrix is too small for is never used.
            let used = |bytes: u32| if bytes >= 1 << 18 { 16 } else { bytes.max(16) };
            let form = Form { mn_major, span, leading: used(leading), stride: used(stride) };
            let fits = |i: u32, j: u32| {
                let start = at([0, j - j % depth]);
                form.can_start(start) && form.address(start, [i, j % depth], bytes) == at([i, j])
            };
            let aligned = [form.leading, form.stride].iter().all(|bytes| bytes % 16 == 0);
            if aligned && (0..mn).all(|i| (0..k).all(|j| fits(i, j))) {
                return Some(form);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_span_are_found_with_their_swizzle() {
        for bytes in [1, 2, 4] {
            for span in SPANS {
                let cols = span.max(32) / bytes;
                let place = |[i, j]: [u32; 2]| {
                    let tile = |row: u32, byte: u32| Form::swizzled(span, row * span + byte);
                    Some(tile(i, j * bytes % span) + j * bytes / span * 64 * span)
                };
                let form = Form::find([64, cols], bytes, place).unwrap();
                let leading = if span == 16 { 64 * 16 } else { 16 };
                assert_eq!(form, Form { mn_major: false, span, leading, stride: 8 * span });
                assert_eq!(Form::decode(form.encode()), Some(form));
            }
        }
    }

    #[test]
    fn the_contiguous_axis_may_be_the_other_one() {
        for span in SPANS {
            // Two spans along n, k of 32.
            let place =
                |[n, k]: [u32; 2]| Some(Form::swizzled(span, k * span + n * 2 % span) + n * 2 / span * 32 * span);
            let form = Form::find([span, 32], 2, place).unwrap();
            let (leading, stride) = if span == 16 { (128, 32 * 16) } else { (32 * span, 8 * span) };
            assert_eq!(form, Form { mn_major: true, span, leading, stride });
            assert_eq!(form.address(0, [span / 2 + 1, 9], 2), place([span / 2 + 1, 9]).unwrap());
        }
    }

    #[test]
    fn other_forms_are_refused() {
        // Rows of 128 bytes without a swizzle, and padded ones.
        assert_eq!(Form::find([64, 64], 2, |[i, j]| Some(i * 128 + j * 2)), None);
        assert_eq!(Form::find([64, 64], 2, |[i, j]| Some(i * 144 + j * 2)), None);
        // Eight-bit elements must be contiguous along k.
        assert_eq!(Form::find([32, 32], 1, |[n, k]| Some(Form::swizzled(32, k * 32 + n))), None);
    }
}
