//! The order of a graph's nodes, from what they read and write: two nodes are ordered if and only if one of them writes
//! bytes that the other reads or writes. Because nobody writes edges by hand, no missing edge can be a race.

use super::{ByteRange, overlap};
use crate::sim::Random;

/// What a node reads and writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accesses {
    pub reads: Vec<ByteRange>,
    pub writes: Vec<ByteRange>,
}

impl Accesses {
    fn conflicts(&self, later: &Accesses) -> bool {
        let meet = |a: &[ByteRange], b: &[ByteRange]| a.iter().any(|a| b.iter().any(|b| overlap(*a, *b)));
        meet(&self.writes, &later.reads) || meet(&self.writes, &later.writes) || meet(&self.reads, &later.writes)
    }
}

/// Returns for each node, given in a correct order, the earlier nodes that it must directly wait for. Those that another
/// of them waits for are left out.
pub(crate) fn dependencies(nodes: &[Accesses]) -> Vec<Vec<usize>> {
    let words = nodes.len().div_ceil(64);
    // By node: one bit per earlier node that it waits for, directly or not.
    let mut before: Vec<Vec<u64>> = Vec::with_capacity(nodes.len());
    let mut direct = Vec::with_capacity(nodes.len());
    for (number, node) in nodes.iter().enumerate() {
        let (mut known, mut own) = (vec![0u64; words], Vec::new());
        for earlier in (0..number).rev() {
            let (word, bit) = (earlier / 64, 1 << (earlier % 64));
            if known[word] & bit == 0 && nodes[earlier].conflicts(node) {
                own.push(earlier);
                known[word] |= bit;
                known.iter_mut().zip(&before[earlier]).for_each(|(known, before)| *known |= before);
            }
        }
        before.push(known);
        own.reverse();
        direct.push(own);
    }
    direct
}

/// Returns an order of nodes in which each comes after those that it waits for; the seed decides which.
pub(crate) fn order(dependencies: &[Vec<usize>], seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed, dependencies.len() as u64);
    let mut waits_for: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..dependencies.len()).filter(|node| waits_for[*node] == 0).collect();
    let mut followers = vec![Vec::new(); dependencies.len()];
    for (node, earlier) in dependencies.iter().enumerate() {
        earlier.iter().for_each(|earlier: &usize| followers[*earlier].push(node));
    }
    let mut order = Vec::with_capacity(dependencies.len());
    while !ready.is_empty() {
        let node = ready.swap_remove(random.below(ready.len() as u32) as usize);
        order.push(node);
        for follower in &followers[node] {
            waits_for[*follower] -= 1;
            if waits_for[*follower] == 0 {
                ready.push(*follower);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(reads: &[ByteRange], writes: &[ByteRange]) -> Accesses {
        Accesses { reads: reads.to_vec(), writes: writes.to_vec() }
    }

    #[test]
    fn branches_are_joined_and_implied_edges_left_out() {
        let (x, a, b, c) = ((0, 8), (8, 16), (16, 24), (24, 32));
        let nodes = [
            node(&[], &[x]),
            node(&[x], &[a]),
            node(&[x], &[b]),
            // Reads both halves; that `x` is written before is implied.
            node(&[a, b, x], &[c]),
            // Overwrites what 1 and 2 read, after 3 has read it too.
            node(&[c], &[x]),
            // Half of `b`, which 3 reads and 2 writes.
            node(&[], &[(20, 24)]),
            // Other memory, empty memory.
            node(&[(40, 48)], &[(48, 48)]),
        ];
        let expected: [&[usize]; 7] = [&[], &[0], &[0], &[1, 2], &[3], &[3], &[]];
        assert_eq!(dependencies(&nodes), expected);
    }

    #[test]
    fn more_than_64_nodes_wait_for_each_other() {
        let chain: Vec<Accesses> = (0..200).map(|step| node(&[(step, step + 1)], &[(step + 1, step + 2)])).collect();
        let direct = dependencies(&chain);
        assert!((1..200).all(|step| direct[step] == [step - 1]));
        // Reads what 0 and 150 write.
        let all = [chain, vec![node(&[(1, 2), (151, 152)], &[])]].concat();
        assert_eq!(dependencies(&all)[200], [150]);
    }

    #[test]
    fn every_seed_gives_a_correct_order_and_seeds_differ() {
        let direct = [vec![], vec![0], vec![0], vec![1, 2], vec![], vec![4]];
        let orders: std::collections::HashSet<Vec<usize>> = (0..50).map(|seed| order(&direct, seed)).collect();
        for order in &orders {
            let at = |node: usize| order.iter().position(|other| *other == node).unwrap();
            assert!(
                direct.iter().enumerate().all(|(node, earlier)| earlier.iter().all(|earlier| at(*earlier) < at(node)))
            );
        }
        assert!(orders.len() > 5);
    }
}
