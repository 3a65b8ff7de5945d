//! Random programs in which threads talk to each other: what one writes another one reads, in an order that the program
//! makes sure of. What a compiler may merge, move, drop or keep in registers across such a point of order, and must
//! not, comes out as another result.
//!
//! A program is made round a cell of a table ([`cell`]): what orders the accesses, in which memory, by which access. In
//! a round ([`round`]) the threads of a unit read slots of a board ([`board`]), meet ([`link`]), write, each slot by one
//! of them, meet again, and read the same slots once more. All that is read is mixed into one word a thread ([`value`]),
//! from which everything that is written is made, and which is the thread's result.
//!
//! Every wait has an end: a thread that has looked for a sign too often goes on with a wrong word.

mod access;
mod board;
mod cell;
mod kernel;
mod link;
mod round;
mod slot;
mod value;

use super::rng::Rng;
use super::{Cell, Program, Step};
use cell::{Kind, Span};
use kernel::{Size, Talk};

/// Every kind of communication that the programs have.
pub fn talking_cells() -> Vec<Cell> {
    cell::all().into_iter().map(Kind::cell).collect()
}

/// The program of a seed.
pub fn talking_program(seed: u64) -> Program {
    let kinds = cell::all();
    // Every cell in turn; neighbouring seeds are far apart in the table.
    let kind = kinds[(seed.wrapping_mul(7919) % kinds.len() as u64) as usize];
    one_kernel(Rng::new(seed ^ 0x7461_6c6b), kind)
}

/// How many threads a program of that kind has.
fn size(rng: &mut Rng, kind: Kind) -> Size {
    let threads = rng.pick(&[32, 64, 64, 128]);
    match kind.order.span() {
        Span::Warp | Span::Block => Size { threads, blocks: rng.pick(&[1, 1, 2]), cluster: 1 },
        Span::Cluster => {
            let cluster = rng.pick(&[2, 2, 4]);
            Size { threads: threads.min(64), blocks: cluster * rng.between(1, 4 / cluster), cluster }
        }
        Span::Grid => Size { threads: threads.min(64), blocks: rng.pick(&[2, 2, 4]), cluster: 1 },
    }
}

fn one_kernel(mut rng: Rng, kind: Kind) -> Program {
    let size = size(&mut rng, kind);
    let mut talk = Talk::new(rng, size, "talk", Vec::new());
    talk.b.f.launch.cooperative = kind.order.span() == Span::Grid;
    let link = talk.link(kind.order);
    // Shared memory is a block's, whoever meets.
    let unit =
        if kind.memory.is_shared() && link.unit.size > size.threads { talk.unit(Span::Block) } else { link.unit };
    let boards = vec![talk.board(kind, unit)];
    for board in &boards {
        talk.fill(board);
    }
    talk.meet(&link);
    for _ in 0..talk.b.rng.between(1, 2) {
        talk.rounds(&boards, &link);
        talk.meet(&link);
    }
    let function = talk.finish();
    Program {
        kernels: vec![function],
        steps: vec![Step { kernel: 0, arguments: talk.bound }],
        dims: vec![size.all()],
        arguments: talk.arguments,
        cells: talk.cells,
        expected: Vec::new(),
    }
}
