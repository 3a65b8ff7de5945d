//! The kernel around the statements: signature, memory, names, and the state while statements are written.

use super::expr::CppExpr;
use super::extent;
use super::inline::{self, ValueUses};
use super::memory::{self, Shared};
use super::names::{NameKind, Names};
use super::opaque::{self, Opaque};
use super::restrict::may_restrict;
use super::site::Message;
use super::writer::Writer;
use super::{KernelParam, Site, Source, fault, prelude, types};
use crate::error::Result;
use crate::intrinsics::{Effect, Meaning, Operand, Order};
use crate::ir::{
    Access, Arg, Block, Buffer, BufferId, Function, LoopId, MapId, Op, Param, Scope, SecondaryMap, Span, Stmt, ValueId,
    VarId, descriptor,
};
use crate::passes::{Exact, exact_arithmetic};
use hidet_mapping::IndexExpr;

/// Maximum length of an inline expression; longer ones get a line of their own.
const LONGEST: usize = 90;

/// Writes one kernel.
pub(super) struct Generator<'a> {
    pub(super) function: &'a Function,
    pub(super) names: Names,
    pub(super) out: Writer,
    pub(super) uses: ValueUses,
    pub(super) proved: Exact,
    pub(super) opaque: Opaque,
    values: SecondaryMap<ValueId, Option<CppExpr>>,
    /// Positions that are sums whose second part is never negative.
    pub(super) sums: SecondaryMap<ValueId, Option<[CppExpr; 2]>>,
    /// Numbers of `bf16` that are written inline, as `f32`.
    pub(super) widened: SecondaryMap<ValueId, Option<CppExpr>>,
    pub(super) vars: SecondaryMap<VarId, String>,
    pub(super) buffers: SecondaryMap<BufferId, String>,
    pub(super) maps: SecondaryMap<MapId, String>,
    pub(super) dims: Vec<String>,
    pub(super) loops: Vec<LoopFrame>,
    pub(super) report: Option<String>,
    /// The barrier of a cooperative grid.
    pub(super) grid_barrier: Option<String>,
    /// Threads may exit early after a fault, so that the others must not wait for them forever.
    pub(super) faults: bool,
    /// The mbarriers at which threads of other blocks arrive.
    pub(super) remote: SecondaryMap<BufferId, bool>,
    sites: Vec<Site>,
    span: Span,
}

/// A loop around the statement being written.
pub(super) struct LoopFrame {
    pub(super) id: LoopId,
    pub(super) next: String,
    pub(super) end: String,
    pub(super) next_used: bool,
    pub(super) end_used: bool,
}

/// A survey of a function: the buffers it uses, and whether it can report.
#[derive(Default)]
struct Survey {
    buffers: SecondaryMap<BufferId, bool>,
    /// It has a parameter for reports.
    reports: bool,
    /// Its threads may exit early after a fault.
    faults: bool,
    /// The mbarriers at which threads of other blocks arrive, which makes their accesses visible.
    remote: SecondaryMap<BufferId, bool>,
}

impl Survey {
    fn walk(&mut self, function: &Function, block: &Block) {
        for id in &block.0 {
            let stmt = &function.stmts[*id];
            let mut add = |buffer: &BufferId| self.buffers[*buffer] = true;
            match stmt {
                Stmt::Let { op: Op::Load { buffer, .. }, .. } | Stmt::Store { buffer, .. } => add(buffer),
                Stmt::Call { intrinsic, args, .. } => {
                    let row = intrinsic.row();
                    if row.peer.is_some() && row.meaning != Meaning::MbarrierArrive(Order::Relaxed) {
                        for (operand, arg) in row.operands.iter().zip(args) {
                            if let (Operand::Address { effect: Effect::Barrier, .. }, Arg::Address { buffer, .. }) =
                                (operand, arg)
                            {
                                self.remote[descriptor::owner(function, *buffer)] = true;
                            }
                        }
                    }
                    for arg in args {
                        if let Arg::Address { buffer, .. } = arg {
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
                Stmt::Check { .. } | Stmt::Align { .. } | Stmt::Assert { .. } => {
                    (self.reports, self.faults) = (true, true)
                }
                Stmt::Print { .. } => self.reports = true,
                _ => {}
            }
            for inner in stmt.blocks() {
                self.walk(function, inner);
            }
        }
    }
}

impl<'a> Generator<'a> {
    pub(super) fn new(function: &'a Function) -> Self {
        let proved = exact_arithmetic(function);
        Generator {
            function,
            names: Names::default(),
            out: Writer::default(),
            uses: inline::analyse(function),
            opaque: opaque::analyse(function, &proved),
            proved,
            values: SecondaryMap::new(),
            sums: SecondaryMap::new(),
            widened: SecondaryMap::new(),
            vars: SecondaryMap::new(),
            buffers: SecondaryMap::new(),
            maps: SecondaryMap::new(),
            dims: Vec::new(),
            loops: Vec::new(),
            report: None,
            grid_barrier: None,
            faults: false,
            remote: SecondaryMap::new(),
            sites: Vec::new(),
            span: Span::default(),
        }
    }

    /// Returns an error at the current statement.
    pub(super) fn error(&self, message: impl Into<String>) -> crate::Error {
        fault(self.function, self.span, message)
    }

    /// Writes the whole kernel.
    pub(super) fn run(mut self) -> Result<Source> {
        let function = self.function;
        let mut survey = Survey::default();
        survey.walk(function, &function.body);
        let shared = memory::plan(function);
        self.faults = survey.faults;
        self.remote = survey.remote;
        let entry = self.names.source(&function.name, NameKind::Kernel);
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
            kernel: function.name.clone(),
            entry,
            parameters,
            static_shared: shared.static_bytes,
            dynamic_shared: shared.dynamic_bytes.unwrap_or(IndexExpr::Const(0)),
            sites: self.sites,
            lines,
            files: function.files.clone(),
        })
    }

    fn signature(&mut self, entry: &str, reports: bool) -> Vec<KernelParam> {
        let function = self.function;
        let (mut text, mut parameters) = (Vec::new(), Vec::new());
        for param in &function.params {
            match param {
                Param::Tensor { buffer, access } => {
                    let Buffer { name, elem, entries, .. } = &function.buffers[*buffer];
                    let name = self.names.source(name, NameKind::Tensor);
                    if entries.is_some() {
                        // The table itself belongs to the launcher, so no thread writes it.
                        text.push(format!("const hidet_entry* __restrict__ {name}"));
                        self.buffers[*buffer] = name;
                        parameters.push(KernelParam::Tensor(*buffer));
                        continue;
                    }
                    let constant = if *access == Access::In { "const " } else { "" };
                    let promise = if may_restrict(function, *buffer, *access) { " __restrict__" } else { "" };
                    text.push(format!("{constant}{}*{promise} {name}", types::scalar(*elem)));
                    self.buffers[*buffer] = name;
                    parameters.push(KernelParam::Tensor(*buffer));
                }
                Param::Scalar { name, value } => {
                    let name = self.names.source(name, NameKind::Scalar);
                    text.push(format!("{} {name}", types::name(function.ty(*value))));
                    self.values[*value] = Some(CppExpr::atom(name));
                    parameters.push(KernelParam::Scalar(*value));
                }
            }
        }
        for (id, dim) in function.dims.iter() {
            let name = self.names.source(&dim.name, NameKind::Extent);
            text.push(format!("int {name}"));
            self.dims.push(name);
            parameters.push(KernelParam::Dim(id));
        }
        for (id, map) in function.maps.iter() {
            let name = self.names.source(&format!("{}_map", function.buffers[map.buffer].name), NameKind::Map);
            text.push(format!("const __grid_constant__ hidet_tensor_map {name}"));
            self.maps[id] = name;
            parameters.push(KernelParam::Map(id));
        }
        if reports {
            let name = self.names.own(NameKind::Report);
            text.push(format!("hidet_report* {name}"));
            self.report = Some(name);
            parameters.push(KernelParam::Report);
        }
        let launch = &function.launch;
        if launch.cooperative {
            let name = self.names.own(NameKind::GridBarrier);
            text.push(format!("unsigned* {name}"));
            self.grid_barrier = Some(name);
            parameters.push(KernelParam::GridBarrier);
        }
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
        for (id, buffer) in function.buffers.iter() {
            if let Some(rows) = buffer.entries.and_then(|entries| entries.rows).filter(|rows| used[*rows]) {
                let name = self.names.source(&function.buffers[rows].name, NameKind::Tensor);
                self.out.line(format!("const int* __restrict__ {name} = &{}->rows;", self.buffers[id]));
                self.buffers[rows] = name;
            }
        }
        for (id, buffer) in function.buffers.iter().filter(|(id, _)| used[*id]) {
            match buffer.scope {
                Scope::Global if self.buffers[id].is_empty() => {
                    return Err(self.error(format!("global buffer `{}` is not a parameter", buffer.name)));
                }
                Scope::Global => {}
                Scope::Shared => self.buffers[id] = self.names.source(&buffer.name, NameKind::Tile),
                Scope::Register => {
                    let name = self.names.source(&buffer.name, NameKind::Fragment);
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
        let dim = |extent: &IndexExpr| extent::text(extent, &dims).within(2);
        shared.declare(function, &mut self.names, &self.buffers, &dim, &mut self.out);
        Ok(())
    }

    /// Writes the statements of a block.
    pub(super) fn block(&mut self, block: &Block) -> Result<()> {
        for (at, id) in block.0.iter().enumerate() {
            self.span = self.function.spans[*id];
            self.out.at(self.span);
            self.pin_left_operands(&block.0[at..]);
            self.stmt(*id)?;
        }
        Ok(())
    }

    /// Returns the expression of a value.
    pub(super) fn value(&self, value: ValueId) -> Result<CppExpr> {
        self.values[value].clone().ok_or_else(|| self.error(format!("value {value} is used before it is defined")))
    }

    /// Defines a value: as a constant variable, or to be written inline at its use.
    pub(super) fn define(&mut self, value: ValueId, expr: CppExpr, always_inline: bool) {
        if always_inline || self.is_inline(value, &expr) {
            self.values[value] = Some(expr);
            return;
        }
        let name = self.name_value(value);
        self.out.line(format!("const {} {name} = {};", types::name(self.function.ty(value)), expr.text));
    }

    /// Returns true if the expression of a value is written at its only use.
    pub(super) fn is_inline(&self, value: ValueId, expr: &CppExpr) -> bool {
        self.uses.inline[value] && expr.text.len() <= LONGEST
    }

    /// Gives a value a name, by which it is then written.
    pub(super) fn name_value(&mut self, value: ValueId) -> String {
        self.name_like(value, NameKind::Value)
    }

    /// Gives a value a name, with another word for values that the source does not name.
    pub(super) fn name_like(&mut self, value: ValueId, word: NameKind) -> String {
        let name = self.names.source(&self.function.values[value].name, word);
        self.values[value] = Some(CppExpr::atom(name.clone()));
        name
    }

    /// Returns the text of an extent of a tensor.
    pub(super) fn extent(&self, extent: &IndexExpr) -> CppExpr {
        extent::text(extent, &self.dims)
    }

    /// Returns the number of a new site for a message.
    pub(super) fn site(&mut self, message: Message) -> usize {
        self.sites.push(Site { message, span: self.span });
        self.sites.len() - 1
    }
}
