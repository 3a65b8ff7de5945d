//! Random programs of bulk copies through tensor maps: boxes and columns of pixels of a part of a tensor, with axes in
//! another order, steps and a swizzle, partly or wholly outside; loads, also to both blocks of a cluster, stores and
//! reductions. The host computes the results.

mod boxes;
mod kernel;

use super::rng::Rng;
use super::{ArgumentValue, Cell, Program, Step};
use crate::error::Result;
use crate::ir::text;
use crate::types::Scalar;
use boxes::CopyMap;
use kernel::{CopyKernel, CopyKind, PARTNER, Varying};

/// The types of the elements: all but `bool` and `tf32`, which do not take any bits.
const ELEMENTS: [Scalar; 14] = {
    use Scalar::*;
    [I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, E4M3, E5M2]
};

/// The types of reductions whose results are those of `u64` arithmetic.
const REDUCED: [Scalar; 2] = [Scalar::U32, Scalar::U64];

/// Returns the program of a seed.
pub fn tma_program(seed: u64) -> Result<Program> {
    let mut rng = Rng::new(seed ^ 0x746d_6120);
    loop {
        let kernel = random_copies(&mut rng);
        if let Some(program) = program(&kernel, &mut rng)? {
            return Ok(program);
        }
    }
}

fn random_copies(rng: &mut Rng) -> CopyKernel {
    let columns = rng.percent(35);
    let mut elem = rng.pick(&ELEMENTS);
    let copy = match rng.below(10) {
        _ if columns => CopyKind::Load(None),
        0..5 => CopyKind::Load(None),
        // Many of these are left out, because two boxes overlap.
        5..9 => CopyKind::Store(None),
        _ => {
            elem = rng.pick(&REDUCED);
            CopyKind::Store(Some(rng.pick(&["add", "min", "max", "and", "or", "xor"])))
        }
    };
    let copy = match copy {
        CopyKind::Load(_) if !elem.is_float() => {
            CopyKind::Load(rng.pick(&[None, Some("add"), Some("mul"), Some("xor")]))
        }
        copy => copy,
    };
    let map = CopyMap::random(rng, elem, columns);
    let cluster = if matches!(copy, CopyKind::Load(_)) && rng.percent(20) { 2 } else { 1 };
    let (rounds, stages) = (rng.between(1, 4), rng.between(1, 3));
    let threads = rng.pick(&[32, 64, 96, 128]);
    let mut starts = if columns { column_start(&map, rng) } else { box_start(&map, rng) };
    if matches!(copy, CopyKind::Store(_)) {
        starts.iter_mut().for_each(Varying::raise);
    }
    if let Some(last) = starts.last_mut() {
        last.align(16 / elem.bytes() as i64);
    }
    CopyKernel {
        copy,
        blocks: cluster * rng.between(1, if cluster > 1 { 2 } else { 3 }),
        cluster,
        threads,
        issuer: rng.between(0, threads - 1),
        rounds,
        stages,
        ahead: rng.between(1, stages.min(rounds)),
        starts,
        offsets: map.pixels.iter().flatten().map(|pixel| pixel_offset(map.axes.len(), pixel.lower, rng)).collect(),
        map,
    }
}

/// Returns the coordinates of boxes: inside of the tensor, across its ends, or anywhere. Blocks and rounds move them along
/// one axis each.
fn box_start(map: &CopyMap, rng: &mut Rng) -> Vec<Varying> {
    let kind = rng.below(10);
    let span = |axis: usize| (map.tile[axis] - 1) * map.axes[axis].step + 1;
    let first = |axis: usize| {
        let (span, extent) = (span(axis), map.axes[axis].extent);
        let (first, last) = match kind {
            0..5 => (0, (extent - span).max(0)),
            5..9 => (1 - span, extent - 1),
            _ => (-span - 1, extent + 1),
        };
        Varying::constant(rng.between(first, last))
    };
    let mut starts: Vec<Varying> = (0..map.axes.len()).map(first).collect();
    let mut moves = || {
        let axis = rng.below(map.axes.len());
        let far = if kind < 5 { 1 } else { span(axis) };
        (axis, rng.pick(&[0, 0, 1, far, -far]))
    };
    let [(block, by_block), (round, by_round)] = [moves(), moves()];
    (starts[block].by_block, starts[round].by_round) = (by_block, by_round);
    starts
}

/// Returns the number of the first pixel of columns, and its channel.
fn column_start(map: &CopyMap, rng: &mut Rng) -> Vec<Varying> {
    let image: i64 = map.pixels.iter().flatten().map(|pixel| pixel.count).product();
    // In the image before the first one, or in one of the tensor.
    let first = if rng.percent(5) { -image } else { image * rng.between(0, (map.axes[0].extent - 1) / 2) };
    let (by_block, by_round) = (rng.pick(&[0, 1, 2, image]), rng.pick(&[0, 1, 2, map.tile[0]]));
    let pixel = Varying { first: first + rng.between(0, image - 1), by_block, by_round };
    let (tile, channels) = (map.tile[1], map.axes[map.axes.len() - 1].extent);
    let first = if rng.percent(75) { 0 } else { rng.between(1 - tile, channels - 1) };
    vec![pixel, Varying { first, by_block: 0, by_round: rng.pick(&[0, 0, 0, 1, -1, tile]) }]
}

/// Returns the offset of pixels along an axis of a tensor of that rank: about the padding, and sometimes the largest one.
fn pixel_offset(rank: usize, lower: i64, rng: &mut Rng) -> Varying {
    let bits = [16, 8, 5][rank - 3];
    if rng.percent(3) {
        return Varying::constant((1 << bits) - 1);
    }
    let first = (rng.pick(&[-1, 0, 0, 0, 1]) - lower).max(0);
    Varying { first, by_block: 0, by_round: rng.pick(&[0, 0, 0, 1]) }
}

/// Returns the program of a kernel, or `None` if two of its stores would write one element, or one would write beyond a row.
fn program(kernel: &CopyKernel, rng: &mut Rng) -> Result<Option<Program>> {
    let CopyKernel { map, rounds, stages, .. } = kernel;
    let (size, elements) = (map.elem.bytes(), map.elements() as usize);
    let mut random = |count: i64| -> Vec<u64> { (0..count).map(|_| rng.next() ^ rng.next() << 24).collect() };
    let mut tensor = random(map.shape.iter().product());
    let boxes = random(kernel.blocks * rounds * map.elements());
    let before = bytes(&tensor, size);
    let mut loaded = Vec::new();
    let mut written = vec![false; tensor.len()];
    for (number, part) in boxes.chunks_exact(elements).enumerate() {
        let (block, round) = (number as i64 / rounds, number as i64 % rounds);
        let (at, offsets) = kernel.coordinates(block / kernel.cluster, round);
        let byte = round % stages * kernel.stage() * size as i64;
        let places = map.swizzled(&map.places(&at, &offsets), byte);
        match kernel.copy {
            CopyKind::Load(combine) => {
                let values: Vec<u64> = places.iter().map(|place| place.map_or(0, |place| tensor[place])).collect();
                let partner = |element: usize| values[(element * PARTNER.0 as usize + PARTNER.1 as usize) % elements];
                loaded.extend((0..elements).map(|element| combined(combine, values[element], partner(element))));
            }
            CopyKind::Store(op) => {
                let last = map.axes.len() - 1;
                let (end, extent) = (at[last] + map.tile[last], map.axes[last].extent);
                if end > extent && extent * size as i64 % 16 != 0 {
                    return Ok(None);
                }
                for (place, value) in places.iter().zip(part) {
                    let Some(place) = *place else { continue };
                    if std::mem::replace(&mut written[place], true) && op.is_none() {
                        return Ok(None);
                    }
                    tensor[place] = reduced(op, map.elem, tensor[place], *value);
                }
            }
        }
    }
    let (arguments, expected) = match kernel.copy {
        CopyKind::Load(_) => {
            let result = bytes(&loaded, size);
            (vec![before, vec![0; result.len()]], vec![None, Some(result)])
        }
        CopyKind::Store(_) => (vec![bytes(&boxes, size), before], vec![None, Some(bytes(&tensor, size))]),
    };
    Ok(Some(Program {
        kernels: vec![text::parse_file(&kernel.text(), "tma")?],
        steps: vec![Step { kernel: 0, arguments: vec![0, 1] }],
        dims: map.shape[..usize::from(map.symbolic)].to_vec(),
        arguments: arguments.into_iter().map(ArgumentValue::Tensor).collect(),
        cells: vec![cell(kernel)],
        expected,
    }))
}

/// Returns the kind of a copy, for the table of programs.
fn cell(kernel: &CopyKernel) -> Cell {
    let access = match (kernel.copy, &kernel.map.pixels) {
        (CopyKind::Load(_), None) => "box",
        (CopyKind::Load(_), Some(_)) => "column of pixels",
        (CopyKind::Store(None), _) => "box",
        (CopyKind::Store(Some(_)), _) => "reduced box",
    };
    let (order, memory) = match kernel.copy {
        CopyKind::Load(_) if kernel.cluster > 1 => ("mbarrier", "shared of a cluster"),
        CopyKind::Load(_) => ("mbarrier", "shared"),
        CopyKind::Store(_) => ("bulk.wait", "global InOut"),
    };
    Cell { order, memory, access }
}

/// Returns the result of an operation, of which the low bits count.
fn combined(op: Option<&str>, a: u64, b: u64) -> u64 {
    match op {
        Some("add") => a.wrapping_add(b),
        Some("mul") => a.wrapping_mul(b),
        Some("xor") => a ^ b,
        _ => a,
    }
}

/// Returns the result of a reduction of an element in memory and another one.
fn reduced(op: Option<&str>, elem: Scalar, old: u64, new: u64) -> u64 {
    let mask = u64::MAX >> (64 - 8 * elem.bytes());
    let (old, new) = (old & mask, new & mask);
    match op {
        Some("add") => old.wrapping_add(new),
        Some("min") => old.min(new),
        Some("max") => old.max(new),
        Some("and") => old & new,
        Some("or") => old | new,
        Some("xor") => old ^ new,
        _ => new,
    }
}

/// Returns the low bytes of each element.
fn bytes(elements: &[u64], size: usize) -> Vec<u8> {
    elements.iter().flat_map(|element| element.to_le_bytes().into_iter().take(size)).collect()
}

#[cfg(test)]
mod tests;
