//! Places of blocks in layers: each below all blocks from which an edge leads to it, and about below their middle. Edges over several
//! layers have places between the blocks of each. This is the scheme of Sugiyama, with a few sweeps to order each layer.

use std::collections::HashMap;

/// Space between blocks of a layer, beside an edge that passes, and between layers, in pixels.
const GAP: f64 = 24.0;
const PASSING: f64 = 10.0;
const BETWEEN: f64 = 44.0;

/// How often layers are ordered by those above and by those below.
const SWEEPS: usize = 4;

/// Where blocks and edges are.
#[derive(Debug, PartialEq)]
pub struct Layout {
    /// The left upper corner of each block.
    pub places: Vec<[f64; 2]>,
    /// The points of each edge, from the lower end of a block to the upper end of another one.
    pub routes: Vec<Vec<[f64; 2]>>,
    /// Width and height of all.
    pub size: [f64; 2],
}

/// What has a place in a layer: a block, or an edge that passes.
struct Item {
    width: f64,
    /// The items above and below, by their numbers.
    above: Vec<usize>,
    below: Vec<usize>,
    /// Its middle.
    x: f64,
}

/// Places blocks of some widths and heights, with edges from each to later ones.
pub fn layout(sizes: &[[f64; 2]], edges: &[(usize, usize)]) -> Layout {
    let depths = depths(sizes.len(), edges);
    let mut items: Vec<Item> = sizes.iter().map(|[width, _]| Item::new(*width)).collect();
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); depths.iter().map(|depth| depth + 1).max().unwrap_or(0)];
    depths.iter().enumerate().for_each(|(block, depth)| layers[*depth].push(block));
    let mut chains: Vec<Vec<usize>> = Vec::new();
    // Edges from one block pass a layer together.
    let mut passing: HashMap<(usize, usize), usize> = HashMap::new();
    for (from, to) in edges {
        let mut chain = vec![*from];
        for depth in depths[*from] + 1..depths[*to] {
            let item = *passing.entry((*from, depth)).or_insert_with(|| {
                layers[depth].push(items.len());
                items.push(Item::new(0.0));
                items.len() - 1
            });
            chain.push(item);
        }
        chain.push(*to);
        for pair in chain.windows(2) {
            if !items[pair[0]].below.contains(&pair[1]) {
                items[pair[0]].below.push(pair[1]);
                items[pair[1]].above.push(pair[0]);
            }
        }
        chains.push(chain);
    }
    for sweep in 0..2 * SWEEPS {
        match sweep % 2 == 0 {
            true => layers.iter_mut().for_each(|layer| arrange(layer, &mut items, |item| &item.above)),
            false => layers.iter_mut().rev().for_each(|layer| arrange(layer, &mut items, |item| &item.below)),
        }
    }
    let left = items.iter().map(|item| item.x - item.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = items.iter().map(|item| item.x + item.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let height = |item: usize| sizes.get(item).map_or(0.0, |size| size[1]);
    let (mut tops, mut heights, mut y) = (vec![0.0; items.len()], vec![0.0; items.len()], 0.0);
    for layer in &layers {
        let highest = layer.iter().map(|item| height(*item)).fold(0.0, f64::max);
        for item in layer {
            (tops[*item], heights[*item]) = (y, if *item < sizes.len() { height(*item) } else { highest });
        }
        y += highest + BETWEEN;
    }
    let ends = |item: usize| [0.0, heights[item]].map(|below| [items[item].x - left, tops[item] + below]);
    let route = |chain: &Vec<usize>| {
        let points: Vec<[f64; 2]> = chain.iter().flat_map(|item| ends(*item)).collect();
        points[1..points.len() - 1].to_vec()
    };
    Layout {
        places: (0..sizes.len()).map(|at| [items[at].x - items[at].width / 2.0 - left, tops[at]]).collect(),
        routes: chains.iter().map(route).collect(),
        size: if sizes.is_empty() { [0.0; 2] } else { [right - left, y - BETWEEN] },
    }
}

impl Item {
    fn new(width: f64) -> Item {
        Item { width, above: Vec::new(), below: Vec::new(), x: 0.0 }
    }
}

/// Returns the layer of each block: below all above it. One with nothing above it is right above the first that it leads to.
fn depths(blocks: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut depths = vec![0; blocks];
    let mut has_above = vec![false; blocks];
    let mut sorted = edges.to_vec();
    // Edges lead to later blocks, so that a block is at its place before an edge leads from it.
    sorted.sort_unstable();
    for (from, to) in sorted {
        depths[to] = depths[to].max(depths[from] + 1);
        has_above[to] = true;
    }
    for block in (0..blocks).filter(|block| !has_above[*block]) {
        let below = edges.iter().filter(|(from, _)| *from == block).map(|(_, to)| depths[*to] - 1);
        depths[block] = below.min().unwrap_or(0);
    }
    depths
}

/// Orders a layer by the middles of what is above or below, and places its items there, side by side.
fn arrange(layer: &mut [usize], items: &mut [Item], neighbours: impl Fn(&Item) -> &Vec<usize>) {
    let wanted = |item: usize, items: &[Item]| {
        let all = neighbours(&items[item]);
        match all.len() {
            0 => items[item].x,
            count => all.iter().map(|other| items[*other].x).sum::<f64>() / count as f64,
        }
    };
    let mut order: Vec<(f64, usize)> = layer.iter().map(|item| (wanted(*item, items), *item)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places = Vec::new();
    let mut end = f64::NEG_INFINITY;
    for (x, item) in &order {
        let half = items[*item].width / 2.0 + if items[*item].width == 0.0 { PASSING } else { GAP } / 2.0;
        let x = x.max(end + half);
        end = x + half;
        places.push(x);
    }
    // What was moved to the right is moved back by the mean.
    let moved = places.iter().zip(&order).map(|(place, (x, _))| place - x).sum::<f64>() / order.len().max(1) as f64;
    for (at, ((_, item), place)) in order.iter().zip(places).enumerate() {
        layer[at] = *item;
        items[*item].x = place - moved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_a_column() {
        let Layout { places, routes, size } = layout(&[[100.0, 20.0], [60.0, 40.0], [100.0, 20.0]], &[(0, 1), (1, 2)]);
        assert_eq!(places, [[0.0, 0.0], [20.0, 20.0 + BETWEEN], [0.0, 60.0 + 2.0 * BETWEEN]]);
        assert_eq!(routes[0], [[50.0, 20.0], [50.0, 20.0 + BETWEEN]]);
        assert_eq!(size, [100.0, 80.0 + 2.0 * BETWEEN]);
        assert_eq!(layout(&[], &[]).size, [0.0, 0.0]);
    }

    #[test]
    fn edges_pass_beside_blocks_and_no_blocks_overlap() {
        // A residual passes block 1; an input that only the last block reads is right above it.
        let sizes = [[100.0, 20.0], [100.0, 20.0], [100.0, 20.0], [50.0, 10.0]];
        let edges = [(0, 1), (1, 2), (0, 2), (3, 2)];
        let sizes = [sizes[0], sizes[1], sizes[3], sizes[2]];
        let edges = edges.map(|(from, to)| ([0, 1, 3, 2][from], [0, 1, 3, 2][to]));
        let Layout { places, routes, .. } = layout(&sizes, &edges);
        assert_eq!(places[1][1], places[2][1]);
        let (left, right) = (places[1][0], places[1][0] + 100.0);
        assert!(places[2][0] >= right || places[2][0] + 50.0 <= left, "{places:?}");
        let passing = routes[2][1];
        assert_eq!((routes[2].len(), passing[1], routes[2][2][1]), (4, places[1][1], places[1][1] + 20.0));
        assert!(passing[0] < left || passing[0] > right, "{passing:?} {places:?}");
    }
}
