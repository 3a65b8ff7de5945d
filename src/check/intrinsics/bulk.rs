//! Bulk copies issued by one thread: boxes of 1 to 5 axes that are partly outside of their tensor, with a swizzle, also
//! to both blocks of a cluster; and contiguous lines.

use super::super::numbers::Random;
use super::case::Case;
use super::matrix::types;
use super::numbers::{all_bits, bits, small};
use hidet::intrinsics::{AtomicOp, Meaning, Row};
use hidet::ir::Swizzle;
use hidet::types::Scalar;

/// The cases of a row: each type.
pub fn cases(row: &Row) -> Vec<Case> {
    let load = matches!(row.meaning, Meaning::TensorLoad | Meaning::TensorMulticast | Meaning::BulkLoad);
    let rank = row.name.split('.').find_map(|word| word.strip_suffix('d').and_then(|rank| rank.parse::<usize>().ok()));
    let memory = match (rank, load) {
        (Some(rank), false) => 1 + rank,
        _ => 0,
    };
    let scalars = types(row, memory).into_iter().filter(|scalar| *scalar != Scalar::Bool);
    match (row.meaning, rank) {
        (Meaning::TensorMulticast, Some(rank)) => scalars.map(|scalar| multicast(row, scalar, rank)).collect(),
        _ => scalars.map(|scalar| case(row, scalar, rank, load)).collect(),
    }
}

/// Extents, box and coordinates: along each axis but the last, half of the box is outside.
fn tensor(rank: usize, scalar: Scalar) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let each = |bytes: usize| bytes / scalar.bytes();
    let (mut extents, mut tile, mut at) = (vec![3; rank], vec![2; rank], vec![2; rank]);
    (extents[rank - 1], tile[rank - 1], at[rank - 1]) = (each(80), each(32), each(64));
    (extents, tile, at)
}

/// The positions of the box's elements in the tensor, in the order of shared memory.
fn places(rank: Option<usize>, scalar: Scalar) -> (Vec<usize>, Vec<Option<usize>>) {
    let Some(rank) = rank else {
        let count = 64 / scalar.bytes();
        return (vec![count], (0..count).map(Some).collect());
    };
    let (extents, tile, at) = tensor(rank, scalar);
    let count = tile.iter().product::<usize>();
    let mut places = vec![None; count];
    for element in 0..count {
        let (mut rest, mut offset, mut step, mut inside) = (element, 0, 1, true);
        for axis in (0..rank).rev() {
            let coordinate = at[axis] + rest % tile[axis];
            rest /= tile[axis];
            inside &= coordinate < extents[axis];
            offset += coordinate * step;
            step *= extents[axis];
        }
        let byte = Swizzle::B32.apply((element * scalar.bytes()) as u32) as usize;
        places[byte / scalar.bytes()] = inside.then_some(offset);
    }
    (extents, places)
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

fn case(row: &Row, scalar: Scalar, rank: Option<usize>, load: bool) -> Case {
    let (extents, places) = places(rank, scalar);
    let (count, size) = (places.len(), extents.iter().product::<usize>());
    let mut random = Random::new(rank.unwrap_or(9) as u64);
    let (far, near) = (small(&mut random, scalar, size), small(&mut random, scalar, count));
    let mut case = Case::new(&row.name, format!("{scalar}"), 32);
    case.memory(format!("shared @s: {scalar}[{count}] align 1024"));
    case.memory("shared @full: u64[1]");
    let bytes = case.int((count * scalar.bytes()) as i64);
    let map = rank.map(|rank| {
        let (_, tile, at) = tensor(rank, scalar);
        let at: Vec<String> = at.iter().map(|at| case.int(*at as i64)).collect();
        case.memory(format!("map #0 = @g tile {tile:?} swizzle b32"));
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
        if let (Some(at), Some(rank)) = (&map, rank) {
            case.lines(&format!("call tma.prefetch.map(#0)\ncall tma.prefetch.{rank}d(#0, {at})"));
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
    if rank.is_some() {
        case.shape("g", extents);
    }
    case
}

/// One block copies the box to both blocks of the cluster.
fn multicast(row: &Row, scalar: Scalar, rank: usize) -> Case {
    let (extents, places) = places(Some(rank), scalar);
    let (count, size) = (places.len(), extents.iter().product::<usize>());
    let far = small(&mut Random::new(rank as u64), scalar, size);
    let (_, tile, at) = tensor(rank, scalar);
    let mut case = Case::new(&row.name, format!("{scalar}"), 32);
    case.grid(2, "cluster (2, 1, 1)");
    case.input("g", scalar, all_bits(scalar, &far));
    case.shape("g", extents);
    let value = |place: &Option<usize>| place.map_or(0, |place| bits(scalar, far[place]));
    case.output("y", scalar, places.iter().chain(&places).map(value).collect());
    case.memory(format!("shared @s: {scalar}[{count}] align 1024"));
    case.memory("shared @full: u64[1]");
    case.memory(format!("map #0 = @g tile {tile:?} swizzle b32"));
    let (bytes, end) = (case.int((count * scalar.bytes()) as i64), case.int(count as i64));
    let at: Vec<String> = at.iter().map(|at| case.int(*at as i64)).collect();
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
