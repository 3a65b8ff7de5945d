//! Bulk copies issued by one thread: boxes of 1 to 5 axes that are partly outside of their tensor, with a swizzle, also of
//! maps with axes and steps of their own, and to both blocks of a cluster; columns of pixels; and contiguous lines.

use super::super::numbers::Random;
use super::case::Case;
use super::matrix::types;
use super::numbers::{all_bits, bits, small};
use hidet::intrinsics::{AtomicOp, Meaning, Row};
use hidet::ir::Swizzle;
use hidet::types::Scalar;

/// The cases of a row: each type.
pub fn cases(row: &Row) -> Vec<Case> {
    use Meaning::{BulkLoad, TensorLoad, TensorMulticast};
    let load = matches!(row.meaning, TensorLoad { .. } | TensorMulticast { .. } | BulkLoad);
    let rank = row.name.split('.').find_map(|word| word.strip_suffix('d').and_then(|rank| rank.parse::<usize>().ok()));
    let memory = match (rank, load) {
        (Some(rank), false) => 1 + rank,
        _ => 0,
    };
    let mut cases = Vec::new();
    for scalar in types(row, memory).into_iter().filter(|scalar| *scalar != Scalar::Bool) {
        let parts = match (rank, row.meaning) {
            (Some(rank), TensorLoad { im2col: true } | TensorMulticast { im2col: true }) => {
                [Window::PLAIN, Window::PADDED, Window::STRIDED]
                    .map(|window| Some(column(rank, scalar, window)))
                    .to_vec()
            }
            (Some(1), _) => vec![Some(tile(1, scalar, false))],
            (Some(rank), _) => [false, true].map(|own| Some(tile(rank, scalar, own))).to_vec(),
            (None, _) => vec![None],
        };
        cases.extend(parts.into_iter().map(|part| match (row.meaning, part) {
            (TensorMulticast { .. }, Some(part)) => multicast(row, scalar, &part),
            (_, part) => case(row, scalar, part, load),
        }));
    }
    cases
}

/// What a copy through a tensor map moves.
#[derive(Clone)]
struct Part {
    /// What is special about it, for the name of the case.
    detail: &'static str,
    /// Extents of the tensor.
    extents: Vec<usize>,
    /// The text of the map after the tensor.
    map: String,
    /// Coordinates, and offsets in the im2col mode.
    at: Vec<i64>,
    /// The position in the tensor of each element, in the order of shared memory.
    places: Vec<Option<usize>>,
}

/// The position in a tensor, if the coordinates are inside of it.
fn position(extents: &[usize], at: &[i64]) -> Option<usize> {
    at.iter().zip(extents).try_fold(0, |offset, (at, extent)| {
        let at = usize::try_from(*at).ok().filter(|at| at < extent)?;
        Some(offset * extent + at)
    })
}

/// Moves the elements as the swizzle of 32 bytes does.
fn swizzled(places: &[Option<usize>], scalar: Scalar) -> Vec<Option<usize>> {
    let mut moved = vec![None; places.len()];
    for (element, place) in places.iter().enumerate() {
        let byte = Swizzle::B32.apply((element * scalar.bytes()) as u32) as usize;
        moved[byte / scalar.bytes()] = *place;
    }
    moved
}

/// A box of which half is outside along each axis but the last. With axes of its `own` the map exchanges the first two,
/// begins at the second row of the one before the last, and skips elements.
fn tile(rank: usize, scalar: Scalar, own: bool) -> Part {
    let each = |bytes: usize| bytes / scalar.bytes();
    let (mut extents, mut tile) = (vec![3 + 2 * usize::from(own); rank], vec![2; rank]);
    (extents[rank - 1], tile[rank - 1]) = (each(80), each(32));
    let mut at = vec![2 + i64::from(own); rank];
    at[rank - 1] = each(64) as i64;
    let (mut order, mut steps, mut first): (Vec<usize>, _, _) = ((0..rank).collect(), vec![1i64; rank], vec![0; rank]);
    if own {
        steps[..rank - 1].fill(2);
        first[rank - 2] = 1;
        if rank > 2 {
            order.swap(0, 1);
        }
    }
    let strides: Vec<usize> = (0..rank).map(|axis| extents[axis + 1..].iter().product()).collect();
    let places: Vec<Option<usize>> = (0..tile.iter().product())
        .map(|element: usize| {
            let (mut rest, mut place) = (element, vec![0; rank]);
            for axis in (0..rank).rev() {
                let coordinate = at[axis] + (rest % tile[axis]) as i64 * steps[axis];
                place[order[axis]] = coordinate + first[order[axis]];
                rest /= tile[axis];
                if coordinate < 0 {
                    return None;
                }
            }
            position(&extents, &place)
        })
        .collect();
    let map = if own {
        let offset: usize = first.iter().zip(&strides).map(|(first, stride)| *first as usize * stride).sum();
        let axes: Vec<String> =
            order.iter().map(|axis| format!("{}: {}", extents[*axis] as i64 - first[*axis], strides[*axis])).collect();
        format!("offset {offset} axes [{}] tile {tile:?} step {steps:?} swizzle b32", axes.join(", "))
    } else {
        format!("tile {tile:?} swizzle b32")
    };
    let detail = if own { " in steps" } else { "" };
    Part { detail, extents, map, at, places: swizzled(&places, scalar) }
}

/// The pixels of a column, the same along each axis but of other extents.
#[derive(Clone, Copy)]
struct Window {
    detail: &'static str,
    kernel: i64,
    padding: i64,
    stride: i64,
    dilation: i64,
}

impl Window {
    const PLAIN: Window = Window { detail: " plain", kernel: 2, padding: 0, stride: 1, dilation: 1 };
    const PADDED: Window = Window { detail: " padded", kernel: 3, padding: 2, stride: 1, dilation: 2 };
    const STRIDED: Window = Window { detail: " in steps", kernel: 3, padding: 1, stride: 2, dilation: 1 };
}

/// A column of 64 pixels from the second one of the first image on: through all images, and beyond the last. Corners differ
/// from axis to axis.
fn column(rank: usize, scalar: Scalar, window: Window) -> Part {
    let Window { detail, kernel, padding, stride, dilation } = window;
    let axes = rank - 2;
    let channels = 32 / scalar.bytes();
    let mut extents = vec![2];
    extents.extend((0..axes).map(|axis| 4 + axis));
    extents.push(channels * 2);
    let lower = -padding;
    // One more pixel along the last axis.
    let upper = |axis: usize| padding - dilation * (kernel - 1) + i64::from(axis + 1 == axes && padding > 0);
    let counts: Vec<i64> =
        (0..axes).map(|axis| (extents[axis + 1] as i64 - 1 + upper(axis) - lower) / stride + 1).collect();
    let offsets: Vec<i64> = (0..axes).map(|axis| (kernel - 1 - axis as i64 % 2) * dilation).collect();
    let pixel = |mut number: i64| {
        let mut at = vec![0; rank];
        for axis in (0..axes).rev() {
            at[axis + 1] = number % counts[axis] * stride + lower;
            number /= counts[axis];
        }
        at[0] = number;
        at
    };
    let places: Vec<Option<usize>> = (0..64)
        .flat_map(|number| {
            let mut at = pixel(number + 1);
            at[1..=axes].iter_mut().zip(&offsets).for_each(|(at, offset)| *at += offset);
            (0..channels)
                .map(|channel| {
                    let mut at = at.clone();
                    // The second half of the channels.
                    at[rank - 1] = (channels + channel) as i64;
                    position(&extents, &at)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let mut at = pixel(1);
    at[rank - 1] = channels as i64;
    at.extend(&offsets);
    let mut steps = vec![stride; rank];
    (steps[0], steps[rank - 1]) = (1, 1);
    let uppers: Vec<i64> = (0..axes).map(upper).collect();
    let map = format!("tile [64, {channels}] im2col {:?} to {uppers:?} step {steps:?} swizzle b32", vec![lower; axes]);
    Part { detail, extents, map, at, places: swizzled(&places, scalar) }
}

fn combined(op: Option<AtomicOp>, old: i64, new: i64) -> i64 {
    match op {
        Some(AtomicOp::Add) => old + new,
        Some(AtomicOp::Min) => old.min(new),
        Some(AtomicOp::Max) => old.max(new),
        Some(AtomicOp::And) => old & new,
        Some(AtomicOp::Or) => old | new,
        Some(AtomicOp::Xor) => old ^ new,
        _ => new,
    }
}

fn case(row: &Row, scalar: Scalar, part: Option<Part>, load: bool) -> Case {
    let line = 64 / scalar.bytes();
    let (extents, places) = match &part {
        Some(part) => (part.extents.clone(), part.places.clone()),
        None => (vec![line], (0..line).map(Some).collect()),
    };
    let (count, size) = (places.len(), extents.iter().product::<usize>());
    let mut random = Random::new(part.as_ref().map_or(9, |part| part.extents.len() as u64));
    let (far, near) = (small(&mut random, scalar, size), small(&mut random, scalar, count));
    let detail = part.as_ref().map_or("", |part| part.detail);
    let mut case = Case::new(&row.name, format!("{scalar}{detail}"), 32);
    case.memory(format!("shared @s: {scalar}[{count}] align 1024"));
    case.memory("shared @full: u64[1]");
    let bytes = case.int((count * scalar.bytes()) as i64);
    let map = part.as_ref().map(|part| {
        let at: Vec<String> = part.at.iter().map(|at| case.int(*at)).collect();
        case.memory(format!("map #0 = @g {}", part.map));
        at.join(", ")
    });
    let end = case.int(count as i64);
    case.line("%first: bool = eq %t, %z");
    case.line("if %first {");
    if load {
        case.input("g", scalar, all_bits(scalar, &far));
        let value = |place: &Option<usize>| place.map_or(0, |place| bits(scalar, far[place]));
        case.output("y", scalar, places.iter().map(value).collect());
        case.line("call mbarrier.init(@full[%z], %one)");
        case.line("call mbarrier.init.fence()");
        case.line(format!("call mbarrier.arrive.expect(@full[%z], {bytes})"));
        if let Some(at) = &map {
            case.line("call tma.prefetch.map(#0)");
            if row.meaning == (Meaning::TensorLoad { im2col: false }) {
                case.line(format!("call tma.prefetch.{}d(#0, {at})", extents.len()));
            }
        }
        case.line(match &map {
            Some(at) => format!("call {}(@s[%z], #0, {at}, @full[%z])", row.name),
            None => format!("call {}(@s[%z], @g[%z], {bytes}, @full[%z])", row.name),
        });
        case.line("call mbarrier.wait(@full[%z], %z)");
    } else {
        let (Meaning::TensorStore(op) | Meaning::BulkStore(op)) = row.meaning else { return case };
        let mut after = far.clone();
        for (place, new) in places.iter().zip(&near) {
            if let Some(place) = place {
                after[*place] = combined(op, far[*place], *new);
            }
        }
        case.input("x", scalar, all_bits(scalar, &near));
        case.inout("g", scalar, all_bits(scalar, &far), all_bits(scalar, &after));
    }
    let (from, to) = if load { ("s", "y") } else { ("x", "s") };
    case.line(format!("for %i: i32 in %z..{end} step %one {{"));
    case.line(format!("%v: {scalar} = load @{from}[%i]"));
    case.line(format!("store @{to}[%i] = %v"));
    case.line("}");
    if !load {
        case.line("call fence.proxy.async()");
        case.line(match &map {
            Some(at) => format!("call {}(#0, {at}, @s[%z])", row.name),
            None => format!("call {}(@g[%z], @s[%z], {bytes})", row.name),
        });
        case.line("call bulk.commit()");
        case.line("call bulk.wait(0)");
    }
    case.line("}");
    if part.is_some() {
        case.shape("g", extents);
    }
    case
}

/// One block copies to both blocks of the cluster.
fn multicast(row: &Row, scalar: Scalar, part: &Part) -> Case {
    let Part { detail, extents, map, at, places } = part.clone();
    let (count, size) = (places.len(), extents.iter().product::<usize>());
    let far = small(&mut Random::new(extents.len() as u64), scalar, size);
    let mut case = Case::new(&row.name, format!("{scalar}{detail}"), 32);
    case.grid(2, "cluster (2, 1, 1)");
    case.input("g", scalar, all_bits(scalar, &far));
    case.shape("g", extents);
    let value = |place: &Option<usize>| place.map_or(0, |place| bits(scalar, far[place]));
    case.output("y", scalar, places.iter().chain(&places).map(value).collect());
    case.memory(format!("shared @s: {scalar}[{count}] align 1024"));
    case.memory("shared @full: u64[1]");
    case.memory(format!("map #0 = @g {map}"));
    let (bytes, end) = (case.int((count * scalar.bytes()) as i64), case.int(count as i64));
    let at: Vec<String> = at.iter().map(|at| case.int(*at)).collect();
    case.lines(
        "%rank: i32 = cluster_rank\n%both: u32 = const 3\n%first: bool = eq %t, %z\n%leads: bool = eq %rank, %z",
    );
    case.lines(&format!("%base: i32 = mul %rank, {end}"));
    case.lines("if %first {\ncall mbarrier.init(@full[%z], %one)\ncall mbarrier.init.fence()");
    case.lines(&format!("call mbarrier.arrive.expect(@full[%z], {bytes})\n}}\ncall cluster.sync()\nif %first {{"));
    case.lines(&format!("if %leads {{\ncall {}(@s[%z], #0, {}, @full[%z], %both)\n}}", row.name, at.join(", ")));
    case.lines(&format!("call mbarrier.wait(@full[%z], %z)\nfor %i: i32 in %z..{end} step %one {{"));
    case.lines(&format!("%v: {scalar} = load @s[%i]\n%o: i32 = add %base, %i\nstore @y[%o] = %v\n}}\n}}"));
    case.line("call cluster.sync()");
    case
}
