//! Tests: every row of the intrinsics table, and every operation on every type, through NVRTC.

use super::tests::Build;
use super::*;
use crate::cuda::nvrtc;
use crate::intrinsics::matrix::Form;
use crate::intrinsics::{Intrinsic, Meaning, Operand, ResultRule, Space, TypeRule};
use crate::ir::*;
use crate::types::{Scalar, Type};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Returns a function with every operation that a type has.
fn operations(scalar: Scalar) -> Function {
    let mut b = Build::new("k", 128);
    let x = b.tensor("x", Access::In, scalar, 4096);
    let mut at = 0;
    let mut keep = |b: &mut Build, value: ValueId| {
        let ty = b.function.ty(value).scalar;
        let out = b.tensor("y", Access::Out, ty, 64);
        let index = b.int(at);
        at = (at + 1) % 64;
        b.store(out, index, value);
    };
    let index = b.op(Scalar::I32, Op::Special(Special::Thread));
    let (p, q) = (b.load(x, index), b.load(x, index));
    let float = scalar.is_float();
    for to in Scalar::ALL {
        let value = b.op(to, Op::Cast(p));
        keep(&mut b, value);
    }
    for op in UnaryOp::ALL.iter().copied().filter(|_| scalar.has_arithmetic()) {
        let value = match op {
            UnaryOp::Not if float => continue,
            UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::IsFinite if float => b.op(Type::BOOL, Op::Unary(op, p)),
            UnaryOp::Neg | UnaryOp::Not | UnaryOp::Abs => b.op(scalar, Op::Unary(op, p)),
            _ if !float => continue,
            op => b.op(scalar, Op::Unary(op, p)),
        };
        keep(&mut b, value);
    }
    for op in BinaryOp::ALL.iter().copied() {
        use BinaryOp::*;
        let bits = matches!(op, And | Or | Xor);
        let fits = match scalar {
            Scalar::Bool => bits,
            scalar if !scalar.has_arithmetic() => false,
            _ if float => !bits && !matches!(op, Shl | Shr),
            _ => !matches!(op, Pow | Atan2),
        };
        if fits {
            let value = b.op(scalar, Op::Binary(op, p, q));
            keep(&mut b, value);
            if scalar != Scalar::Bool {
                let vector = Type::vector(scalar, 4);
                let many = b.op(vector, Op::Vector(vec![p, q, p, q]));
                let value = b.op(vector, Op::Binary(op, many, many));
                let value = b.op(scalar, Op::Extract(value, 3));
                keep(&mut b, value);
            }
        }
    }
    if scalar.has_arithmetic() {
        for op in CompareOp::ALL {
            let value = b.op(Type::BOOL, Op::Compare(*op, p, q));
            let value = b.op(scalar, Op::Select(value, p, q));
            keep(&mut b, value);
        }
    }
    if scalar.has_arithmetic() && float {
        let value = b.op(scalar, Op::Fma(p, q, p));
        keep(&mut b, value);
        let vector = Type::vector(scalar, 4);
        let many = b.op(vector, Op::Vector(vec![p, q, p, q]));
        let value = b.op(vector, Op::Fma(many, many, many));
        let value = b.op(scalar, Op::Extract(value, 3));
        keep(&mut b, value);
    }
    let bits = [Scalar::U8, Scalar::U16, Scalar::U32, Scalar::U64][scalar.bytes().ilog2() as usize];
    let value = b.op(bits, Op::Bitcast(p));
    keep(&mut b, value);
    for bits in [0u64, 1, 0x7e, 0x8000, 0x7f80_0000, u64::MAX, 1 << 63] {
        let bits = if scalar == Scalar::Bool { bits & 1 } else { bits & (u64::MAX >> (64 - 8 * scalar.bytes())) };
        let value = b.op(scalar, Op::Const(crate::types::Const { scalar, bits }));
        keep(&mut b, value);
    }
    b.stmt(Stmt::Print {
        pieces: vec![
            PrintPiece::Text("100% \"sure\" ".to_owned()),
            PrintPiece::Value { value: p, format: Format::default() },
            PrintPiece::Value { value: q, format: Format::parse(".3").unwrap() },
        ],
    });
    b.done()
}

#[test]
fn every_operation_on_every_type_compiles_for_every_architecture() {
    if no_nvrtc() {
        return;
    }
    let all: Vec<(Scalar, Arch)> =
        Scalar::ALL.into_iter().flat_map(|scalar| Arch::TESTED.into_iter().map(move |arch| (scalar, arch))).collect();
    let failures: Vec<String> =
        all.par_iter().filter_map(|(scalar, arch)| compile(&operations(*scalar), *arch).err()).collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(3)].join("\n\n"));
}

/// Returns true if NVRTC is missing, so that the test is skipped; panics on CI.
fn no_nvrtc() -> bool {
    match nvrtc::version() {
        Ok(_) => false,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error}");
            eprintln!("skipped: {error}");
            true
        }
    }
}

/// Returns the types that a rule allows.
fn allowed(rule: TypeRule) -> Vec<Type> {
    match rule {
        TypeRule::Is(ty) => vec![ty],
        TypeRule::OneOf(scalars) => scalars.iter().map(|scalar| Type::from(*scalar)).collect(),
        TypeRule::SameAs(_) => Vec::new(),
    }
}

/// An intrinsic with one choice of its type and of its memory.
type Instance = (Intrinsic, Type, Space);

/// Returns a function that calls intrinsics one after the other. It only needs to compile.
fn calls(instances: &[Instance]) -> Function {
    let mut b = Build::new("k", 128);
    b.function.launch.min_blocks = 1;
    b.function.launch.cooperative = instances.iter().any(|(row, ..)| row.row().meaning == Meaning::GridSync);
    let out = b.tensor("out", Access::InOut, Scalar::F32, 1 << 20);
    for (intrinsic, choice, space) in instances {
        call(&mut b, out, *intrinsic, *choice, *space);
    }
    b.done()
}

fn call(b: &mut Build, out: BufferId, intrinsic: Intrinsic, choice: Type, space: Space) {
    let row = intrinsic.row();
    let map_rank = row.name.split('.').find_map(|word| word.strip_suffix('d')?.parse::<usize>().ok()).unwrap_or(2);
    let mut types: Vec<Type> = Vec::new();
    let mut args = Vec::new();
    for operand in &row.operands {
        let of = |rule: TypeRule, types: &[Type]| match rule {
            TypeRule::Is(ty) => ty,
            TypeRule::OneOf(_) => choice,
            TypeRule::SameAs(index) => types[index as usize],
        };
        let index = b.op(Scalar::I32, Op::Special(Special::ThreadX));
        let (arg, ty) = match operand {
            Operand::Value(rule) => {
                let ty = of(*rule, &types);
                let loaded = b.load(out, index);
                (Arg::Value(b.op(ty, Op::Cast(loaded))), ty)
            }
            Operand::Imm { least, .. } => (Arg::Imm(*least), Type::I32),
            Operand::Map => {
                let source = b.tensor("source", Access::InOut, Scalar::F16, 1 << 20);
                let mut tile = vec![1; map_rank];
                tile[map_rank - 1] = 64;
                let axis = MapAxis { extent: (1 << 20).into(), stride: 1.into(), step: 1 };
                let map = TensorMap {
                    buffer: source,
                    offset: 0.into(),
                    axes: vec![axis; map_rank],
                    tile,
                    im2col: None,
                    swizzle: Swizzle::B128,
                };
                (Arg::Map(b.function.maps.push(map)), Type::I32)
            }
            Operand::Address { space: allowed, elem, count, .. } => {
                let ty = of(*elem, &types);
                let (scope, extent) = match (allowed, space) {
                    (Space::Register, _) => (Scope::Register, *count),
                    (Space::Shared, _) | (Space::GlobalOrShared, Space::Shared) => (Scope::Shared, 4096),
                    _ => (Scope::Global, 4096),
                };
                let index = if scope == Scope::Register { b.int(0) } else { index };
                let buffer = match scope {
                    Scope::Global => b.tensor("buf", Access::InOut, ty.scalar, extent as usize),
                    scope => b.buffer("buf", scope, ty.scalar, extent as usize),
                };
                if scope == Scope::Register {
                    for position in 0..extent {
                        let at = b.int(i64::from(position));
                        let loaded = b.load(out, at);
                        let value = b.op(ty, Op::Cast(loaded));
                        b.store(buffer, at, value);
                    }
                }
                (Arg::Address { buffer, index: vec![index] }, ty)
            }
        };
        args.push(arg);
        types.push(ty);
    }
    let form = Form { mn_major: false, span: 128, leading: 16, stride: 1024 };
    for (_, place) in descriptor::shared_operands(row.meaning, &row.operands) {
        args[place] = Arg::Imm(form.encode());
    }
    let result = match row.result {
        ResultRule::None => None,
        ResultRule::Is(ty) => Some(ty),
        ResultRule::SameAs(index) => Some(types[index as usize]),
    };
    let result = result.map(|ty| b.function.new_value(ty, ""));
    let asynchronous = row.name.starts_with("wgmma.m64");
    if asynchronous {
        b.call("wgmma.fence", vec![]);
    }
    b.stmt(Stmt::Call { intrinsic, args: args.clone(), result });
    if asynchronous {
        b.call("wgmma.commit", vec![]);
        b.call("wgmma.wait", vec![Arg::Imm(0)]);
    }
    let at = b.int(0);
    if let Some(value) = result {
        let value = b.op(Scalar::F32, Op::Cast(value));
        b.store(out, at, value);
    }
    // Registers must be used, or the compiler removes the instruction.
    for (operand, arg) in row.operands.iter().zip(&args) {
        if let (Operand::Address { space: Space::Register, count, .. }, Arg::Address { buffer, .. }) = (operand, arg) {
            for position in 0..*count {
                let at = b.int(i64::from(position));
                let value = b.load(*buffer, at);
                let value = b.op(Scalar::F32, Op::Cast(value));
                b.store(out, at, value);
            }
        }
    }
}

/// Returns the instances of a row that are worth compiling: each type of the first choice, in each memory.
fn instances(intrinsic: Intrinsic) -> Vec<Instance> {
    let row = intrinsic.row();
    let rules = row.operands.iter().filter_map(|operand| match operand {
        Operand::Value(rule) | Operand::Address { elem: rule, .. } => Some(*rule),
        _ => None,
    });
    let choices = rules.clone().find(|rule| matches!(rule, TypeRule::OneOf(_))).map_or(vec![Type::I32], allowed);
    let both = |operand: &Operand| matches!(operand, Operand::Address { space: Space::GlobalOrShared, .. });
    let spaces = if row.operands.iter().any(both) { vec![Space::Global, Space::Shared] } else { vec![Space::Global] };
    choices.iter().flat_map(|choice| spaces.iter().map(move |space| (intrinsic, *choice, *space))).collect()
}

fn compile(function: &Function, arch: Arch) -> Result<(), String> {
    let source = cuda(function, arch).map_err(|error| error.to_string())?;
    let cubin = nvrtc::compile(&source, arch).map_err(|error| format!("{error}\n{}", source.text))?;
    if cubin.usage.losses.is_empty() { Ok(()) } else { Err(format!("{:?}\n{}", cubin.usage.losses, source.text)) }
}

/// Compiles every instance of the rows, `batch` at once, for every architecture that has them (`all`) or only for the
/// lowest.
fn sweep(rows: impl Fn(&str) -> bool, batch: usize, all: bool) {
    if no_nvrtc() {
        return;
    }
    // Rows that exist on the same architectures form a group.
    let mut groups: BTreeMap<((u32, bool), Option<u32>), Vec<Instance>> = BTreeMap::new();
    for intrinsic in Intrinsic::all().filter(|intrinsic| rows(&intrinsic.row().name)) {
        let row = intrinsic.row();
        groups.entry((row.min_arch, row.max_arch)).or_default().extend(instances(intrinsic));
    }
    assert!(!groups.is_empty());
    let functions: Vec<Function> = groups.values().flat_map(|group| group.chunks(batch).map(calls)).collect();
    let failures: Vec<String> = functions
        .par_iter()
        .flat_map_iter(|function| {
            let archs = archs(function);
            assert!(!archs.is_empty(), "no architecture has {}", function.name);
            let count = if all { archs.len() } else { 1 };
            archs[..count].iter().filter_map(|arch| compile(function, *arch).err()).collect::<Vec<_>>()
        })
        .collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(3)].join("\n\n"));
}

#[test]
fn basic_intrinsics_compile_for_every_architecture_they_claim() {
    let others = ["wgmma.m64", "mma.", "ldmatrix", "stmatrix", "atomic.", "load.", "store.", "red."];
    sweep(|name| !others.iter().any(|other| name.starts_with(other)), 16, true);
}

#[test]
fn atomics_and_vectors_compile() {
    sweep(|name| ["atomic.", "load.", "store.", "red."].iter().any(|start| name.starts_with(start)), 48, false);
}

#[test]
fn tensor_core_intrinsics_of_a_warp_compile_for_every_architecture_they_claim() {
    sweep(|name| ["mma.", "ldmatrix", "stmatrix"].iter().any(|start| name.starts_with(start)), 8, true);
}

#[test]
fn wgmma_compiles() {
    // There are a thousand shapes: each type is tested with the shortest, some middle and the longest n.
    let some = |name: &str| ["n8k", "n24k", "n128k", "n256k"].iter().any(|n| name.contains(n));
    sweep(|name| name.starts_with("wgmma.m64") && some(name), 1, false);
}
