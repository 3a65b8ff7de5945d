//! A kernel under construction: its launch, thread numbering, and arguments.

use super::cell::{Kind, TalkScope};
use crate::intrinsics::Intrinsic;
use crate::ir::Handle;
use crate::ir::{
    Access, Arg, BinaryOp, Buffer, BufferId, Dim, Function, Op, Param, Scope, Special, Stmt, ValueId, VarId,
};
use crate::layout::Layout;
use crate::testing::random::builder::KernelBuilder;
use crate::testing::random::rng::Rng;
use crate::testing::random::{ArgumentValue, Cell};
use crate::types::{Const, Scalar, Type};
use hidet_mapping::IndexExpr;

/// The numbers of threads, all powers of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub threads: i64,
    pub blocks: i64,
    /// Blocks per cluster.
    pub cluster: i64,
}

impl Size {
    /// Returns the number of all threads.
    pub fn all(self) -> i64 {
        self.threads * self.blocks
    }
}

/// A unit of communicating threads, as one of its threads sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// The thread's number within the unit.
    pub me: ValueId,
    /// The number of the unit's first thread in the block, and in the grid.
    pub in_block: ValueId,
    pub in_grid: ValueId,
    /// The number of threads of the unit.
    pub size: i64,
}

pub(super) struct Talk {
    pub b: KernelBuilder,
    pub size: Size,
    /// A hash of everything the thread has seen so far.
    pub acc: VarId,
    pub thread: ValueId,
    /// The thread's number in the grid.
    pub number: ValueId,
    /// A scalar parameter from 1 to 3, used as trip count.
    pub turns: ValueId,
    /// A scalar parameter with an arbitrary value.
    pub any: ValueId,
    /// The arguments of the whole program so far.
    pub arguments: Vec<ArgumentValue>,
    /// The index of the argument of each parameter of this kernel.
    pub bound: Vec<usize>,
    pub cells: Vec<Cell>,
    /// Shared memory was set, and no barrier has followed yet.
    pub must_meet: bool,
}

impl Talk {
    /// Starts a kernel, with its input and output as parameters; `arguments` are those of the kernels before it.
    pub fn new(rng: Rng, size: Size, name: &str, arguments: Vec<ArgumentValue>) -> Talk {
        let mut b = KernelBuilder::new(rng);
        name.clone_into(&mut b.f.name);
        b.threads = size.threads;
        let threads = size.threads as u32;
        b.f.launch.block = b.rng.pick(&[[threads, 1, 1], [threads, 1, 1], [8, threads / 8, 1], [4, 4, threads / 16]]);
        b.f.launch.grid[0] = size.blocks.into();
        b.f.launch.cluster[0] = size.cluster as u32;
        b.f.dims.push(Dim { name: "n".to_owned() });
        let zero = ValueId::new(0);
        let mut talk = Talk {
            b,
            size,
            acc: VarId::new(0),
            thread: zero,
            number: zero,
            turns: zero,
            any: zero,
            arguments,
            bound: Vec::new(),
            cells: Vec::new(),
            must_meet: false,
        };
        talk.start();
        talk
    }

    fn start(&mut self) {
        let n = self.size.all();
        let x = self.tensor("x", Scalar::U32, &[n], Access::In, None);
        self.turns = self.scalar("turns", &[1, 2, 2, 3]);
        self.any = self.scalar("any", &[0, 1, 5, 17, 1 << 20, -3]);
        self.thread = self.b.emit(Type::I32, Op::Special(Special::Thread));
        let block = self.b.emit(Type::I32, Op::Special(Special::BlockX));
        let first = self.with(BinaryOp::Mul, block, self.size.threads);
        self.number = self.binary(BinaryOp::Add, first, self.thread);
        let own = self.b.emit(Type::U32, Op::Load { buffer: x, index: vec![self.number], guard: false });
        self.acc = self.b.declare(Type::U32, Some(own));
    }

    fn scalar(&mut self, name: &str, values: &[i64]) -> ValueId {
        let value = self.b.f.new_value(Type::I32, name);
        self.b.f.params.push(Param::Scalar { name: name.to_owned(), value });
        let number = self.b.rng.pick(values);
        self.bound.push(self.arguments.len());
        self.arguments.push(ArgumentValue::Scalar(Const::int(Scalar::I32, number)));
        value
    }

    /// Adds a tensor parameter, for an existing argument or a new one.
    pub fn tensor(
        &mut self,
        name: &str,
        elem: Scalar,
        extents: &[i64],
        access: Access,
        argument: Option<usize>,
    ) -> BufferId {
        let all = self.size.all();
        // The extent of the input determines the value of the dim.
        let symbolic = name == "x" || self.b.rng.percent(40);
        let extent = |extent: &i64| match symbolic && *extent == all {
            true => IndexExpr::Symbol(0),
            false => IndexExpr::Const(*extent),
        };
        let buffer = self.memory(name, Scope::Global, elem, extents.iter().map(extent).collect());
        self.b.f.params.push(Param::Tensor { buffer, access });
        let argument = argument.unwrap_or_else(|| {
            let content = self.content(elem, extents.iter().product());
            self.arguments.push(ArgumentValue::Tensor(content));
            self.arguments.len() - 1
        });
        self.bound.push(argument);
        buffer
    }

    /// Declares a row-major buffer, aligned for vectors.
    pub fn memory(&mut self, name: &str, scope: Scope, elem: Scalar, shape: Vec<IndexExpr>) -> BufferId {
        let mut strides = vec![IndexExpr::Const(1); shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = &shape[axis] * &strides[axis];
        }
        let layout = Layout::Strided { shape: shape.clone(), strides };
        self.b.f.buffers.push(Buffer {
            name: name.to_owned(),
            scope,
            elem,
            shape,
            layout,
            align: 16,
            alias: None,
            entries: None,
        })
    }

    /// Returns the unit of threads of a scope that contains the thread.
    pub fn unit(&mut self, span: TalkScope) -> Unit {
        let Size { threads, blocks: _, cluster } = self.size;
        let zero = self.int(0);
        let size = match span {
            TalkScope::Warp => 32,
            TalkScope::Block => threads,
            TalkScope::Cluster => threads * cluster,
            TalkScope::Grid => self.size.all(),
        };
        let me = self.with(BinaryOp::And, self.number, size - 1);
        let in_grid = self.binary(BinaryOp::Sub, self.number, me);
        let in_block = match span {
            TalkScope::Warp => self.with(BinaryOp::And, self.thread, !31),
            _ => zero,
        };
        Unit { me, in_block, in_grid, size }
    }

    /// Calls an intrinsic and returns its result, if it has one.
    pub fn call(&mut self, name: &str, args: Vec<Arg>, result: Option<Type>) -> ValueId {
        if Intrinsic::named(name).is_none() {
            let cond = self.b.constant(Scalar::Bool, 0);
            self.b.stmt(Stmt::Assert { cond, message: format!("there is no intrinsic {name}") });
        }
        match self.b.call(name, args, result) {
            Some(result) => result,
            None => self.thread,
        }
    }

    /// Notes a kind of communication.
    pub fn note(&mut self, kind: Kind) {
        if !self.cells.contains(&kind.cell()) {
            self.cells.push(kind.cell());
        }
    }

    /// Stores what the thread has seen, and returns the function.
    pub fn finish(&mut self) -> Function {
        let y = self.tensor("y", Scalar::U32, &[self.size.all()], Access::Out, None);
        let value = self.seen();
        self.b.stmt(Stmt::Store { buffer: y, index: vec![self.number], value, guard: false });
        let next = KernelBuilder::new(Rng::new(self.b.rng.next()));
        std::mem::replace(&mut self.b, next).finish()
    }
}
