//! Proofs that accesses are within their buffer.

use super::{Facts, Linear, formula, leaves};
use crate::intrinsics::matrix::Form;
use crate::intrinsics::{Intrinsic, Reach};
use crate::ir::{Arg, Block, Buffer, BufferId, Function, Op, Stmt, StmtId, ValueId};
use hidet_mapping::IndexExpr;
use std::collections::{HashMap, HashSet};

/// An access of a statement and the position of its operand in a call (0 for a load or store).
pub(crate) type AccessId = (StmtId, usize);

/// The proved accesses of a function.
#[derive(Default)]
pub(crate) struct Proofs {
    /// Every access that has an index, in order.
    pub all: Vec<AccessId>,
    /// Accesses that are proved to be within their buffer.
    pub inside: HashSet<AccessId>,
}

impl Proofs {
    /// Proves as many accesses of a function as possible.
    pub fn of(function: &Function) -> Proofs {
        Proofs::beyond(function, &HashSet::new())
    }

    /// The same, where some accesses are known to be inside: proved with fewer constraints.
    pub fn beyond(function: &Function, inside: &HashSet<AccessId>) -> Proofs {
        let proofs = Proofs { all: Vec::new(), inside: inside.clone() };
        let mut prover = Prover { function, facts: Facts::of(function), rows: Vec::new(), proofs };
        prover.block(&function.body);
        prover.proofs
    }
}

struct Prover<'a> {
    function: &'a Function,
    facts: Facts,
    /// The rows of entries of tables that are known here: buffer, entry, rows.
    rows: Vec<(BufferId, ValueId, ValueId)>,
    proofs: Proofs,
}

impl Prover<'_> {
    fn block(&mut self, block: &Block) {
        let (mark, rows) = (self.facts.mark(), self.rows.len());
        for id in &block.0 {
            self.stmt(*id);
        }
        self.facts.forget(mark);
        self.rows.truncate(rows);
    }

    fn stmt(&mut self, id: StmtId) {
        let function = self.function;
        match &function.stmts[id] {
            Stmt::Let { value, op } => {
                if let Op::Load { buffer, index, .. } = op {
                    let tile = together(&function.buffers[*buffer].shape, function.ty(*value).lanes.into());
                    self.access((id, 0), *buffer, index, tile);
                    if let [entry] = index.as_slice() {
                        self.rows.push((*buffer, *entry, *value));
                    }
                }
                self.facts.define(function, *value, op);
            }
            Stmt::Store { buffer, index, value, .. } => {
                let tile = together(&function.buffers[*buffer].shape, function.ty(*value).lanes.into());
                self.access((id, 0), *buffer, index, tile);
            }
            Stmt::Call { intrinsic, args, .. } => {
                for (position, arg) in args.iter().enumerate() {
                    let Arg::Address { buffer, index } = arg else { continue };
                    self.access((id, position), *buffer, index, tile(function, *intrinsic, args, position));
                }
            }
            Stmt::If { cond, then, otherwise } => {
                let mark = self.facts.mark();
                self.facts.assume(function, *cond, true);
                self.block(then);
                self.facts.forget(mark);
                self.facts.assume(function, *cond, false);
                self.block(otherwise);
                self.facts.forget(mark);
                if leaves(function, then) {
                    self.facts.assume(function, *cond, false);
                } else if leaves(function, otherwise) {
                    self.facts.assume(function, *cond, true);
                }
            }
            Stmt::For { body, .. } => {
                self.facts.count(&function.stmts[id]);
                self.block(body);
            }
            Stmt::Loop { body, .. } | Stmt::Group { body, .. } | Stmt::ForTask { body, .. } => self.block(body),
            Stmt::Assert { cond, .. } => self.facts.assume(function, *cond, true),
            _ => {}
        }
    }

    /// Returns the rows of an entry of a table as a linear form, if the kernel has read them.
    fn rows_of(&mut self, buffer: BufferId, entry: ValueId) -> Option<Linear> {
        let known = self.rows.iter().find(|(rows, of, _)| (*rows, *of) == (buffer, entry))?;
        Some(self.facts.linear(self.function, known.2))
    }

    fn access(&mut self, access: AccessId, buffer: BufferId, index: &[ValueId], tile: Option<Vec<u32>>) {
        self.proofs.all.push(access);
        if self.proofs.inside.contains(&access) {
            return;
        }
        let Buffer { shape, entries, .. } = &self.function.buffers[buffer];
        let Some(tile) = tile else { return };
        let inside = shape.len() == index.len()
            && index.iter().zip(shape).zip(tile).enumerate().all(|(axis, ((value, extent), beyond))| {
                // The shape of a table has the rows of the largest entry.
                let extent = match entries.and_then(|entries| entries.rows).filter(|_| axis == 1) {
                    Some(rows) => self.rows_of(rows, index[0]),
                    None => formula(extent),
                };
                let Some(extent) = extent else { return false };
                let index = self.facts.linear(self.function, *value);
                self.facts.nonnegative(self.function, &index)
                    && extent
                        .minus(&index)
                        .is_some_and(|gap| self.facts.nonnegative(self.function, &gap.offset(-i128::from(beyond))))
            });
        if inside {
            self.proofs.inside.insert(access);
        }
    }
}

/// Returns the tile of elements that a call accesses from an address on, one extent per axis, or `None` if it depends
/// on a value or is not a tile.
pub(crate) fn tile(function: &Function, intrinsic: Intrinsic, args: &[Arg], position: usize) -> Option<Vec<u32>> {
    let Some(Arg::Address { buffer, .. }) = args.get(position) else { return None };
    let memory = &function.buffers[*buffer];
    match intrinsic.row().reach(position)? {
        Reach::Elements(count) => together(&memory.shape, count),
        Reach::Bytes(bytes) => together(&memory.shape, bytes.div_ceil(memory.elem.bytes() as u32)),
        Reach::BytesOf(_) => None,
        Reach::Box(of) => match args.get(of) {
            Some(Arg::Map(map)) => together(&memory.shape, function.maps[*map].elements()),
            _ => None,
        },
        Reach::Matrix { rows, columns, form } => {
            let exchanged = match args.get(form) {
                Some(Arg::Imm(form)) => Form::decode(*form).map_or(Form::is_transposed(*form), |form| form.mn_major),
                _ => false,
            };
            let (rows, columns) = if exchanged { (columns, rows) } else { (rows, columns) };
            matrix(&memory.shape, rows, columns)
        }
    }
}

/// Returns the tile of consecutive elements: along the last axis and, if that is too short, whole rows along the axes
/// before it.
pub(crate) fn together(shape: &[IndexExpr], elements: u32) -> Option<Vec<u32>> {
    let mut tile = vec![1; shape.len()];
    let mut left = elements.max(1);
    for (axis, extent) in shape.iter().enumerate().rev() {
        match extent.as_const().and_then(|extent| u32::try_from(extent).ok()) {
            Some(extent @ 1..) if axis > 0 && left > extent => {
                if !left.is_multiple_of(extent) {
                    return None;
                }
                (tile[axis], left) = (extent, left / extent);
            }
            _ => {
                tile[axis] = left;
                break;
            }
        }
    }
    Some(tile)
}

/// Returns the tile of a matrix in the last two axes. Columns beyond the last axis are in further boxes, along the axis
/// before these.
fn matrix(shape: &[IndexExpr], rows: u32, columns: u32) -> Option<Vec<u32>> {
    let mut tile = vec![1; shape.len()];
    let [before @ .., row, column] = tile.as_mut_slice() else { return None };
    (*row, *column) = (rows, columns);
    let width = shape.last().and_then(IndexExpr::as_const).and_then(|extent| u32::try_from(extent).ok());
    if let (Some(width @ 1..), Some(boxes)) = (width, before.last_mut())
        && columns > width
        && columns.is_multiple_of(width)
    {
        (*column, *boxes) = (width, columns / width);
    }
    Some(tile)
}

/// Returns the statements all of whose accesses are proved.
pub(crate) fn proved_statements(proofs: &Proofs) -> HashSet<StmtId> {
    let mut all: HashMap<StmtId, bool> = HashMap::new();
    for access in &proofs.all {
        *all.entry(access.0).or_insert(true) &= proofs.inside.contains(access);
    }
    all.into_iter().filter(|(_, proved)| *proved).map(|(id, _)| id).collect()
}
