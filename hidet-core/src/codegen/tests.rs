//! Tests of the CUDA text: its form, and that NVRTC accepts it.

use super::*;
use crate::intrinsics::Intrinsic;
use crate::ir::*;
use crate::layout::Layout;
use crate::types::{Const, Scalar, Type};

/// Builds lowered functions by hand.
pub(crate) struct Build {
    pub function: Function,
    open: Vec<Vec<StmtId>>,
}

impl Build {
    pub fn new(name: &str, block: u32) -> Build {
        let mut function = Function { name: name.to_owned(), files: vec!["src/k.rs".to_owned()], ..Default::default() };
        function.launch.block = [block, 1, 1];
        Build { function, open: vec![Vec::new()] }
    }

    pub fn buffer(&mut self, name: &str, scope: Scope, elem: Scalar, extent: impl Into<IndexExpr>) -> BufferId {
        let shape = vec![extent.into()];
        let layout = Layout::Strided { shape: shape.clone(), strides: vec![1.into()] };
        let align = elem.bytes() as u32;
        self.function.buffers.push(Buffer {
            name: name.to_owned(),
            scope,
            elem,
            shape,
            layout,
            align,
            alias: None,
            entries: None,
        })
    }

    pub fn tensor(&mut self, name: &str, access: Access, elem: Scalar, extent: impl Into<IndexExpr>) -> BufferId {
        let buffer = self.buffer(name, Scope::Global, elem, extent);
        self.function.params.push(Param::Tensor { buffer, access });
        buffer
    }

    pub fn dim(&mut self, name: &str) -> DimId {
        self.function.dims.push(Dim { name: name.to_owned() })
    }

    pub fn stmt(&mut self, stmt: Stmt) {
        let line = self.function.stmts.len() as u32 + 1;
        let id = self.function.new_stmt(stmt, Span { file: 0, line, column: 5 });
        self.open.last_mut().unwrap().push(id);
    }

    pub fn named(&mut self, name: &str, ty: impl Into<Type>, op: Op) -> ValueId {
        let value = self.function.new_value(ty, name);
        self.stmt(Stmt::Let { value, op });
        value
    }

    pub fn op(&mut self, ty: impl Into<Type>, op: Op) -> ValueId {
        self.named("", ty, op)
    }

    pub fn int(&mut self, value: i64) -> ValueId {
        self.op(Scalar::I32, Op::Const(Const { scalar: Scalar::I32, bits: value as u32 as u64 }))
    }

    pub fn float(&mut self, value: f32) -> ValueId {
        self.op(Scalar::F32, Op::Const(Const { scalar: Scalar::F32, bits: u64::from(value.to_bits()) }))
    }

    pub fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        let ty = self.function.ty(a);
        self.op(ty, Op::Binary(op, a, b))
    }

    pub fn load(&mut self, buffer: BufferId, index: ValueId) -> ValueId {
        let elem = self.function.buffers[buffer].elem;
        self.op(elem, Op::Load { buffer, index: vec![index], guard: false })
    }

    pub fn store(&mut self, buffer: BufferId, index: ValueId, value: ValueId) {
        self.stmt(Stmt::Store { buffer, index: vec![index], value, guard: false });
    }

    pub fn call(&mut self, name: &str, args: Vec<Arg>) {
        self.stmt(Stmt::Call { intrinsic: Intrinsic::named(name).unwrap(), args, result: None });
    }

    pub fn block(&mut self, fill: impl FnOnce(&mut Build)) -> Block {
        self.open.push(Vec::new());
        fill(self);
        Block(self.open.pop().unwrap())
    }

    pub fn done(mut self) -> Function {
        self.function.body = Block(self.open.pop().unwrap());
        self.function
    }
}

const SM80: Arch = Arch { number: 80, specific: false };

fn kernel_text(source: &Source) -> &str {
    &source.text[source.text.find("extern \"C\" __global__").unwrap()..]
}

/// Compiles with NVRTC for every architecture that the function allows, if NVRTC is present.
pub(crate) fn compiles(function: &Function) {
    if let Err(error) = crate::cuda::nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "{error}");
        eprintln!("skipped: {error}");
        return;
    }
    let archs = archs(function);
    assert!(!archs.is_empty());
    for arch in archs {
        let source = cuda(function, arch).unwrap();
        if let Err(error) = crate::cuda::nvrtc::compile(&source, arch) {
            panic!("{error}\n{}", source.text);
        }
    }
}

fn scaled_sum() -> Function {
    let mut b = Build::new("scale", 128);
    let n = b.dim("n");
    let x = b.tensor("x", Access::In, Scalar::F32, IndexExpr::Symbol(0));
    let y = b.tensor("y", Access::Out, Scalar::F32, IndexExpr::Symbol(0));
    b.function.launch.grid[0] = IndexExpr::Symbol(0).div_ceil(128);
    let block = b.op(Scalar::I32, Op::Special(Special::BlockX));
    let size = b.int(128);
    let base = b.binary(BinaryOp::Mul, block, size);
    let thread = b.op(Scalar::I32, Op::Special(Special::ThreadX));
    let ty = b.function.ty(thread);
    let i = b.named("i", ty, Op::Binary(BinaryOp::Add, base, thread));
    let extent = b.op(Scalar::I32, Op::Dim(n));
    let inside = b.op(Type::BOOL, Op::Compare(CompareOp::Lt, i, extent));
    let then = b.block(|b| {
        let a = b.load(x, i);
        let two = b.float(2.0);
        let scaled = b.binary(BinaryOp::Mul, a, two);
        b.store(y, i, scaled);
    });
    b.stmt(Stmt::If { cond: inside, then, otherwise: Block::default() });
    b.done()
}

#[test]
fn a_kernel_reads_like_one_written_by_hand() {
    let function = scaled_sum();
    let source = cuda(&function, SM80).unwrap();
    let expected = "\
extern \"C\" __global__ void __launch_bounds__(128)
scale_(const float* __restrict__ x_, float* __restrict__ y_, int n_) {
    const int i_ = int(blockIdx.x) * 128 + int(threadIdx.x);
    if (i_ < n_) {
        y_[i_] = x_[i_] * 2.0f;
    }
}
";
    assert_eq!(source.text, expected);
    assert!(source.text_with_lines().contains("#line 5 \"src/k.rs\"\n    const int i"), "{}", source.text_with_lines());
    assert_eq!(source.place(3).as_deref(), Some("src/k.rs:5"));
    compiles(&function);
}

#[test]
fn jumps_out_of_nested_loops_go_to_labels() {
    let mut b = Build::new("jumps", 32);
    let x = b.tensor("x", Access::InOut, Scalar::F32, 64);
    let (outer, inner) = (b.function.loops.push(Loop { name: "'rows".into() }), b.function.loops.push(Loop::default()));
    let (zero, eight, one) = (b.int(0), b.int(8), b.int(1));
    let row = b.function.new_value(Scalar::I32, "row");
    let j = b.function.new_value(Scalar::I32, "j");
    let body = b.block(|b| {
        let inner_body = b.block(|b| {
            let cond = b.op(Type::BOOL, Op::Compare(CompareOp::Eq, row, j));
            let then = b.block(|b| b.stmt(Stmt::Continue(outer)));
            let otherwise = b.block(|b| b.stmt(Stmt::Break(outer)));
            b.stmt(Stmt::If { cond, then, otherwise });
        });
        b.stmt(Stmt::For {
            label: inner,
            index: j,
            start: zero,
            end: eight,
            inclusive: false,
            step: one,
            unroll: Unroll::Full,
            body: inner_body,
        });
        let value = b.named("value", Scalar::F32, Op::Load { buffer: x, index: vec![row], guard: false });
        b.store(x, row, value);
    });
    b.stmt(Stmt::For {
        label: outer,
        index: row,
        start: zero,
        end: eight,
        inclusive: false,
        step: one,
        unroll: Unroll::Auto,
        body,
    });
    let function = b.done();
    let source = cuda(&function, SM80).unwrap();
    assert!(kernel_text(&source).contains("goto next_rows_;"), "{}", source.text);
    assert!(kernel_text(&source).contains("end_rows_:;"), "{}", source.text);
    compiles(&function);
}

#[test]
fn shared_memory_beyond_48_kib_is_dynamic() {
    let mut b = Build::new("big", 128);
    let x = b.tensor("x", Access::InOut, Scalar::F32, 65536);
    let small = b.buffer("small", Scope::Shared, Scalar::F16, 64);
    let big = b.buffer("big", Scope::Shared, Scalar::F32, 16384);
    let zero = b.int(0);
    let value = b.load(x, zero);
    b.store(big, zero, value);
    let half = b.op(Scalar::F16, Op::Cast(value));
    b.store(small, zero, half);
    b.call("sync.threads", vec![]);
    let value = b.load(big, zero);
    b.store(x, zero, value);
    let function = b.done();
    let source = cuda(&function, SM80).unwrap();
    assert_eq!((source.static_shared, source.dynamic_shared.as_const()), (0, Some(65536 + 128)));
    assert!(kernel_text(&source).contains("alignas(16) extern __shared__ unsigned char shared[];"), "{}", source.text);
    compiles(&function);
}

#[test]
fn an_architecture_that_is_too_old_is_named_with_the_intrinsic() {
    let mut b = Build::new("copy", 32);
    b.call("cp.async.commit", vec![]);
    let function = b.done();
    let error = cuda(&function, Arch { number: 75, specific: false }).unwrap_err().to_string();
    assert!(error.contains("intrinsic `cp.async.commit` needs sm_80 or newer; the target is sm_75"), "{error}");
    assert_eq!(archs(&function).len(), 5);
}

#[test]
fn waits_of_a_kernel_that_may_fault_give_up() {
    let mut b = Build::new("waits", 32);
    let bar = b.buffer("bar", Scope::Shared, Scalar::U64, 1);
    let x = b.tensor("x", Access::In, Scalar::I32, 32);
    let zero = b.int(0);
    b.call("mbarrier.wait", vec![Arg::Address { buffer: bar, index: vec![zero] }, Arg::Value(zero)]);
    let label = b.function.loops.push(Loop::default());
    let body = b.block(|b| {
        let thread = b.op(Scalar::I32, Op::Special(Special::Thread));
        b.stmt(Stmt::Check { buffer: x, index: vec![thread], tile: vec![1], shape: vec![32.into()], rows: None });
        let value = b.load(x, thread);
        let cond = b.op(Type::BOOL, Op::Compare(CompareOp::Ne, value, zero));
        let then = b.block(|b| b.stmt(Stmt::Break(label)));
        b.stmt(Stmt::If { cond, then, otherwise: Block::default() });
    });
    b.stmt(Stmt::Loop { label, body });
    let function = b.done();
    let source = cuda(&function, SM80).unwrap();
    assert!(source.text.contains("if (!hidet_mbarrier_wait_unless(report, bar_, 0)) return;"), "{}", source.text);
    assert!(source.text.contains("if (hidet_faulted(report)) return;"), "{}", source.text);
    assert_eq!(source.sites.len(), 1);
    let text = source.sites[0].message.text(&[40], &[]);
    assert_eq!(text, "out of bounds: x[[40]] is outside of x, whose shape is [32]");
    compiles(&function);
}

#[test]
fn missing_features_of_an_architecture_are_reported_at_the_kernel() {
    let mut function = Build::new("k", 32).function;
    let refused = |function: &Function| cuda(function, Arch { number: 70, specific: false }).unwrap_err().to_string();
    let why = "kernel `k`: hidet needs a GPU of sm_75 or newer (Turing); this one is sm_70";
    assert_eq!(refused(&function), format!("{why}\n  --> kernel `k`"));
    function.place = Span { file: 0, line: 3, column: 5 };
    assert_eq!(refused(&function), format!("{why}\n  --> src/k.rs:3:5"));
    let wrong = "sm90".parse::<Arch>().unwrap_err().to_string();
    assert_eq!(wrong, "`sm90`: not an architecture name; expected e.g. `sm_80` or `sm_90a`");
}
