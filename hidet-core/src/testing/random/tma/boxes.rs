//! Random tensor maps, and the positions in memory of the elements of their boxes: plain index arithmetic, written
//! independently of the simulated device.

use super::super::rng::Rng;
use crate::types::Scalar;

/// The largest size of a box in bytes.
const LARGEST: i64 = 1024;

/// A tensor map.
#[derive(Clone, Debug)]
pub(super) struct CopyMap {
    pub elem: Scalar,
    /// The extents of the tensor.
    pub shape: Vec<i64>,
    /// True if the first extent is the symbolic one `n`, by which the map is then described.
    pub symbolic: bool,
    /// The offset of the element at coordinates 0.
    pub offset: i64,
    /// The axes, slowest first.
    pub axes: Vec<BoxAxis>,
    /// The extents of a box; in the im2col mode, pixels and channels.
    pub tile: Vec<i64>,
    /// The axes of pixels of the im2col mode.
    pub pixels: Option<Vec<PixelAxis>>,
    /// The width of the swizzle in bytes.
    pub swizzle: Option<i64>,
}

/// An axis of a tensor map.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxAxis {
    pub extent: i64,
    stride: i64,
    pub step: i64,
}

/// The corners of the box of pixels along an axis of the im2col mode, counted from those of the tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct PixelAxis {
    pub lower: i64,
    upper: i64,
    /// The number of pixels.
    pub count: i64,
}

impl CopyMap {
    /// Returns a tensor map of boxes, or of columns of pixels (the im2col mode).
    pub fn random(rng: &mut Rng, elem: Scalar, columns: bool) -> CopyMap {
        let size = elem.bytes() as i64;
        let rank = rng.between(if columns { 3 } else { 2 }, 5) as usize;
        let (mut shape, mut rows) = (Vec::new(), 512);
        for _ in 1..rank {
            shape.push(rng.between(rows.min(2), rows.min(if columns { 6 } else { 9 })));
            rows = (rows / shape[shape.len() - 1]).max(1);
        }
        let swizzle = rng.pick(&[None, None, Some(32), Some(64), Some(128)]);
        let row = swizzle.unwrap_or(16 * rng.between(1, 5));
        // Rows of the tensor are multiples of 16 bytes, and most are longer than those of a box.
        let least = if rng.percent(75) { row / 16 } else { 1 };
        shape.push(16 / size * (least + rng.between(0, 3)));
        let (mut axes, offset) = slice(rng, &shape, 16 / size);
        if !columns {
            reshape(rng, &mut axes, 16 / size);
        }
        permute(rng, &mut axes);
        let outer = axes.len() - 1;
        for axis in &mut axes[usize::from(columns)..outer] {
            axis.step = if rng.percent(40) { rng.pick(&[2, 2, 2, 3, 3, 4, 5, 6, 7, 8]) } else { 1 };
        }
        let mut rows = LARGEST / row;
        let mut tile = Vec::new();
        for axis in &axes[..if columns { 1 } else { outer }] {
            let whole = (axis.extent - 1) / axis.step + 1;
            // With the largest step, 32 elements span 256 coordinates.
            let most = if columns || rng.percent(10) { 32 } else { whole / 2 + 1 };
            tile.push(rng.between(1, rows.min(most)));
            rows /= tile[tile.len() - 1];
        }
        tile.push(row / size);
        let pixels = columns.then(|| axes[1..outer].iter().map(|axis| PixelAxis::random(rng, axis)).collect());
        CopyMap { elem, shape, symbolic: rng.percent(30), offset, axes, tile, pixels, swizzle }
    }

    /// Returns the text of the map in the IR after the tensor.
    pub fn text(&self) -> String {
        let last = self.axes.len() - 1;
        let axis = |(number, axis): (usize, &BoxAxis)| {
            let stride = if number == last { axis.stride.to_string() } else { self.formula(axis.stride) };
            format!("{}: {stride}", self.formula(axis.extent))
        };
        let axes: Vec<String> = self.axes.iter().enumerate().map(axis).collect();
        let steps: Vec<i64> = self.axes.iter().map(|axis| axis.step).collect();
        let corners = self.pixels.as_ref().map_or(String::new(), |pixels| {
            let [lower, upper]: [Vec<i64>; 2] = [|axis: &PixelAxis| axis.lower, |axis: &PixelAxis| axis.upper]
                .map(|of| pixels.iter().map(of).collect());
            format!("im2col {lower:?} to {upper:?} ")
        });
        let swizzle = self.swizzle.map_or("none".to_owned(), |span| format!("b{span}"));
        let (offset, axes, tile) = (self.formula(self.offset), axes.join(", "), &self.tile);
        format!("offset {offset} axes [{axes}] tile {tile:?} {corners}step {steps:?} swizzle {swizzle}")
    }

    /// Returns the text of a number, as a formula of the first extent if that is symbolic.
    fn formula(&self, number: i64) -> String {
        match number - self.shape[0] {
            _ if !self.symbolic => number.to_string(),
            more @ 0.. => format!("n + {more}"),
            less => format!("n - {}", -less),
        }
    }

    /// Returns the number of elements of a box.
    pub fn elements(&self) -> i64 {
        self.tile.iter().product()
    }

    /// Returns the position in the tensor of each element of a box, in row-major order of the box. Those outside of the
    /// tensor are `None`.
    pub fn places(&self, at: &[i64], offsets: &[i64]) -> Vec<Option<usize>> {
        let last = self.axes.len() - 1;
        let columns = self.tile[self.tile.len() - 1];
        let row = |number: i64| match &self.pixels {
            None => self.row(number, at),
            Some(pixels) => self.pixel(number, at, offsets, pixels),
        };
        let place = |element: i64| {
            let mut place = row(element / columns);
            place.push(at[last] + element % columns);
            let inside = place.iter().zip(&self.axes).all(|(at, axis)| (0..axis.extent).contains(at));
            let offset: i64 = place.iter().zip(&self.axes).map(|(at, axis)| at * axis.stride).sum();
            inside.then_some((self.offset + offset) as usize)
        };
        (0..self.elements()).map(place).collect()
    }

    /// Returns the coordinates of a row of a box along all axes but the last.
    fn row(&self, number: i64, at: &[i64]) -> Vec<i64> {
        let indices = digits(number, &self.tile[..self.tile.len() - 1]);
        indices.iter().zip(&self.axes).zip(at).map(|((index, axis), at)| at + index * axis.step).collect()
    }

    /// Returns the coordinates of a pixel of a column: pixels are numbered through all images.
    fn pixel(&self, number: i64, at: &[i64], offsets: &[i64], pixels: &[PixelAxis]) -> Vec<i64> {
        let steps = || self.axes[1..].iter().map(|axis| axis.step);
        let mut first = at[0];
        for ((pixel, at), step) in pixels.iter().zip(&at[1..]).zip(steps()) {
            first = first * pixel.count + (at - pixel.lower) / step;
        }
        let mut place = self.first_pixel(first + number);
        place[1..].iter_mut().zip(offsets).for_each(|(at, offset)| *at += offset);
        place
    }

    /// Returns the image and the coordinates of the pixel of that number.
    pub fn first_pixel(&self, number: i64) -> Vec<i64> {
        let pixels = self.pixels.as_deref().unwrap_or_default();
        let counts: Vec<i64> = [1].into_iter().chain(pixels.iter().map(|pixel| pixel.count)).collect();
        let mut place = digits(number, &counts);
        for ((at, pixel), axis) in place[1..].iter_mut().zip(pixels).zip(&self.axes[1..]) {
            *at = *at * axis.step + pixel.lower;
        }
        place
    }

    /// Returns the elements of a box in the order of shared memory, from `byte` on in memory that is aligned to 1024
    /// bytes: within 128 bytes, the chunk of 16 bytes is XORed with the number of the line of 128 bytes.
    pub fn swizzled<T: Copy>(&self, elements: &[T], byte: i64) -> Vec<T> {
        let Some(span) = self.swizzle else { return elements.to_vec() };
        let size = self.elem.bytes() as i64;
        let element = |place: i64| {
            let at = byte + place * size;
            let chunk = at / 128 % (span / 16);
            elements[(((at ^ (chunk * 16)) - byte) / size) as usize]
        };
        // The permutation is its own inverse.
        (0..self.elements()).map(element).collect()
    }
}

impl PixelAxis {
    /// Returns corners with at least one pixel between them.
    fn random(rng: &mut Rng, axis: &BoxAxis) -> PixelAxis {
        let lower = rng.pick(&[-3, -2, -1, -1, 0, 0, 0, 1]).min(axis.extent - 1);
        let upper = lower + rng.pick(&[-2, -1, 0, 0, 0, 1, 3]).max(1 - axis.extent);
        PixelAxis { lower, upper, count: (axis.extent - 1 + upper - lower) / axis.step + 1 }
    }
}

/// Returns the axes of a random slice of a contiguous tensor, some with every second element only, and the offset of its
/// first element. Along the last axis, a slice begins at a multiple of `unit`.
fn slice(rng: &mut Rng, shape: &[i64], unit: i64) -> (Vec<BoxAxis>, i64) {
    let (mut axes, mut offset, mut stride) = (Vec::new(), 0, 1);
    for (axis, &whole) in shape.iter().enumerate().rev() {
        let last = axis + 1 == shape.len();
        let grain = if last { unit } else { 1 };
        let first = if rng.percent(30) { grain * rng.between(0, (whole - 1) / grain) } else { 0 };
        let every = if !last && rng.percent(15) { 2 } else { 1 };
        let end = if rng.percent(20) { rng.between(first + 1, whole) } else { whole };
        offset += first * stride;
        axes.insert(0, BoxAxis { extent: (end - first + every - 1) / every, stride: stride * every, step: 1 });
        stride *= whole;
    }
    (axes, offset)
}

/// Changes the number of axes: leaves one out, makes an axis of windows that overlap, or splits the last axis into
/// multiples of `unit`.
fn reshape(rng: &mut Rng, axes: &mut Vec<BoxAxis>, unit: i64) {
    if axes.len() > 1 && rng.percent(20) {
        axes.remove(rng.below(axes.len() - 1));
    }
    if axes.len() > 1 && axes.len() < 5 && rng.percent(10) {
        let number = rng.below(axes.len() - 1);
        let window = rng.between(1, axes[number].extent);
        axes[number].extent -= window - 1;
        axes.insert(number, BoxAxis { extent: window, ..axes[number] });
    }
    let last = axes.len() - 1;
    if axes.len() < 5 && axes[last].extent >= 2 * unit && rng.percent(25) {
        let extent = unit * rng.between(1, axes[last].extent / unit / 2);
        axes.insert(last, BoxAxis { extent: axes[last].extent / extent, stride: extent, step: 1 });
        axes[last + 1].extent = extent;
    }
}

/// Permutes all axes but the last, half of the time.
fn permute(rng: &mut Rng, axes: &mut [BoxAxis]) {
    let last = axes.len() - 1;
    if rng.percent(50) {
        (1..last).rev().for_each(|axis| axes.swap(axis, rng.below(axis + 1)));
    }
}

/// Returns the digits of a number in these bases, most significant first; the first one is not bounded by its base.
fn digits(number: i64, bases: &[i64]) -> Vec<i64> {
    let (mut rest, mut digits) = (number, vec![0; bases.len()]);
    for axis in (1..bases.len()).rev() {
        digits[axis] = rest.rem_euclid(bases[axis]);
        rest = rest.div_euclid(bases[axis]);
    }
    if let Some(first) = digits.first_mut() {
        *first = rest;
    }
    digits
}
