//! Statements, and the kernel around them.

use super::expr::{self, Expr};
use super::inline::{self, Uses};
use super::memory::{self, Shared};
use super::names::Names;
use super::writer::Writer;
use super::{Parameter, Site, Source, fault, literal, prelude, types};
use crate::error::Result;
use crate::ir::{
    Access, BinaryOp, Block, Buffer, BufferId, Function, LoopId, MapId, Op, Param, Scope, SecondaryMap, Span, Special,
    Stmt, StmtId, Unroll, ValueId, VarId,
};
use crate::types::{Scalar, Type};
use hidet_mapping::{Arith, IndexExpr};

/// Longer expressions get a line of their own.
const LONGEST: usize = 90;

/// Writes one kernel.
pub(super) struct Generator<'a> {
    pub(super) function: &'a Function,
    pub(super) names: Names,
    pub(super) out: Writer,
    uses: Uses,
    values: SecondaryMap<ValueId, Option<Expr>>,
    pub(super) vars: SecondaryMap<VarId, String>,
    pub(super) buffers: SecondaryMap<BufferId, String>,
    pub(super) maps: SecondaryMap<MapId, String>,
    dims: Vec<String>,
    loops: Vec<LoopFrame>,
    pub(super) fault: Option<String>,
    /// Threads may end early, so the others must not wait for them for ever.
    pub(super) faults: bool,
    sites: Vec<Site>,
    span: Span,
}

/// A loop around the statement being written.
struct LoopFrame {
    id: LoopId,
    next: String,
    end: String,
    next_used: bool,
    end_used: bool,
}

/// Which buffers a function uses, and whether it can report.
#[derive(Default)]
struct Survey {
    buffers: SecondaryMap<BufferId, bool>,
    /// It has a fault record.
    reports: bool,
    /// It may end early with a fault.
    faults: bool,
}

impl Survey {
    fn walk(&mut self, function: &Function, block: &Block) {
        for id in &block.0 {
            let stmt = &function.stmts[*id];
            let mut add = |buffer: &BufferId| self.buffers[*buffer] = true;
            match stmt {
                Stmt::Let { op: Op::Load { buffer, .. }, .. } | Stmt::Store { buffer, .. } => add(buffer),
                Stmt::Call { args, .. } => {
                    for arg in args {
                        if let crate::ir::Arg::Address { buffer, .. } = arg {
                            add(buffer);
                        }
                    }
                }
                Stmt::Asm { operands, .. } => {
                    for operand in operands {
                        if let crate::ir::AsmOperand::Address { buffer, .. } = operand {
                            add(buffer);
                        }
                    }
                }
                Stmt::Check { .. } | Stmt::Assert { .. } => (self.reports, self.faults) = (true, true),
                Stmt::Print { .. } => self.reports = true,
                _ => {}
            }
            for inner in inline::blocks(stmt).into_iter().flatten() {
                self.walk(function, inner);
            }
        }
    }
}

impl<'a> Generator<'a> {
    pub(super) fn new(function: &'a Function) -> Self {
        Generator {
            function,
            names: Names::default(),
            out: Writer::default(),
            uses: inline::analyse(function),
            values: SecondaryMap::new(),
            vars: SecondaryMap::new(),
            buffers: SecondaryMap::new(),
            maps: SecondaryMap::new(),
            dims: Vec::new(),
            loops: Vec::new(),
            fault: None,
            faults: false,
            sites: Vec::new(),
            span: Span::default(),
        }
    }

    /// An error at the statement being written.
    pub(super) fn error(&self, message: impl Into<String>) -> crate::Error {
        fault(self.function, self.span, message)
    }

    /// The whole text.
    pub(super) fn run(mut self) -> Result<Source> {
        let function = self.function;
        let mut survey = Survey::default();
        survey.walk(function, &function.body);
        let shared = memory::plan(function, &survey.buffers)?;
        self.faults = survey.faults;
        let entry = self.names.unique(&function.name, "kernel");
        let parameters = self.signature(&entry, survey.reports);
        self.declare_memory(&shared, &survey.buffers)?;
        self.block(&function.body)?;
        self.out.at(Span::default());
        self.out.close("}");

        let head = prelude::for_text(&self.out.text);
        let mut lines = vec![Span::default(); head.lines().count()];
        lines.append(&mut self.out.spans);
        Ok(Source {
            text: head + &self.out.text,
            entry,
            parameters,
            static_shared: shared.static_bytes,
            dynamic_shared: shared.dynamic_bytes.unwrap_or(IndexExpr::Const(0)),
            sites: self.sites,
            lines,
            files: function.files.clone(),
        })
    }

    fn signature(&mut self, entry: &str, reports: bool) -> Vec<Parameter> {
        let function = self.function;
        let (mut text, mut parameters) = (Vec::new(), Vec::new());
        for param in &function.params {
            match param {
                Param::Tensor { buffer, access } => {
                    let Buffer { name, elem, .. } = &function.buffers[*buffer];
                    let name = self.names.unique(name, "tensor");
                    let constant = if *access == Access::In { "const " } else { "" };
                    text.push(format!("{constant}{}* __restrict__ {name}", types::scalar(*elem)));
                    self.buffers[*buffer] = name;
                    parameters.push(Parameter::Tensor(*buffer));
                }
                Param::Scalar { name, value } => {
                    let name = self.names.unique(name, "scalar");
                    text.push(format!("{} {name}", types::name(function.ty(*value))));
                    self.values[*value] = Some(Expr::atom(name));
                    parameters.push(Parameter::Scalar(*value));
                }
            }
        }
        for (id, dim) in function.dims.iter() {
            let name = self.names.unique(&dim.name, "dim");
            text.push(format!("int {name}"));
            self.dims.push(name);
            parameters.push(Parameter::Dim(id));
        }
        for (id, map) in function.maps.iter() {
            let name = self.names.unique(&format!("{}_map", function.buffers[map.buffer].name), "map");
            text.push(format!("const __grid_constant__ hidet_tensor_map {name}"));
            self.maps[id] = name;
            parameters.push(Parameter::Map(id));
        }
        if reports {
            let name = self.names.unique("fault", "fault");
            text.push(format!("hidet_fault_record* __restrict__ {name}"));
            self.fault = Some(name);
            parameters.push(Parameter::Fault);
        }
        let launch = &function.launch;
        let bounds = match launch.min_blocks {
            0 => launch.threads().to_string(),
            blocks => format!("{}, {blocks}", launch.threads()),
        };
        let cluster = match launch.cluster {
            [1, 1, 1] => String::new(),
            [x, y, z] => format!(" __cluster_dims__({x}, {y}, {z})"),
        };
        self.out.line(format!("extern \"C\" __global__ void __launch_bounds__({bounds}){cluster}"));
        self.out.open(format!("{entry}({}) {{", text.join(", ")));
        parameters
    }

    fn declare_memory(&mut self, shared: &Shared, used: &SecondaryMap<BufferId, bool>) -> Result<()> {
        let function = self.function;
        for (id, buffer) in function.buffers.iter().filter(|(id, _)| used[*id]) {
            match buffer.scope {
                Scope::Global if self.buffers[id].is_empty() => {
                    return Err(self.error(format!("global buffer `{}` is no parameter", buffer.name)));
                }
                Scope::Global => {}
                Scope::Shared => self.buffers[id] = self.names.unique(&buffer.name, "tile"),
                Scope::Register => {
                    let name = self.names.unique(&buffer.name, "frag");
                    let count = buffer.shape.iter().map(IndexExpr::as_const).product::<Option<i64>>();
                    let (Some(count), 1) = (count, buffer.shape.len()) else {
                        let message = "must have one axis of constant extent in the CUDA back end";
                        return Err(self.error(format!("register buffer `{}` {message}", buffer.name)));
                    };
                    self.out.line(format!("{} {name}[{}];", types::scalar(buffer.elem), count.max(1)));
                    self.buffers[id] = name;
                }
            }
        }
        let dims = self.dims.clone();
        let dim = |extent: &IndexExpr| extent.emit(&mut TextArith { dims: &dims }).within(2);
        shared.declare(function, &mut self.names, &self.buffers, &dim, &mut self.out);
        Ok(())
    }

    /// Writes the statements of a block.
    pub(super) fn block(&mut self, block: &Block) -> Result<()> {
        for id in &block.0 {
            self.span = self.function.spans[*id];
            self.out.at(self.span);
            self.stmt(*id)?;
        }
        Ok(())
    }

    /// The expression of a value.
    pub(super) fn value(&self, value: ValueId) -> Result<Expr> {
        self.values[value].clone().ok_or_else(|| self.error(format!("value {value} is used before it is defined")))
    }

    /// Brings a value into being: as a constant variable, or to be written at its use.
    pub(super) fn define(&mut self, value: ValueId, expr: Expr, always_inline: bool) {
        if always_inline || (self.uses.inline[value] && expr.text.len() <= LONGEST) {
            self.values[value] = Some(expr);
            return;
        }
        let name = self.name_value(value);
        self.out.line(format!("const {} {name} = {};", types::name(self.function.ty(value)), expr.text));
    }

    /// A name for a value, which is then written by that name.
    pub(super) fn name_value(&mut self, value: ValueId) -> String {
        self.name_like(value, "v")
    }

    fn name_like(&mut self, value: ValueId, fallback: &str) -> String {
        let name = self.names.unique(&self.function.values[value].name, fallback);
        self.values[value] = Some(Expr::atom(name.clone()));
        name
    }

    /// The text of an extent.
    pub(super) fn extent(&self, extent: &IndexExpr) -> Expr {
        extent.emit(&mut TextArith { dims: &self.dims })
    }

    /// A place at which a fault may be reported.
    pub(super) fn site(&mut self, message: String) -> usize {
        self.sites.push(Site { message, place: self.function.place_of(self.span) });
        self.sites.len() - 1
    }

    fn stmt(&mut self, id: StmtId) -> Result<()> {
        let function = self.function;
        match &function.stmts[id] {
            Stmt::Let { value, op } => self.let_stmt(*value, op)?,
            Stmt::Declare { var, init } => {
                let ty = function.vars[*var].ty;
                let name = self.names.unique(&function.vars[*var].name, "t");
                let init = init.map(|value| self.value(value)).transpose()?;
                let init = init.map_or_else(String::new, |init| format!(" = {}", init.text));
                self.vars[*var] = name.clone();
                self.out.line(format!("{} {name}{init};", types::name(ty)));
            }
            Stmt::Assign { var, value } => {
                let value = self.value(*value)?;
                self.out.line(format!("{} = {};", self.var(*var)?, value.text));
            }
            Stmt::Store { buffer, index, value, guard } => {
                let lanes = function.ty(*value).lanes;
                let value = self.value(*value)?;
                self.store(*buffer, index, lanes, &value, *guard)?;
            }
            Stmt::If { cond, then, otherwise } => {
                let cond = self.value(*cond)?;
                self.out.open(format!("if ({}) {{", cond.text));
                self.block(then)?;
                if !otherwise.0.is_empty() {
                    self.out.close("} else {");
                    self.out.open_again();
                    self.block(otherwise)?;
                }
                self.out.close("}");
            }
            Stmt::For { label, index, start, end, step, unroll, body } => {
                let (start, end, step) = (self.value(*start)?, self.value(*end)?, self.value(*step)?);
                match unroll {
                    Unroll::Auto => {}
                    Unroll::Never => self.out.line("#pragma unroll 1"),
                    Unroll::Full => self.out.line("#pragma unroll"),
                    Unroll::By(times) => self.out.line(format!("#pragma unroll {times}")),
                    Unroll::Explicit => return Err(self.error("an explicitly unrolled loop was not unrolled")),
                }
                let ty = types::name(function.ty(*index));
                let i = self.name_like(*index, "i");
                let end = end.within(3);
                let head = format!("for ({ty} {i} = {}; {i} < {end}; {i} += {}) {{", start.text, step.text);
                self.loop_body(*label, &head, body)?;
            }
            Stmt::Loop { label, body } => {
                let head = match &self.fault {
                    Some(fault) if self.faults => format!("while (!hidet_faulted({fault})) {{"),
                    _ => "while (true) {".to_owned(),
                };
                self.loop_body(*label, &head, body)?;
            }
            Stmt::Break(target) => self.jump(*target, true)?,
            Stmt::Continue(target) => self.jump(*target, false)?,
            Stmt::Return => self.out.line("return;"),
            Stmt::Call { intrinsic, args, result } => self.call(*intrinsic, args, *result)?,
            Stmt::Check { buffer, index, lanes } => self.check(*buffer, index, *lanes)?,
            Stmt::Assert { cond, message } => self.assert(*cond, message)?,
            Stmt::Print { pieces } => self.print(pieces)?,
            Stmt::Asm { template, operands } => self.asm(template, operands)?,
            Stmt::ForTask { .. } => return Err(self.error("a loop over a task mapping was not lowered")),
            Stmt::Group { .. } => return Err(self.error("a thread group was not lowered")),
        }
        Ok(())
    }

    /// The name of a variable.
    pub(super) fn var(&self, var: VarId) -> Result<&str> {
        let name = &self.vars[var];
        if name.is_empty() {
            Err(self.error(format!("variable {var} is used before it is declared")))
        } else {
            Ok(name)
        }
    }

    fn loop_body(&mut self, id: LoopId, head: &str, body: &Block) -> Result<()> {
        let base = self.function.loops[id].name.trim_start_matches('\'').to_owned();
        let mut label = |kind: &str| self.names.unique(&format!("{kind}_{base}"), kind);
        let (next, end) = (label("next"), label("end"));
        self.loops.push(LoopFrame { id, next: next.clone(), end: end.clone(), next_used: false, end_used: false });
        // A jump to the end of the body must not pass declarations of the body: those stand in a block of their own.
        let jumps = jumps_inside(self.function, body, id);
        self.out.open(head);
        if jumps {
            self.out.open("{");
        }
        self.block(body)?;
        let frame = self.loops.pop();
        if jumps {
            self.out.close("}");
            if frame.as_ref().is_some_and(|frame| frame.next_used) {
                self.out.line(format!("{next}:;"));
            }
        }
        self.out.close("}");
        if frame.is_some_and(|frame| frame.end_used) {
            self.out.line(format!("{end}:;"));
        }
        Ok(())
    }

    fn jump(&mut self, target: LoopId, leave: bool) -> Result<()> {
        let innermost = self.loops.last().is_some_and(|frame| frame.id == target);
        let Some(frame) = self.loops.iter_mut().find(|frame| frame.id == target) else {
            return Err(self.error(format!("a jump to loop {target}, which is not around it")));
        };
        let line = match (leave, innermost) {
            (true, true) => "break;".to_owned(),
            (false, true) => "continue;".to_owned(),
            (true, false) => {
                frame.end_used = true;
                format!("goto {};", frame.end)
            }
            (false, false) => {
                frame.next_used = true;
                format!("goto {};", frame.next)
            }
        };
        self.out.line(line);
        Ok(())
    }

    fn let_stmt(&mut self, value: ValueId, op: &Op) -> Result<()> {
        if self.uses.count[value] == 0 {
            return Ok(());
        }
        let ty = self.function.ty(value);
        let named = !self.function.values[value].name.is_empty();
        let (expr, always) = match op {
            Op::Const(constant) if ty.lanes == 1 => (Expr::atom(literal::constant(*constant)), true),
            Op::Const(constant) => {
                let lane = Expr::atom(literal::constant(*constant));
                (expr::vector(ty, &vec![lane; ty.lanes as usize]), false)
            }
            Op::Dim(dim) => {
                let name = self.dims.get(crate::ir::Handle::index(*dim));
                (Expr::atom(name.cloned().ok_or_else(|| self.error("unknown extent"))?), true)
            }
            Op::Special(special) => (self.special(*special), !named),
            Op::Read(var) => (Expr::atom(self.var(*var)?), false),
            Op::Load { buffer, index, guard } => (self.load(*buffer, index, ty, *guard)?, false),
            Op::Vector(lanes) => {
                let lanes = lanes.iter().map(|lane| self.value(*lane)).collect::<Result<Vec<_>>>()?;
                (expr::vector(ty, &lanes), false)
            }
            Op::Extract(vector, lane) => (Expr::atom(format!("{}[{lane}]", self.value(*vector)?.within(0))), false),
            Op::Bitcast(from) => {
                (Expr::atom(format!("bitcast<{}>({})", types::name(ty), self.value(*from)?.text)), false)
            }
            Op::Select(c, a, b) => (expr::select(&self.value(*c)?, &self.value(*a)?, &self.value(*b)?), false),
            op => (self.lanewise(value, ty, op)?, false),
        };
        self.define(value, expr, always);
        Ok(())
    }

    /// An operation that works lane by lane.
    fn lanewise(&self, value: ValueId, ty: Type, op: &Op) -> Result<Expr> {
        if ty.lanes == 1 {
            return self.scalar_op(value, ty.scalar, op, None);
        }
        if let Some((name, operands)) = packed(ty, op) {
            let operands = operands.into_iter().map(|operand| Ok(self.value(operand)?.text));
            return Ok(Expr::atom(format!("{name}({})", operands.collect::<Result<Vec<_>>>()?.join(", "))));
        }
        let lanes = (0..ty.lanes).map(|lane| self.scalar_op(value, ty.scalar, op, Some(lane)));
        Ok(expr::vector(ty, &lanes.collect::<Result<Vec<_>>>()?))
    }

    fn scalar_op(&self, value: ValueId, to: Scalar, op: &Op, lane: Option<u8>) -> Result<Expr> {
        let get = |operand: ValueId| -> Result<Expr> {
            let expr = self.value(operand)?;
            Ok(match lane {
                Some(lane) if self.function.ty(operand).lanes > 1 => Expr::atom(format!("{}[{lane}]", expr.within(0))),
                _ => expr,
            })
        };
        let from = |operand: &ValueId| self.function.ty(*operand).scalar;
        let expr = match op {
            Op::Unary(unary, a) => expr::unary(*unary, from(a), &get(*a)?),
            Op::Binary(binary, a, b) => expr::binary(*binary, from(a), &get(*a)?, &get(*b)?, self.uses.index[value]),
            Op::Compare(compare, a, b) => expr::compare(*compare, from(a), &get(*a)?, &get(*b)?),
            Op::Fma(a, b, c) => expr::fma(from(a), &get(*a)?, &get(*b)?, &get(*c)?),
            Op::Cast(a) => Some(expr::convert(from(a), to, &get(*a)?)),
            _ => None,
        };
        expr.ok_or_else(|| {
            let name = match op {
                Op::Unary(unary, a) => format!("`{}` of `{}`", unary.name(), from(a)),
                Op::Binary(binary, a, _) => format!("`{}` of `{}`", binary.name(), from(a)),
                Op::Compare(compare, a, _) => format!("`{}` of `{}`", compare.name(), from(a)),
                op => format!("{op:?}"),
            };
            self.error(format!("{name} has no CUDA text; cast the operands to another type"))
        })
    }

    fn special(&self, special: Special) -> Expr {
        use Special::*;
        let [x, y, z] = self.function.launch.block;
        let thread = |axis: &str, extent: u32| {
            Expr::atom(if extent == 1 { "0".to_owned() } else { format!("int(threadIdx.{axis})") })
        };
        let linear = match (x, y, z) {
            (_, 1, 1) => "threadIdx.x".to_owned(),
            (x, _, 1) => format!("threadIdx.x + threadIdx.y * {x}"),
            (x, y, _) => format!("threadIdx.x + threadIdx.y * {x} + threadIdx.z * {}", x * y),
        };
        let part = |operator: &str| match (x, y, z) {
            (_, 1, 1) => Expr::atom(format!("int({linear} {operator})")),
            _ => Expr::atom(format!("int(({linear}) {operator})")),
        };
        let clusters = self.function.launch.cluster;
        match special {
            ThreadX => thread("x", x),
            ThreadY => thread("y", y),
            ThreadZ => thread("z", z),
            BlockX => Expr::atom("int(blockIdx.x)"),
            BlockY => Expr::atom("int(blockIdx.y)"),
            BlockZ => Expr::atom("int(blockIdx.z)"),
            BlockDimX => Expr::atom(x.to_string()),
            BlockDimY => Expr::atom(y.to_string()),
            BlockDimZ => Expr::atom(z.to_string()),
            GridX => Expr::atom("int(gridDim.x)"),
            GridY => Expr::atom("int(gridDim.y)"),
            GridZ => Expr::atom("int(gridDim.z)"),
            Thread => Expr::atom(format!("int({linear})")),
            Lane => part("% 32"),
            Warp => part("/ 32"),
            ClusterRank if clusters == [1; 3] => Expr::atom("0"),
            ClusterRank => Expr::atom("hidet_cluster_rank()"),
            ClusterSize => Expr::atom(clusters.iter().product::<u32>().to_string()),
        }
    }
}

/// The helper that works on all lanes of a vector of small floats, with its operands.
fn packed(ty: Type, op: &Op) -> Option<(String, Vec<ValueId>)> {
    use BinaryOp::{Add, Mul, Sub};
    let (name, operands) = match op {
        Op::Binary(op @ (Add | Sub | Mul), a, b) => (op.name(), vec![*a, *b]),
        Op::Fma(a, b, c) => ("fma", vec![*a, *b, *c]),
        _ => return None,
    };
    matches!(ty.scalar, Scalar::F16 | Scalar::BF16).then(|| (format!("{}_{name}_packed", ty.scalar), operands))
}

/// Whether a jump to the end of the loop's body comes from a loop inside of it.
fn jumps_inside(function: &Function, block: &Block, target: LoopId) -> bool {
    fn walk(function: &Function, block: &Block, target: LoopId, nested: bool) -> bool {
        block.0.iter().any(|id| {
            let stmt = &function.stmts[*id];
            let nested_here = nested || matches!(stmt, Stmt::For { .. } | Stmt::Loop { .. } | Stmt::ForTask { .. });
            matches!(stmt, Stmt::Continue(to) if *to == target && nested)
                || inline::blocks(stmt).into_iter().flatten().any(|inner| walk(function, inner, target, nested_here))
        })
    }
    walk(function, block, target, false)
}

/// Writes extents as C++.
struct TextArith<'a> {
    dims: &'a [String],
}

impl TextArith<'_> {
    fn infix(a: &Expr, operator: &str, b: &Expr) -> Expr {
        Expr { text: format!("{} {operator} {}", a.within(0), b.within(0)), level: 5 }
    }
}

impl Arith for TextArith<'_> {
    type Int = Expr;

    fn constant(&mut self, value: i64) -> Expr {
        Expr::atom(value.to_string())
    }
    fn symbol(&mut self, symbol: u32) -> Expr {
        // An unknown symbol does not compile.
        Expr::atom(self.dims.get(symbol as usize).cloned().unwrap_or_else(|| format!("unknown_dim_{symbol}")))
    }
    fn add(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "+", b)
    }
    fn sub(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "-", b)
    }
    fn mul(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "*", b)
    }
    fn div(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "/", b)
    }
    fn rem(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "%", b)
    }
    fn xor(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "^", b)
    }
    fn and(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "&", b)
    }
    fn min(&mut self, a: &Expr, b: &Expr) -> Expr {
        Expr::atom(format!("min({}, {})", a.text, b.text))
    }
    fn max(&mut self, a: &Expr, b: &Expr) -> Expr {
        Expr::atom(format!("max({}, {})", a.text, b.text))
    }
}
