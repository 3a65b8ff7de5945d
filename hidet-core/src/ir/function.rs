//! A function: signature, launch, memory, and the arenas that hold its body.

use super::arena::{Arena, SecondaryMap, handle};
use super::constraint::Constraint;
use super::stmt::{Block, Stmt, StmtId};
use super::tensor_map::TensorMap;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::types::{Scalar, Type};
use hidet_mapping::IndexExpr;
use std::fmt;

handle!(ValueId, "%", "A value: defined once, visible where its definition dominates.");
handle!(VarId, "$", "A variable: one scalar or vector per thread, which statements may change.");
handle!(BufferId, "@", "A buffer: global, shared or register memory.");
handle!(LoopId, "'l", "A loop, as the target of `break` and `continue`.");
handle!(DimId, "s", "A symbolic extent of the signature; it is symbol number `index()` in an `IndexExpr`.");
handle!(MapId, "#", "A tensor map: the description of a global buffer that TMA needs.");

/// One kernel.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name, an identifier.
    pub name: String,
    /// The symbolic extents, each an `i32` known at launch.
    pub dims: Arena<DimId, Dim>,
    /// The parameters in order.
    pub params: Vec<Param>,
    /// The grid, block and cluster it is launched with.
    pub launch: Launch,
    /// The relations between extents that the launcher checks.
    pub constraints: Vec<Constraint>,
    /// The memory it uses.
    pub buffers: Arena<BufferId, Buffer>,
    /// The tensor maps the launcher makes.
    pub maps: Arena<MapId, TensorMap>,
    /// The variables.
    pub vars: Arena<VarId, Var>,
    /// The loops.
    pub loops: Arena<LoopId, Loop>,
    /// The values.
    pub values: Arena<ValueId, Value>,
    /// The statements; [`Function::body`] lists those in use, in order.
    pub stmts: Arena<StmtId, Stmt>,
    /// The source position of each statement.
    pub spans: SecondaryMap<StmtId, Span>,
    /// The source files; [`Span::file`] indexes them.
    pub files: Vec<String>,
    /// The source position of the kernel itself, used for errors of its launch and its memory.
    pub place: Span,
    /// The code that every thread runs.
    pub body: Block,
}

/// The largest symbolic extent, checked by the launcher. It is less than `i32::MAX`, so that an index that exceeds the
/// extent by less than a tile of 65536 elements does not wrap around, and its guard works.
pub const LARGEST_EXTENT: i64 = i32::MAX as i64 - 65535;

/// A symbolic extent.
#[derive(Clone, Debug, PartialEq)]
pub struct Dim {
    /// Its name in the source.
    pub name: String,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// A tensor in global memory. Its extents are the shape of the buffer.
    Tensor {
        /// The buffer; its scope is [`Scope::Global`].
        buffer: BufferId,
        /// The access the kernel has.
        access: Access,
    },
    /// A number.
    Scalar {
        /// Its name in the source.
        name: String,
        /// Its value in the body.
        value: ValueId,
    },
}

/// The access of a kernel to a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only.
    In,
    /// Written completely; reading an element before writing it is a fault, and so is an element that is never written.
    Out,
    /// As [`Access::Out`], but elements may stay unwritten; their content is undefined.
    PartialOut,
    /// Read and written.
    InOut,
}

impl Access {
    /// Returns true if the previous content of the tensor is undefined in the kernel.
    pub const fn begins_unset(self) -> bool {
        matches!(self, Access::Out | Access::PartialOut)
    }
}

/// The launch configuration. Extents may use the dims of the signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Blocks along x, y, z.
    pub grid: [IndexExpr; 3],
    /// Threads per block along x, y, z.
    pub block: [u32; 3],
    /// Blocks per cluster along x, y, z; all 1 without clusters.
    pub cluster: [u32; 3],
    /// The minimum number of resident blocks per multiprocessor; 0 if unspecified.
    pub min_blocks: u32,
    /// True if all blocks of the grid run at once, so that they can synchronise (`grid.sync`).
    pub cooperative: bool,
    /// True for a programmatic dependent launch: the kernel may begin before those ahead of it, on the stream or in the
    /// graph, have ended, and waits for them by `grid.wait`; without one, before its first access to global memory.
    pub dependent: bool,
}

impl Default for Launch {
    fn default() -> Self {
        Launch {
            grid: std::array::from_fn(|_| 1.into()),
            block: [1; 3],
            cluster: [1; 3],
            min_blocks: 0,
            cooperative: false,
            dependent: false,
        }
    }
}

impl Launch {
    /// Returns the number of threads per block.
    pub fn threads(&self) -> u32 {
        self.block.iter().fold(1, |threads, extent| threads.saturating_mul(*extent))
    }

    /// Returns the number of blocks per cluster.
    pub fn cluster_blocks(&self) -> u32 {
        self.cluster.iter().fold(1, |blocks, extent| blocks.saturating_mul(*extent))
    }

    /// Returns the registers per thread before any are reallocated (`setmaxnreg`): the 65536 registers of a
    /// multiprocessor are shared by the blocks that the launch promises, in units of 8, at most 256 per thread.
    pub fn register_share(&self) -> u32 {
        let threads = u64::from(self.threads().max(1)) * u64::from(self.min_blocks.max(1));
        (65536 / threads).min(256) as u32 / 8 * 8
    }
}

/// The maximum shared memory per block on the largest device, in bytes: 227 KiB.
pub(super) const MAX_SHARED: u64 = 227 * 1024;

/// Where memory is and which threads can access it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Device memory, visible to all threads of the grid.
    Global,
    /// Shared by the threads of a block; its lifetime ends with the block.
    Shared,
    /// Registers of one thread. On a GPU every index must become constant, or the buffer is slow local memory.
    Register,
}

impl Scope {
    /// Returns the name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Global => "global",
            Scope::Shared => "shared",
            Scope::Register => "register",
        }
    }
}

/// Memory with an element type, a shape and a layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Its name in the source.
    pub name: String,
    /// The memory space.
    pub scope: Scope,
    /// The type of an element. `u64` for mbarriers.
    pub elem: Scalar,
    /// Extents. Constants for registers; dims of the signature are allowed for the others.
    pub shape: Vec<IndexExpr>,
    /// The layout: from coordinates to element offsets.
    pub layout: Layout,
    /// Alignment of the first byte, in bytes: required of the caller for global memory, provided for the others.
    pub align: u32,
    /// For shared memory, the buffer whose memory it aliases (a second view of the same bytes).
    pub alias: Option<BufferId>,
    /// For a parameter that is a table of tensors: what its entries are.
    pub entries: Option<Entries>,
}

impl Buffer {
    /// Returns the layout of an entry, if it is a table.
    pub fn entry_layout(&self) -> Option<Layout> {
        self.entries.and(self.shape.get(1..)).map(Layout::row_major)
    }
}

/// The entries of a table of tensors: contiguous tensors of one type and rank, each at an address of its own. The first
/// axis of the table selects the entry, which must always be one that there is; the others are those of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The extents of the entries along their first axis, if these differ: an `i32` for each entry. The extent in the shape
    /// of the table is the largest. Otherwise all entries have the same shape.
    pub rows: Option<BufferId>,
}

impl Entries {
    /// The distance of the numbers of rows of two entries, in `i32`: an entry is 16 bytes, of which the first 4 are the
    /// rows and the last 8 the address.
    pub const ROWS_STRIDE: i64 = 4;
}

/// Swizzling of a shared tile by TMA (PTX ISA, "Tensor Swizzling Modes"): the 16-byte chunks of a row of 32, 64 or 128
/// bytes are permuted depending on the row, so that columns lie in different banks. `Layout::tma` is the layout of such
/// a tile: in memory with that layout, `tile[[row, column]]` is the element of that row and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Swizzle {
    None,
    B32,
    B64,
    B128,
}

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Var {
    /// Its name in the source; may be empty.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A loop.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Loop {
    /// Its label in the source; may be empty.
    pub name: String,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Its name in the source; may be empty.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A position in a source file. Line and column count from 1; line 0 means unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// Index into [`Function::files`].
    pub file: u32,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// A GPU architecture by compute capability: 90 with `specific` is `sm_90a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arch {
    /// Ten times the compute capability: 75, 80, 86, 89, 90, 100, 120.
    pub number: u32,
    /// True for the architecture-specific variant (`sm_90a`), which alone has wgmma, setmaxnreg and tcgen05.
    pub specific: bool,
}

impl Arch {
    /// The architectures that tests compile every kernel for, as far as its intrinsics allow.
    pub const TESTED: [Arch; 6] = [
        Arch { number: 75, specific: false },
        Arch { number: 80, specific: false },
        Arch { number: 86, specific: false },
        Arch { number: 89, specific: false },
        Arch { number: 90, specific: true },
        Arch { number: 100, specific: true },
    ];

    /// Returns the architecture with that name, such as `sm_80` or `sm_90a`.
    pub fn from_name(name: &str) -> Option<Arch> {
        let digits = name.strip_prefix("sm_")?;
        let (digits, specific) = digits.strip_suffix('a').map_or((digits, false), |digits| (digits, true));
        // Compute capabilities 5.0 to 99.9.
        let number = digits.parse().ok().filter(|number| (50..1000).contains(number))?;
        Some(Arch { number, specific })
    }
}

impl std::str::FromStr for Arch {
    type Err = Error;

    fn from_str(name: &str) -> Result<Arch> {
        Arch::from_name(name).ok_or_else(|| Error::Device {
            device: format!("`{name}`"),
            message: "not an architecture name; expected e.g. `sm_80` or `sm_90a`".to_owned(),
        })
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}{}", self.number, if self.specific { "a" } else { "" })
    }
}

impl Function {
    /// Returns the type of a value.
    pub fn ty(&self, value: ValueId) -> Type {
        self.values[value].ty
    }

    /// Returns true if a buffer has the rows of the entries of a table, which are extents.
    pub fn is_rows(&self, buffer: BufferId) -> bool {
        self.buffers.iter().any(|(_, table)| table.entries.is_some_and(|entries| entries.rows == Some(buffer)))
    }

    /// Returns `file:line:column` of a statement; if unknown, that of the kernel, or its name.
    pub fn place(&self, stmt: StmtId) -> String {
        self.place_of(self.spans[stmt])
    }

    /// Returns `file:line:column` of a span; if unknown, that of the kernel, or its name.
    pub fn place_of(&self, span: Span) -> String {
        let span = if span.line > 0 { span } else { self.place };
        match self.files.get(span.file as usize) {
            Some(file) if span.line > 0 => format!("{file}:{}:{}", span.line, span.column),
            _ => format!("kernel `{}`", self.name),
        }
    }

    /// Returns `file:line:column` of the kernel, or its name.
    pub fn own_place(&self) -> String {
        self.place_of(Span::default())
    }

    /// Adds a value of that type.
    pub fn new_value(&mut self, ty: impl Into<Type>, name: impl Into<String>) -> ValueId {
        self.values.push(Value { name: name.into(), ty: ty.into() })
    }

    /// Adds a statement with its source position; it is in no block yet.
    pub fn new_stmt(&mut self, stmt: Stmt, span: Span) -> StmtId {
        let id = self.stmts.push(stmt);
        self.spans[id] = span;
        id
    }
}
