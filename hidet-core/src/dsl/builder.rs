//! The function being built: open blocks of statements, source locations, and the problems found.

mod innermost;

use crate::error::{Error, Result};
use crate::ir::{
    Block, BufferId, DimId, Function, Handle, MapId, Op, Relation, Span, Special, Stmt, StmtId, Swizzle, ValueId, VarId,
};
use crate::types::{Const, Type};
use hidet_mapping::IndexExpr;
use std::collections::HashMap;
use std::panic::Location;

use super::access::ViewData;
use super::geometry::MapCoordinate;
use super::reach::ReachState;
pub(crate) use innermost::{TooDeep, build, with};

/// The first symbol of the extents of a kernel that is built as part of another, which its parameters give.
pub(super) const UNKNOWN: u32 = 1 << 30;

/// An open block of statements, and its number among all blocks opened in this function.
struct Open {
    block: Block,
    serial: u32,
}

/// The number of a function, different from that of every other function built on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(pub(crate) u32);

impl Serial {
    /// The serial of no function.
    pub(crate) const NONE: Serial = Serial(0);
}

/// Operations that have the same value everywhere, and are emitted once per block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Same {
    Const(Const),
    Dim(DimId),
    Special(Special),
}

/// A function under construction.
pub(crate) struct Builder {
    /// The function whose building waits for this one.
    around: Option<Box<Builder>>,
    serial: Serial,
    pub(crate) function: Function,
    open: Vec<Open>,
    /// For each block, by serial: true if it is still open.
    is_open: Vec<bool>,
    value_home: Vec<u32>,
    var_home: Vec<u32>,
    same: HashMap<Same, ValueId>,
    problems: Vec<(String, Span)>,
    /// Shared tiles that are copied through a swizzled tensor map, with the location of the copy.
    pub(crate) swizzled: Vec<(BufferId, Swizzle, Caller)>,
    pub(crate) views: Vec<ViewData>,
    /// The tensor maps of views, with the coordinates of a copy.
    pub(super) view_maps: Vec<(MapId, Vec<MapCoordinate>)>,
    pub(crate) reach: ReachState,
    /// The extents of kernels that are built as part of this one, as formulas once a parameter has given them.
    extents: Vec<Option<IndexExpr>>,
    /// The nesting depth of device functions being built into it.
    pub(crate) calls: u32,
}

/// The source location of a statement of the DSL.
pub(crate) type Caller = &'static Location<'static>;

/// Returns the location of the caller of the function that calls this one.
#[track_caller]
pub(crate) fn here() -> Caller {
    Location::caller()
}

impl Builder {
    fn new(name: &str, serial: Serial) -> Builder {
        let function = Function { name: name.to_owned(), ..Function::default() };
        Builder {
            around: None,
            serial,
            function,
            open: vec![Open { block: Block::default(), serial: 0 }],
            is_open: vec![true],
            value_home: Vec::new(),
            var_home: Vec::new(),
            same: HashMap::new(),
            problems: Vec::new(),
            swizzled: Vec::new(),
            views: Vec::new(),
            view_maps: Vec::new(),
            reach: ReachState::default(),
            extents: Vec::new(),
            calls: 0,
        }
    }

    fn finish(mut self) -> Result<Function> {
        if self.open.len() != 1 {
            self.problems.push(("a block of the kernel was left open while building".to_owned(), Span::default()));
        }
        self.swizzled_tiles();
        if let Some((message, span)) = self.problems.into_iter().next() {
            let place = self.function.place_of(span);
            return Err(Error::Kernel { kernel: self.function.name, message, place });
        }
        self.function.body = self.open.pop().map(|open| open.block).unwrap_or_default();
        Ok(self.function)
    }

    /// Reports swizzled tiles whose elements threads access, unless their layout places elements where TMA does.
    fn swizzled_tiles(&mut self) {
        for (tile, swizzle, at) in std::mem::take(&mut self.swizzled) {
            let buffer = &self.function.buffers[tile];
            let accessed = self.function.stmts.iter().any(|(_, stmt)| match stmt {
                Stmt::Let { op: Op::Load { buffer, .. }, .. } | Stmt::Store { buffer, .. } => *buffer == tile,
                _ => false,
            });
            if accessed && !swizzle.is_layout(&buffer.layout, buffer.elem) {
                let message = format!(
                    "`{}` is copied through a tensor map with Swizzle::{swizzle:?}, but threads read or write its elements \
                     where its layout has them, so they are permuted: make it \
                     `shared::<T>(Layout::tma([..], Swizzle::{swizzle:?}))`, or take the map with `Swizzle::None`",
                    buffer.name,
                );
                self.problem(message, at);
            }
        }
    }

    /// Returns the serial of this function, unique among all functions of this thread.
    pub(crate) fn serial(&self) -> Serial {
        self.serial
    }

    /// Records a mistake of the kernel's author.
    pub(crate) fn problem(&mut self, message: impl Into<String>, at: Caller) {
        let span = self.span(at);
        self.problems.push((message.into(), span));
    }

    /// Converts the location to a span of this function.
    pub(crate) fn span(&mut self, at: Caller) -> Span {
        let files = &mut self.function.files;
        let file = match files.iter().position(|file| file == at.file()) {
            Some(file) => file,
            None => {
                files.push(at.file().to_owned());
                files.len() - 1
            }
        };
        Span { file: file as u32, line: at.line(), column: at.column() }
    }

    /// Opens a block.
    pub(crate) fn open(&mut self) {
        let serial = self.is_open.len() as u32;
        self.is_open.push(true);
        self.open.push(Open { block: Block::default(), serial });
    }

    /// Returns the number of open blocks.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Closes blocks until `depth` are open: the innermost block, with any block left open in it.
    pub(crate) fn close(&mut self, depth: usize) -> ClosedBlock {
        let mut closed = ClosedBlock::default();
        while self.open.len() > depth.max(1) {
            if let Some(open) = self.open.pop() {
                self.is_open[open.serial as usize] = false;
                closed = ClosedBlock { block: open.block, serial: open.serial };
            }
        }
        closed
    }

    /// Reopens a closed block, to append to it.
    pub(crate) fn reopen(&mut self, closed: ClosedBlock) {
        if let Some(open) = self.is_open.get_mut(closed.serial as usize) {
            *open = true;
        }
        self.open.push(Open { block: closed.block, serial: closed.serial });
    }

    /// Appends the statements of a closed block to the innermost open one, as if they had been emitted there.
    pub(crate) fn splice(&mut self, closed: ClosedBlock) {
        let Some(open) = self.open.last_mut() else { return };
        let home = open.serial;
        open.block.0.extend(closed.block.0);
        for owner in self.value_home.iter_mut().chain(&mut self.var_home) {
            if *owner == closed.serial {
                *owner = home;
            }
        }
    }

    /// Adds a statement.
    pub(crate) fn push(&mut self, stmt: Stmt, at: Caller) -> StmtId {
        let span = self.span(at);
        let id = self.function.new_stmt(stmt, span);
        if let Some(open) = self.open.last_mut() {
            open.block.0.push(id);
        }
        id
    }

    /// Adds a value that belongs to the innermost open block.
    pub(crate) fn value(&mut self, ty: impl Into<Type>) -> ValueId {
        let home = self.open.last().map_or(0, |open| open.serial);
        self.value_home.push(home);
        self.function.new_value(ty, "")
    }

    /// Emits an operation.
    pub(crate) fn emit(&mut self, op: Op, ty: impl Into<Type>, at: Caller) -> ValueId {
        let same = match op {
            Op::Const(constant) => Some(Same::Const(constant)),
            Op::Dim(dim) => Some(Same::Dim(dim)),
            Op::Special(special) => Some(Same::Special(special)),
            _ => None,
        };
        if let Some(value) = same.and_then(|same| self.same.get(&same)) {
            if self.visible(*value) {
                return *value;
            }
        }
        let value = self.value(ty);
        self.push(Stmt::Let { value, op }, at);
        if let Some(same) = same {
            self.same.insert(same, value);
        }
        value
    }

    /// Emits a constant.
    pub(crate) fn constant(&mut self, constant: Const, at: Caller) -> ValueId {
        self.emit(Op::Const(constant), constant.scalar, at)
    }

    /// Returns true if the block in which a value was computed is still open.
    pub(crate) fn visible(&self, value: ValueId) -> bool {
        let home = self.value_home.get(value.index()).copied().unwrap_or(u32::MAX);
        self.is_open.get(home as usize).copied().unwrap_or(false)
    }

    /// Declares a variable in the innermost open block, or in the block open at `depth`.
    pub(crate) fn declare(&mut self, name: &str, ty: Type, init: Option<ValueId>, depth: usize, at: Caller) -> VarId {
        let var = self.function.vars.push(crate::ir::Var { name: name.to_owned(), ty });
        let span = self.span(at);
        let id = self.function.new_stmt(Stmt::Declare { var, init }, span);
        let index = depth.clamp(1, self.open.len().max(1)) - 1;
        if let Some(open) = self.open.get_mut(index) {
            open.block.0.push(id);
            self.var_home.push(open.serial);
        }
        var
    }

    /// Returns true if a variable is still in scope.
    pub(crate) fn lives(&self, var: VarId) -> bool {
        let home = self.var_home.get(var.index()).copied().unwrap_or(u32::MAX);
        self.is_open.get(home as usize).copied().unwrap_or(false)
    }

    /// Returns the operation of the `Let` that defines a value, if there is one.
    pub(crate) fn definition(&self, value: ValueId) -> Option<&Op> {
        // Searches backwards: most values asked for are recent.
        self.function.stmts.iter().rev().find_map(|(_, stmt)| match stmt {
            Stmt::Let { value: defined, op } if *defined == value => Some(op),
            _ => None,
        })
    }

    /// Adds an extent that a parameter will give, and returns its symbol.
    pub(super) fn unknown_extent(&mut self) -> IndexExpr {
        self.extents.push(None);
        IndexExpr::Symbol(UNKNOWN + self.extents.len() as u32 - 1)
    }

    /// Gives an extent its formula, and returns true, if it is one that has none yet.
    pub(super) fn learn(&mut self, extent: &IndexExpr, formula: &IndexExpr) -> bool {
        let IndexExpr::Symbol(symbol) = extent else { return false };
        let place = symbol.checked_sub(UNKNOWN).and_then(|at| self.extents.get_mut(at as usize));
        place.filter(|place| place.is_none()).map(|place| *place = Some(formula.clone())).is_some()
    }

    /// Returns the formula with every extent that parameters have given replaced by its formula.
    pub(super) fn known(&self, formula: &IndexExpr) -> IndexExpr {
        if self.extents.is_empty() {
            return formula.clone();
        }
        formula.substitute(&mut |symbol| {
            let known = symbol.checked_sub(UNKNOWN).and_then(|at| self.extents.get(at as usize)?.clone());
            known.unwrap_or(IndexExpr::Symbol(symbol))
        })
    }

    /// Returns true if a formula is a multiple of the number: a constant, or one of which the launcher checks it.
    pub(crate) fn is_multiple(&self, formula: &IndexExpr, of: i64) -> bool {
        let number = IndexExpr::as_const;
        let multiple = |value: i64| of > 0 && value % of == 0;
        number(formula).is_some_and(multiple)
            || self.function.constraints.iter().any(|rule| {
                rule.relation == Relation::MultipleOf
                    && rule.left == *formula
                    && number(&rule.right).is_some_and(multiple)
            })
    }

    /// Returns a value as a formula over the extents of the signature, if it is one.
    pub(crate) fn formula(&self, value: ValueId) -> Option<IndexExpr> {
        self.formula_of(value, &|_| None)
    }

    /// The same, where further values are known as formulas.
    pub(super) fn formula_of(&self, value: ValueId, known: &dyn Fn(ValueId) -> Option<IndexExpr>) -> Option<IndexExpr> {
        use crate::ir::BinaryOp;
        use crate::types::Scalar;
        if let Some(formula) = known(value) {
            return Some(formula);
        }
        match self.definition(value)?.clone() {
            Op::Const(constant) if constant.scalar == Scalar::I32 => Some(IndexExpr::from(constant.bits as u32 as i32)),
            Op::Dim(dim) => Some(IndexExpr::Symbol(dim.index() as u32)),
            Op::Binary(op, a, b) => {
                let (a, b) = (self.formula_of(a, known)?, self.formula_of(b, known)?);
                match op {
                    BinaryOp::Add => Some(a + b),
                    BinaryOp::Sub => Some(a - b),
                    BinaryOp::Mul => Some(a * b),
                    BinaryOp::Div => Some(a / b),
                    BinaryOp::Rem => Some(a % b),
                    BinaryOp::Min => Some(a.min(b)),
                    BinaryOp::Max => Some(a.max(b)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// A closed block.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClosedBlock {
    pub(crate) block: Block,
    serial: u32,
}
