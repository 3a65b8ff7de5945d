//! Points of order: what threads did before one happens before what they do after it.

use super::cell::Order;
use super::kernel::{Talk, Unit};
use crate::ir::Arg;

/// How the threads of a unit meet.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub order: Order,
    /// Those that meet.
    pub unit: Unit,
    /// Of a named barrier.
    barrier: i64,
}

impl Talk {
    pub fn link(&mut self, order: Order) -> Link {
        let unit = self.unit(order.span());
        let barrier = self.b.rng.between(1, 15);
        Link { order, unit, barrier }
    }

    /// The threads of the unit meet.
    pub fn meet(&mut self, link: &Link) {
        match link.order {
            Order::SyncThreads => self.call("sync.threads", Vec::new(), None),
            Order::SyncWarp => {
                let all = self.word(u32::MAX);
                self.call("sync.warp", vec![Arg::Value(all)], None)
            }
            Order::BarSync => {
                let barrier = self.int(link.barrier);
                self.call("bar.sync", vec![Arg::Value(barrier), Arg::Imm(self.size.threads)], None)
            }
            Order::ClusterSync => self.call("cluster.sync", Vec::new(), None),
            Order::ClusterArrive => {
                self.call("cluster.arrive", Vec::new(), None);
                self.call("cluster.wait", Vec::new(), None)
            }
            Order::GridSync => self.call("grid.sync", Vec::new(), None),
        };
    }
}
