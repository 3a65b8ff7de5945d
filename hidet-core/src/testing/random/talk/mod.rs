//! Random programs in which threads communicate: one thread reads what another one wrote, in an order that the program
//! enforces. If a compiler wrongly merges, moves or drops accesses, or keeps values in registers, across such a
//! synchronization point, the result differs.
//!
//! A program exercises one entry of a table ([`cell`]): the synchronization point, the memory, and the kind of access. In
//! a round ([`round`]) the threads of a unit read slots of a board ([`board`]), synchronize ([`link`]), write, each slot
//! by one thread, synchronize again, and read the same slots again. All values read are mixed into one word per thread
//! ([`value`]), from which everything that is written is made, and which is the thread's result.
//!
//! Every wait is bounded: a thread that has polled a flag too often continues with a wrong word.

mod access;
mod board;
mod cell;
mod kernel;
mod launches;
mod link;
mod round;
mod sign;
mod slot;
mod value;

use super::rng::Rng;
use super::{Cell, Program, Step};
use board::Board;
use cell::{Kind, Memory, Order, TalkScope};
use kernel::{Size, Talk};
use link::Link;

/// Returns every kind of communication that the programs use.
pub fn talking_cells() -> Vec<Cell> {
    cell::all().into_iter().map(Kind::cell).collect()
}

/// Returns the program of a seed.
pub fn talking_program(seed: u64) -> Program {
    let kinds = cell::all();
    // Every entry in turn; adjacent seeds are far apart in the table.
    let kind = kinds[(seed.wrapping_mul(7919) % kinds.len() as u64) as usize];
    let rng = Rng::new(seed ^ 0x7461_6c6b);
    if kind.order.is_of_launches() { launches::program(rng, kind) } else { one_kernel(rng, kind) }
}

/// Chooses the numbers of threads.
fn size(rng: &mut Rng, kind: Kind) -> Size {
    let mut threads = rng.pick(&[32, 64, 64, 128]);
    if kind.order == Order::BarArrive {
        threads = threads.max(64);
    }
    match kind.span() {
        TalkScope::Warp | TalkScope::Block => Size { threads, blocks: rng.pick(&[1, 1, 2]), cluster: 1 },
        TalkScope::Cluster => {
            let cluster = rng.pick(&[2, 2, 4]);
            Size { threads: threads.min(64), blocks: cluster * rng.between(1, 4 / cluster), cluster }
        }
        TalkScope::Grid => Size { threads: rng.pick(&[32, 32, 64]), blocks: rng.pick(&[2, 2, 4]), cluster: 1 },
    }
}

fn one_kernel(mut rng: Rng, kind: Kind) -> Program {
    let size = size(&mut rng, kind);
    let span = kind.span();
    let mut talk = Talk::new(rng, size, "talk", Vec::new());
    talk.b.f.launch.cooperative = span == TalkScope::Grid;
    let link = talk.link(kind.order, span, kind.memory.is_in_block());
    let mut boards = vec![board(&mut talk, kind, &link)];
    if talk.b.rng.percent(30) {
        let more: Vec<Kind> = cell::all().into_iter().filter(|other| other.order == kind.order).collect();
        let far = link.partner().is_some_and(|flip| flip >= size.threads);
        let fits = |other: &Kind| other.span() == span && !(far && other.memory.is_in_block());
        let more: Vec<Kind> = more.into_iter().filter(fits).collect();
        let more = talk.b.rng.pick(&more);
        boards.push(board(&mut talk, more, &link));
    }
    // Blocks may access each other's shared memory only while all of them exist.
    let peers = boards.iter().any(|board| board.kind.memory == Memory::Peer) || kind.order == Order::ClusterMbarrier;
    if peers || talk.must_meet {
        talk.meet_in(if peers { TalkScope::Cluster } else { TalkScope::Block });
    }
    for board in &boards {
        talk.fill(board, &link);
    }
    talk.meet(&link);
    for _ in 0..talk.b.rng.pick(&[1, 1, 1, 2]) {
        talk.rounds(&boards, &link);
        talk.meet(&link);
    }
    if peers {
        talk.meet_in(TalkScope::Cluster);
    }
    let function = talk.finish();
    Program {
        kernels: vec![function],
        steps: vec![Step { kernel: 0, arguments: talk.bound }],
        dims: vec![size.all()],
        arguments: talk.arguments,
        cells: talk.cells,
        ..Program::default()
    }
}

fn board(talk: &mut Talk, kind: Kind, link: &Link) -> Board {
    // Shared memory belongs to a block, even if more threads synchronize.
    let alone = kind.memory.is_in_block() && link.unit.size > talk.size.threads;
    let unit = if alone { talk.unit(TalkScope::Block) } else { link.unit };
    talk.board(kind, unit)
}
