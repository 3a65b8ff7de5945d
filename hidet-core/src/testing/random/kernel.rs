//! A whole random kernel: signature, phases, outputs.

use super::builder::{KernelBuilder, KnownExtent, ReadableBuffer};
use super::expr::NUMBERS;
use super::mapping::projected;
use super::{ArgumentValue, RandomKernel};
use crate::ir::{
    Access, Arg, BinaryOp, Buffer, BufferId, CompareOp, Dim, DimId, Handle, Mapping, Op, Param, Scope, Special, Stmt,
    Unroll, ValueId,
};
use crate::layout::Layout;
use crate::types::{Const, Scalar, Type};
use hidet_mapping::IndexExpr;

/// The parts of the signature that the body uses.
struct Outputs {
    /// One row per thread, of which every element is stored.
    rows: ReadableBuffer,
    /// One element per thread, read and written.
    own: ReadableBuffer,
    /// Four floats per thread.
    vectors: ReadableBuffer,
    /// The thread's row.
    row: ValueId,
}

/// The shared tile.
struct Tile {
    source: ReadableBuffer,
    rows: u32,
    columns: u32,
}

pub(super) fn kernel(mut b: KernelBuilder) -> RandomKernel {
    let mut arguments = Vec::new();
    let dims = b.launch();
    let rows = if b.rng.percent(50) { KnownExtent::Dim(DimId::new(0), dims[0]) } else { KnownExtent::Const(dims[0]) };
    b.budget = 1000;
    b.inputs(&dims, &mut arguments);
    let tile = b.tile();
    let mut outputs = b.outputs(rows, &mut arguments);
    outputs.row = b.prologue(dims[0]);

    let turns = b.rng.between(1, 2);
    let repeated = b.rng.percent(30);
    if repeated {
        // All threads have the same trip count, so all of them reach the barriers inside of the loop.
        let (from, to, by) = (b.int(0), b.int(turns), b.int(1));
        let label = b.new_loop();
        let index = b.f.new_value(Type::I32, "turn");
        let mark = b.enter();
        b.values.push(index);
        b.bounded.push((index, turns));
        b.phase(&tile, true);
        let body = b.leave(mark);
        let unroll = b.rng.pick(&[Unroll::Auto, Unroll::Never, Unroll::Full, Unroll::Explicit]);
        b.stmt(Stmt::For { label, index, start: from, end: to, inclusive: false, step: by, unroll, body });
    } else {
        (0..turns).for_each(|turn| b.phase(&tile, turn + 1 < turns));
    }
    b.epilogue(&outputs);
    RandomKernel { function: b.finish(), dims, arguments }
}

impl KernelBuilder {
    /// Chooses the block, the grid and the dims.
    fn launch(&mut self) -> Vec<i64> {
        self.threads = self.rng.pick(&[32, 32, 32, 64, 64, 96]);
        let threads = self.threads as u32;
        self.f.launch.block =
            self.rng.pick(&[[threads, 1, 1], [threads, 1, 1], [8, threads / 8, 1], [4, 4, threads / 16]]);
        let blocks = self.rng.between(1, 2);
        let dims = vec![blocks * self.threads, self.rng.between(5, 40)];
        for name in ["n", "m"] {
            self.f.dims.push(Dim { name: name.to_owned() });
        }
        let grid = if self.rng.percent(50) { IndexExpr::Const(blocks) } else { IndexExpr::Symbol(0) / self.threads };
        self.f.launch.grid[0] = grid;
        dims
    }

    fn buffer(
        &mut self,
        name: &str,
        scope: Scope,
        elem: Scalar,
        extents: Vec<KnownExtent>,
        layout: Option<Layout>,
    ) -> ReadableBuffer {
        let shape: Vec<IndexExpr> = extents
            .iter()
            .map(|extent| match extent {
                KnownExtent::Const(extent) => IndexExpr::Const(*extent),
                KnownExtent::Dim(dim, _) => IndexExpr::Symbol(dim.index() as u32),
            })
            .collect();
        let layout = layout.unwrap_or_else(|| row_major(&shape));
        let vectors =
            matches!(extents.last(), Some(KnownExtent::Const(extent)) if extent % 4 == 0) && elem == Scalar::F32;
        let align = if vectors { 16 } else { elem.bytes() as u32 };
        let buffer = Buffer { name: name.to_owned(), scope, elem, shape, layout, align, alias: None, entries: None };
        ReadableBuffer { buffer: self.f.buffers.push(buffer), elem, extents, vectors }
    }

    fn param(&mut self, source: &ReadableBuffer, access: Access, arguments: &mut Vec<ArgumentValue>) {
        self.f.params.push(Param::Tensor { buffer: source.buffer, access });
        let elements: i64 = source.extents.iter().map(|extent| extent.at_launch()).product();
        let content = self.content(source.elem, elements as usize);
        arguments.push(ArgumentValue::Tensor(content));
    }

    fn inputs(&mut self, dims: &[i64], arguments: &mut Vec<ArgumentValue>) {
        let m = KnownExtent::Dim(DimId::new(1), dims[1]);
        let four = KnownExtent::Const(4 * self.rng.between(1, 3));
        let shapes = [vec![m, four], vec![m], vec![KnownExtent::Const(self.rng.between(3, 9)), KnownExtent::Const(7)]];
        let elems = [Scalar::F32, self.rng.pick(&NUMBERS), self.rng.pick(&NUMBERS)];
        for (name, (shape, elem)) in ["x", "u", "w"].into_iter().zip(shapes.into_iter().zip(elems)) {
            let source = self.buffer(name, Scope::Global, elem, shape, None);
            self.param(&source, Access::In, arguments);
            self.sources.push(source);
        }
        for (name, scalar) in [("alpha", Scalar::F32), ("beta", Scalar::I32)] {
            let value = self.f.new_value(scalar, name);
            self.f.params.push(Param::Scalar { name: name.to_owned(), value });
            self.values.push(value);
            let bits = self.some_bits(scalar);
            arguments.push(ArgumentValue::Scalar(Const { scalar, bits }));
        }
    }

    fn outputs(&mut self, rows: KnownExtent, arguments: &mut Vec<ArgumentValue>) -> Outputs {
        let elem = self.rng.pick(&NUMBERS);
        let width = KnownExtent::Const(self.rng.between(1, 5));
        let all = self.buffer("y", Scope::Global, elem, vec![rows, width], None);
        self.param(&all, Access::Out, arguments);
        let elem = self.rng.pick(&NUMBERS);
        let own = self.buffer("z", Scope::Global, elem, vec![rows], None);
        self.param(&own, Access::InOut, arguments);
        let vectors = self.buffer("v", Scope::Global, Scalar::F32, vec![rows, KnownExtent::Const(4)], None);
        self.param(&vectors, Access::Out, arguments);
        let elem = self.rng.pick(&[Scalar::I32, Scalar::U32, Scalar::U64]);
        let histogram = self.buffer("h", Scope::Global, elem, vec![KnownExtent::Const(11)], None);
        self.param(&histogram, Access::InOut, arguments);
        self.histogram = Some(histogram);
        Outputs { rows: all, own, vectors, row: ValueId::new(0) }
    }

    /// The shared tile, with a random layout.
    fn tile(&mut self) -> Tile {
        let (rows, columns) = (self.rng.between(1, 4) as u32, self.rng.between(1, 5) as u32);
        let (r, c) = (1i64 << rows, 1i64 << columns);
        let shape = [r, c].map(IndexExpr::Const);
        let plain = row_major(&shape);
        let swizzle = |axis, by| Layout::Swizzle { base: Box::new(plain.clone()), axis, by, log_step: 0 };
        let layout = match self.rng.below(8) {
            0 => swizzle(1, 0),
            1 => swizzle(0, 1),
            2 => Layout::Strided { shape: shape.to_vec(), strides: vec![(c + 4).into(), 1.into()] },
            3 => Layout::Strided { shape: shape.to_vec(), strides: vec![1.into(), r.into()] },
            4 => Layout::Permute { base: Box::new(row_major(&[c, r].map(IndexExpr::Const))), order: vec![1, 0] },
            5 => {
                let (outer, inner) = ([r / 2, 1].map(IndexExpr::Const), [2, c].map(IndexExpr::Const));
                Layout::Compose(Box::new(row_major(&outer)), Box::new(row_major(&inner)))
            }
            6 => Layout::Reshape { base: Box::new(row_major(&[(r * c).into()])), shape: shape.to_vec() },
            _ => plain.clone(),
        };
        let elem = self.rng.pick(&[Scalar::F32, Scalar::F32, Scalar::I32, Scalar::F16, Scalar::F64, Scalar::U32]);
        let extents = vec![KnownExtent::Const(r), KnownExtent::Const(c)];
        let mut source = self.buffer("tile", Scope::Shared, elem, extents, Some(layout.clone()));
        // Swizzled, permuted and column-major rows do not have four adjacent elements.
        source.vectors &= layout == plain;
        Tile { source, rows, columns }
    }

    /// Emits the start of every kernel and returns the thread's row of the outputs.
    fn prologue(&mut self, n: i64) -> ValueId {
        let thread = self.emit(Type::I32, Op::Special(Special::Thread));
        self.bounded.push((thread, self.threads));
        let lane = self.emit(Type::I32, Op::Special(Special::Lane));
        self.bounded.push((lane, 32));
        let block = self.emit(Type::I32, Op::Special(Special::BlockX));
        let threads = self.int(self.threads);
        let start = self.binary(BinaryOp::Mul, block, threads);
        let row = self.binary(BinaryOp::Add, start, thread);
        self.bounded.push((row, n));
        for _ in 0..self.rng.between(2, 4) {
            let scalar = self.rng.pick(&NUMBERS);
            let init = self.expr(scalar, 1);
            let var = self.declare(scalar.into(), Some(init));
            self.vars.push(var);
        }
        if self.rng.percent(60) {
            self.register_array();
        }
        row
    }

    /// Declares a register array and sets all of its elements in a loop.
    fn register_array(&mut self) {
        let elem = self.rng.pick(&NUMBERS);
        let extent = self.rng.between(1, 4) * 2;
        let source = self.buffer("acc", Scope::Register, elem, vec![KnownExtent::Const(extent)], None);
        let (from, to, by) = (self.int(0), self.int(extent), self.int(1));
        let label = self.new_loop();
        let index = self.f.new_value(Type::I32, "r");
        let mark = self.enter();
        let value = self.expr(elem, 1);
        self.stmt(Stmt::Store { buffer: source.buffer, index: vec![index], value, guard: false });
        let body = self.leave(mark);
        let unroll = self.rng.pick(&[Unroll::Full, Unroll::Explicit, Unroll::Auto]);
        self.stmt(Stmt::For { label, index, start: from, end: to, inclusive: false, step: by, unroll, body });
        self.registers.push(source);
    }

    /// Fills the tile and computes from it. `again`: another phase follows, which overwrites the tile.
    fn phase(&mut self, tile: &Tile, again: bool) {
        self.fill(tile);
        self.barrier();
        self.sources.push(tile.source.clone());
        self.budget = self.rng.between(30, 90);
        if self.rng.percent(60) {
            self.sum_tile(tile);
        }
        self.exchange();
        // Every kernel has these.
        self.count_loop(2);
        self.branch(2);
        let count = self.rng.between(2, 6) as usize;
        self.stmts(count, 3);
        if self.threads > 32 && self.rng.percent(30) {
            let first = 32 * self.rng.below(self.threads as usize / 32) as u32;
            let mark = self.enter();
            self.assign(2);
            self.stmts(2, 1);
            let body = self.leave(mark);
            self.stmt(Stmt::Group { first, threads: 32, body });
        }
        self.exchange();
        self.sources.pop();
        if again {
            self.barrier();
        }
    }

    fn barrier(&mut self) {
        if self.rng.percent(80) {
            self.call("sync.threads", Vec::new(), None);
        } else {
            let barrier = self.int(3);
            self.call("bar.sync", vec![Arg::Value(barrier), Arg::Imm(self.threads)], None);
        }
    }

    /// Emits a loop over the tasks of a mapping of the whole tile, with the thread as worker.
    fn over_tile(&mut self, mapping: Mapping, body: impl FnOnce(&mut KernelBuilder, Vec<ValueId>)) {
        let thread = self.bounded[0].0;
        let label = self.new_loop();
        let task: Vec<ValueId> = ["i", "j"].into_iter().map(|name| self.f.new_value(Type::I32, name)).collect();
        let mark = self.enter();
        self.values.extend(&task);
        body(self, task.clone());
        let body = self.leave(mark);
        self.stmt(Stmt::ForTask { label, mapping, worker: thread, task, body });
    }

    fn fill(&mut self, tile: &Tile) {
        self.budget = 20;
        let mapping = self.mapping(tile.rows, tile.columns);
        let (buffer, elem) = (tile.source.buffer, tile.source.elem);
        self.over_tile(mapping, |b, task| {
            let value = b.expr(elem, 2);
            b.stmt(Stmt::Store { buffer, index: task, value, guard: false });
        });
    }

    /// Sums the thread's elements under a mapping, of the tile or of one axis of it.
    fn sum_tile(&mut self, tile: &Tile) {
        let mapping = self.mapping(tile.rows, tile.columns);
        let mapping = if self.rng.percent(20) { projected(mapping) } else { mapping };
        let elem = tile.source.elem;
        let zero = self.constant(elem, 0);
        let sum = self.declare(elem.into(), Some(zero));
        let buffer: BufferId = tile.source.buffer;
        self.over_tile(mapping, |b, task| {
            let loaded = b.emit(elem, Op::Load { buffer, index: task, guard: false });
            let old = b.emit(elem, Op::Read(sum));
            let new = b.binary(BinaryOp::Add, old, loaded);
            b.stmt(Stmt::Assign { var: sum, value: new });
        });
        self.vars.push(sum);
    }

    /// Exchanges values between lanes; all lanes of the warp reach this point.
    fn exchange(&mut self) {
        let mask = self.constant(Scalar::U32, 0xffff_ffff);
        match self.rng.below(5) {
            0 => {
                let scalar = self.rng.pick(&[Scalar::F32, Scalar::I32, Scalar::F64, Scalar::F16, Scalar::U32]);
                let value = self.expr(scalar, 2);
                let lane = self.rng.between(1, 31);
                let lane = self.int(lane);
                let name = self.rng.pick(&["shfl.xor", "shfl.up", "shfl.down", "shfl.index"]);
                self.call(name, vec![Arg::Value(mask), Arg::Value(value), Arg::Value(lane)], Some(scalar.into()));
            }
            1 => {
                let value = self.expr(Scalar::I32, 2);
                let name = self.rng.pick(&["redux.add", "redux.min", "redux.max"]);
                self.call(name, vec![Arg::Value(mask), Arg::Value(value)], Some(Type::I32));
            }
            2 => {
                let value = self.expr(Scalar::Bool, 2);
                let (name, ty) =
                    self.rng.pick(&[("vote.all", Type::BOOL), ("vote.any", Type::BOOL), ("vote.ballot", Type::U32)]);
                self.call(name, vec![Arg::Value(mask), Arg::Value(value)], Some(ty));
            }
            _ => {}
        }
    }

    /// Stores each thread's values to its own part of the outputs.
    fn epilogue(&mut self, outputs: &Outputs) {
        self.budget = 60;
        let ReadableBuffer { buffer, elem, ref extents, .. } = outputs.rows;
        for column in 0..extents[1].at_launch() {
            let value = self.expr(elem, 2);
            let column = self.int(column);
            let guard = self.rng.percent(20);
            self.stmt(Stmt::Store { buffer, index: vec![outputs.row, column], value, guard });
        }
        let value = self.vector(1);
        let zero = self.int(0);
        let index = vec![outputs.row, zero];
        self.stmt(Stmt::Store { buffer: outputs.vectors.buffer, index, value, guard: false });
        if self.rng.percent(30) {
            // No barrier follows, so threads may exit.
            let cond = self.expr(Scalar::Bool, 2);
            let mark = self.enter();
            self.stmt(Stmt::Return);
            let then = self.leave(mark);
            self.stmt(Stmt::If { cond, then, otherwise: Default::default() });
        }
        let ReadableBuffer { buffer, elem, ref extents, .. } = outputs.own;
        let old = self.emit(elem, Op::Load { buffer, index: vec![outputs.row], guard: false });
        let new = self.expr(elem, 2);
        let value = self.binary(BinaryOp::Add, old, new);
        // At the thread's own index, or beyond the end, where a protected store does nothing.
        let end = self.extent(extents[0]);
        let beyond = self.binary(BinaryOp::Add, outputs.row, end);
        let three = self.int(self.threads / 2);
        let thread = self.bounded[0].0;
        let first = self.emit(Type::BOOL, Op::Compare(CompareOp::Lt, thread, three));
        let at = self.emit(Type::I32, Op::Select(first, outputs.row, beyond));
        self.stmt(Stmt::Store { buffer, index: vec![at], value, guard: true });
    }
}

fn row_major(shape: &[IndexExpr]) -> Layout {
    let mut strides = vec![IndexExpr::Const(1); shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = &shape[axis] * &strides[axis];
    }
    Layout::Strided { shape: shape.to_vec(), strides }
}
