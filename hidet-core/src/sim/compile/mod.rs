//! Compiles a function, at any stage of lowering, to a [`Bytecode`] for one launch.
//!
//! Constructs that the passes lower are compiled directly here: task mappings from their definition, layouts by a
//! separate formula, guards as masks. So this is an independent definition of their meaning, against which the passes
//! are tested.

mod access;
mod call;
mod control;
mod entries;
mod index;
mod layout;
mod liveness;
mod operation;
mod registers;
mod task;
mod uniform;

pub(super) use index::layout_size;

use crate::ir::{
    Block, BufferId, Entries, Function, Handle, Param, Scope, SharedMemory, Span, StmtId, TensorMapShape, ValueId,
    VarId, descriptor,
};
use crate::sim::bytecode::{Bytecode, IndexCheck, Inst, MemoryBase, Print, SourceSite, Src, slot};
use crate::sim::memory::tiles::BoxMap;
use crate::types::{Const, Scalar, Type};
use control::Targets;
use liveness::Liveness;
use registers::{RegisterAllocator, RegisterBlock};
use std::collections::{BTreeMap, HashMap};
use uniform::Uniformity;

/// The values that a launch fixes.
pub struct Fixed<'a> {
    /// The value of each dim.
    pub dims: &'a [i64],
    /// The scalar arguments in order.
    pub scalars: &'a [Const],
    /// For each table of tensors in order, the number of elements of its entries.
    pub tables: &'a [Vec<u64>],
    pub grid: [u32; 3],
    /// True if the coordinates of accesses that are not lowered are checked against the shape.
    pub check_shape: bool,
}

/// The location of a value, and its type. The parts of a vector are consecutive.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypedSrc {
    src: Src,
    ty: Type,
}

impl TypedSrc {
    /// Returns the location of part `index`.
    fn part(self, index: u32) -> Src {
        let rows = if self.src.is_uniform() { 1 } else { rows(self.ty.scalar) };
        self.src.plus(index * rows)
    }
}

/// Returns the number of rows of a value of the type.
pub(super) fn rows(scalar: Scalar) -> u32 {
    if scalar.bytes() == 8 { 2 } else { 1 }
}

/// The reason why a function cannot be compiled, and where.
pub struct Refusal {
    pub message: String,
    pub span: Span,
}

type Result<T> = std::result::Result<T, Refusal>;

pub(super) struct Compiler<'a> {
    function: &'a Function,
    fixed: &'a Fixed<'a>,
    uniform: Uniformity,
    liveness: Liveness,
    rows: RegisterAllocator,
    slots: RegisterAllocator,
    program: Bytecode,
    /// Trees, since most kernels have a few constants and places only: looking among these is quicker than hashing.
    constants: BTreeMap<u64, u32>,
    site_numbers: BTreeMap<(Span, Option<BufferId>, &'static str, StmtId), u32>,
    values: Vec<Option<TypedSrc>>,
    vars: Vec<Option<TypedSrc>>,
    places: Vec<Option<(MemoryBase, u64)>>,
    /// By table of tensors: the number of elements of its entries.
    tables: HashMap<BufferId, &'a [u64]>,
    targets: Targets,
    /// The block being compiled.
    current: Option<&'a Block>,
    /// By value: the registers that it owns.
    owned: Vec<Option<(Src, RegisterBlock)>>,
    /// Registers that are released after the statement.
    temps: Vec<(Src, RegisterBlock)>,
    /// The statement being compiled.
    at: StmtId,
    /// Operations of the IR since the last [`Inst::Count`].
    pending: u32,
}

/// Compiles the function, or returns an error with the statement that cannot be compiled.
pub fn compile<'a>(function: &'a Function, fixed: &'a Fixed<'a>) -> Result<Bytecode> {
    let mut compiler = Compiler {
        function,
        fixed,
        uniform: Uniformity::of(function, function.launch.block),
        liveness: Liveness::of(function),
        rows: RegisterAllocator::starting_at(slot::FIRST_FREE_ROW),
        slots: RegisterAllocator::starting_at(slot::FIRST_FREE),
        program: Bytecode {
            code: Vec::new(),
            consts: vec![0],
            rows: 0,
            slots: 0,
            sites: Vec::new(),
            accesses: Vec::new(),
            entries: Vec::new(),
            checks: Vec::new(),
            calls: Vec::new(),
            prints: Vec::new(),
            messages: Vec::new(),
            maps: Vec::new(),
            shared_bytes: 0,
            shared_granule: 16,
            grid: fixed.grid,
            block: function.launch.block,
            cluster: function.launch.cluster.map(|extent| extent.max(1)),
            clustered: function.launch.cluster.iter().any(|extent| *extent > 1),
            cooperative: function.launch.cooperative,
            communicates: function.launch.cooperative,
            has_products: false,
        },
        constants: BTreeMap::from([(0, 0)]),
        site_numbers: BTreeMap::new(),
        values: vec![None; function.values.len()],
        vars: vec![None; function.vars.len()],
        places: vec![None; function.buffers.len()],
        tables: HashMap::new(),
        targets: Targets::default(),
        current: None,
        owned: vec![None; function.values.len()],
        temps: Vec::new(),
        at: StmtId::new(0),
        pending: 0,
    };
    compiler.parameters()?;
    compiler.memory()?;
    compiler.maps()?;
    compiler.block(&function.body)?;
    compiler.flush();
    let site = compiler.end_site();
    compiler.emit(Inst::Exit { site });
    compiler.resolve();
    compiler.program.rows = compiler.rows.count();
    compiler.program.slots = compiler.slots.count();
    Ok(compiler.program)
}

impl<'a> Compiler<'a> {
    fn parameters(&mut self) -> Result<()> {
        let mut tensors = 0;
        let mut scalars = self.fixed.scalars.iter();
        let mut tables = self.fixed.tables.iter();
        for param in &self.function.params {
            match param {
                Param::Tensor { buffer, .. } => {
                    let size = self.layout_size(*buffer)?;
                    self.places[buffer.index()] = Some((MemoryBase::Global(tensors), size));
                    if let Some(Entries { rows }) = self.function.buffers[*buffer].entries {
                        let entries = tables.next().map_or(&[][..], Vec::as_slice);
                        self.tables.insert(*buffer, entries);
                        tensors += entries.len() as u32;
                        if let Some(rows) = rows {
                            let size = self.layout_size(rows)?;
                            self.places[rows.index()] = Some((MemoryBase::Global(tensors), size));
                        }
                    }
                    tensors += 1;
                }
                Param::Scalar { value, .. } => {
                    let ty = self.function.ty(*value);
                    let bits = scalars.next().map_or(0, |scalar| scalar.bits);
                    let src = self.constant(bits);
                    self.values[value.index()] = Some(TypedSrc { src, ty });
                }
            }
        }
        Ok(())
    }

    /// Allocates every buffer in shared and register memory.
    fn memory(&mut self) -> Result<()> {
        let shared = SharedMemory::of(self.function);
        let mut bytes = 0u64;
        let buffers = &self.function.buffers;
        for (id, buffer) in buffers.iter() {
            if buffer.scope == Scope::Global || self.places[id.index()].is_some() {
                continue;
            }
            let size = self.layout_size(id)?;
            let too_large =
                || self.refuse(format!("`{}` is too large for {} memory", buffer.name, buffer.scope.name()));
            if size > 1 << 24 {
                return Err(too_large());
            }
            let place = match buffer.scope {
                Scope::Shared => {
                    let owner = descriptor::owner(self.function, id);
                    let area = shared.areas.iter().find(|area| area.owner == owner);
                    let at = area.map_or(Ok(0), |area| area.offset.eval(self.fixed.dims));
                    let at =
                        at.map_err(|why| self.refuse(format!("offset of `{}`: {why}", buffer.name)))?.max(0) as u64;
                    bytes = bytes.max(at.saturating_add(size * buffer.elem.bytes() as u64));
                    if bytes > 1 << 24 {
                        return Err(too_large());
                    }
                    MemoryBase::Shared(at as u32)
                }
                _ => {
                    MemoryBase::Register(self.rows.take(RegisterBlock { values: size as u32, each: rows(buffer.elem) }))
                }
            };
            self.places[id.index()] = Some((place, size));
        }
        self.program.shared_bytes = bytes as u32;
        Ok(())
    }

    /// Creates the tensor maps that the launcher would create on a GPU.
    fn maps(&mut self) -> Result<()> {
        for id in self.function.maps.handles() {
            let buffer = self.function.maps[id].buffer;
            let name = &self.function.buffers[buffer].name;
            let fail = |why| self.refuse(format!("argument `{name}`, which is copied by a tensor map: {why}"));
            let shape = TensorMapShape::of(self.function, id, self.fixed.dims).map_err(fail)?;
            let (MemoryBase::Global(tensor), _) = self.place(buffer)? else {
                return Err(fail("is not a tensor parameter".to_owned()));
            };
            self.program.maps.push(BoxMap { shape, tensor, buffer });
        }
        Ok(())
    }

    fn refuse(&self, message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), span: self.span() }
    }

    fn span(&self) -> Span {
        if self.at.index() < self.function.stmts.len() { self.function.spans[self.at] } else { Span::default() }
    }

    fn emit(&mut self, inst: Inst) {
        self.program.code.push(inst);
    }

    fn here(&self) -> u32 {
        self.program.code.len() as u32
    }

    /// Emits the count of the operations so far; called before control flow can branch.
    fn flush(&mut self) {
        if self.pending > 0 {
            let operations = std::mem::take(&mut self.pending);
            self.emit(Inst::Count { operations });
        }
    }

    fn site(&mut self, buffer: Option<BufferId>, verb: &'static str) -> u32 {
        let span = self.span();
        // Copies of a statement from unrolling share their site; without positions each copy has its own.
        let stmt = if span.line > 0 { StmtId::new(0) } else { self.at };
        let sites = &mut self.program.sites;
        *self.site_numbers.entry((span, buffer, verb, stmt)).or_insert_with(|| {
            sites.push(SourceSite { span, verb });
            sites.len() as u32 - 1
        })
    }

    fn end_site(&mut self) -> u32 {
        let last = self.function.body.0.last();
        let span = last.map_or(Span::default(), |stmt| self.function.spans[*stmt]);
        self.program.sites.push(SourceSite { span, verb: "ends" });
        self.program.sites.len() as u32 - 1
    }

    fn constant(&mut self, bits: u64) -> Src {
        let consts = &mut self.program.consts;
        Src::constant(*self.constants.entry(bits).or_insert_with(|| {
            consts.push(bits);
            consts.len() as u32 - 1
        }))
    }

    fn constant_of(&self, src: Src) -> Option<u64> {
        match src.loc() {
            crate::sim::bytecode::Loc::Const(index) => self.program.consts.get(index as usize).copied(),
            _ => None,
        }
    }

    /// Allocates registers for `parts` values of the type.
    fn fresh(&mut self, uniform: bool, scalar: Scalar, parts: u32) -> (Src, RegisterBlock) {
        let block = RegisterBlock { values: parts, each: if uniform { 1 } else { rows(scalar) } };
        (if uniform { Src::scalar(self.slots.take(block)) } else { Src::row(self.rows.take(block)) }, block)
    }

    /// Allocates registers that are released after the statement.
    fn temp(&mut self, uniform: bool, scalar: Scalar, parts: u32) -> Src {
        let taken = self.fresh(uniform, scalar, parts);
        self.temps.push(taken);
        taken.0
    }

    fn release(&mut self, (src, block): (Src, RegisterBlock)) {
        match src.loc() {
            crate::sim::bytecode::Loc::Row(row) => self.rows.release(row, block),
            crate::sim::bytecode::Loc::Scalar(slot) => self.slots.release(slot, block),
            crate::sim::bytecode::Loc::Const(_) => {}
        }
    }

    /// Returns the block of registers that an operand takes.
    fn block_of(&self, operand: TypedSrc) -> RegisterBlock {
        let each = if operand.src.is_uniform() { 1 } else { rows(operand.ty.scalar) };
        RegisterBlock { values: operand.ty.lanes as u32, each }
    }

    fn value(&self, value: ValueId) -> Result<TypedSrc> {
        match self.values[value.index()] {
            Some(operand) => Ok(operand),
            None => Err(self.refuse(format!("{value} is used before it is defined"))),
        }
    }

    /// Allocates registers for a value, for its lifetime.
    fn define(&mut self, value: ValueId, uniform: bool) -> TypedSrc {
        let ty = self.function.ty(value);
        let taken = self.fresh(uniform, ty.scalar, ty.lanes as u32);
        self.owned[value.index()] = Some(taken);
        let operand = TypedSrc { src: taken.0, ty };
        self.values[value.index()] = Some(operand);
        operand
    }

    fn var(&self, var: VarId) -> Result<TypedSrc> {
        match self.vars[var.index()] {
            Some(operand) => Ok(operand),
            None => Err(self.refuse(format!("variable {var} is used before it is declared"))),
        }
    }

    /// Copies a scalar part to a register.
    fn copy(&mut self, to: Src, from: Src, scalar: Scalar) {
        match to.loc() {
            crate::sim::bytecode::Loc::Row(d) => self.emit(Inst::Copy { d, a: from, wide: rows(scalar) == 2 }),
            crate::sim::bytecode::Loc::Scalar(d) => self.emit(Inst::UniformCopy { d, a: from }),
            crate::sim::bytecode::Loc::Const(_) => {}
        }
    }

    fn copy_all(&mut self, to: TypedSrc, from: TypedSrc) {
        for part in 0..to.ty.lanes as u32 {
            self.copy(to.part(part), from.part(part), to.ty.scalar);
        }
    }

    fn place(&self, buffer: BufferId) -> Result<(MemoryBase, u64)> {
        match self.places[buffer.index()] {
            Some(place) => Ok(place),
            None => Err(self.refuse(format!("`{}` is not a parameter", self.function.buffers[buffer].name))),
        }
    }

    fn push_check(&mut self, check: IndexCheck) {
        self.program.checks.push(check);
        let check = self.program.checks.len() as u32 - 1;
        self.emit(Inst::CheckIndex { check });
    }

    fn push_print(&mut self, print: Print) {
        self.program.prints.push(print);
        let print = self.program.prints.len() as u32 - 1;
        self.emit(Inst::Print { print });
    }
}
