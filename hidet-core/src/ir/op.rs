//! Operations: how values are computed. None has a side effect.

use super::function::{BufferId, DimId, ValueId, VarId};
use crate::types::Const;

/// The right side of a [`Stmt::Let`](super::Stmt::Let). The result type is the type of the value it defines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A constant.
    Const(Const),
    /// A symbolic extent, as `i32`.
    Dim(DimId),
    /// A thread, block or lane index, or the extent of a block or grid, as `i32`.
    Special(Special),
    /// The content of a variable.
    Read(VarId),
    /// The element of a buffer at an index; a vector type reads consecutive elements along the last axis.
    Load {
        /// The memory read.
        buffer: BufferId,
        /// One `i32` or `i64` value per axis.
        index: Vec<ValueId>,
        /// Protected: zero outside of the shape.
        guard: bool,
    },
    /// An operation on one value; applied to vectors lane by lane.
    Unary(UnaryOp, ValueId),
    /// An operation on two values of one type; applied to vectors lane by lane.
    Binary(BinaryOp, ValueId, ValueId),
    /// A comparison of two scalars of one type; the result is `bool`. Comparisons with NaN are false, except `!=`.
    Compare(CompareOp, ValueId, ValueId),
    /// Selects the second operand if the first (a `bool`) is true, else the third. Both are evaluated.
    Select(ValueId, ValueId, ValueId),
    /// `a * b + c`, rounded once. Floats only.
    Fma(ValueId, ValueId, ValueId),
    /// Conversion to the result type, lane by lane, like Rust's `as`: floats round to nearest even (`tf32` ties away
    /// from zero, fp8 saturates), float to integer truncates and saturates with NaN giving 0, integers wrap, and a
    /// conversion to `bool` is `!= 0`.
    Cast(ValueId),
    /// The same bits as another type of the same size in bytes.
    Bitcast(ValueId),
    /// A vector of scalars.
    Vector(Vec<ValueId>),
    /// One lane of a vector.
    Extract(ValueId, u8),
}

/// Defines an enum of operations with their names in the text form.
macro_rules! operations {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All operations.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// Returns the name in the text form.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// Returns the operation with that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

operations! {
    /// Thread, block and lane indices and extents.
    Special {
        /// Index of the thread in its block along x.
        ThreadX "thread.x",
        /// Index of the thread in its block along y.
        ThreadY "thread.y",
        /// Index of the thread in its block along z.
        ThreadZ "thread.z",
        /// Index of the block in the grid along x.
        BlockX "block.x",
        /// Index of the block in the grid along y.
        BlockY "block.y",
        /// Index of the block in the grid along z.
        BlockZ "block.z",
        /// Threads per block along x.
        BlockDimX "block_dim.x",
        /// Threads per block along y.
        BlockDimY "block_dim.y",
        /// Threads per block along z.
        BlockDimZ "block_dim.z",
        /// Blocks in the grid along x.
        GridX "grid.x",
        /// Blocks in the grid along y.
        GridY "grid.y",
        /// Blocks in the grid along z.
        GridZ "grid.z",
        /// The thread's linear index in its block: `x + y * dim_x + z * dim_x * dim_y`.
        Thread "thread",
        /// `thread % 32`
        Lane "lane",
        /// `thread / 32`
        Warp "warp",
        /// Rank of the block in its cluster.
        ClusterRank "cluster_rank",
        /// Blocks in the cluster.
        ClusterSize "cluster_size",
    }
}

operations! {
    /// Operations on one value. Those after `Not`, except `Abs`, are defined for floats only.
    UnaryOp {
        /// `-a`
        Neg "neg",
        /// Bitwise complement; `!a` for `bool`.
        Not "not",
        /// Absolute value.
        Abs "abs",
        /// The largest integer not greater than the operand.
        Floor "floor",
        /// The smallest integer not less than the operand.
        Ceil "ceil",
        /// Nearest integer, ties to even.
        Round "round",
        /// The integer part: rounds towards zero.
        Trunc "trunc",
        /// Square root, correctly rounded.
        Sqrt "sqrt",
        /// `1 / sqrt(a)`
        Rsqrt "rsqrt",
        /// Sine; the operand is in radians.
        Sin "sin",
        /// Cosine.
        Cos "cos",
        /// Tangent.
        Tan "tan",
        /// Hyperbolic sine.
        Sinh "sinh",
        /// Hyperbolic cosine.
        Cosh "cosh",
        /// Hyperbolic tangent.
        Tanh "tanh",
        /// Inverse sine.
        Asin "asin",
        /// Inverse cosine.
        Acos "acos",
        /// Inverse tangent.
        Atan "atan",
        /// Inverse hyperbolic sine.
        Asinh "asinh",
        /// Inverse hyperbolic cosine.
        Acosh "acosh",
        /// Inverse hyperbolic tangent.
        Atanh "atanh",
        /// `e^a`
        Exp "exp",
        /// `2^a`
        Exp2 "exp2",
        /// `e^a - 1`, accurate near 0.
        Expm1 "expm1",
        /// Natural logarithm.
        Log "log",
        /// Logarithm to base 2.
        Log2 "log2",
        /// Logarithm to base 10.
        Log10 "log10",
        /// `log(1 + a)`, accurate near 0.
        Log1p "log1p",
        /// The error function.
        Erf "erf",
        /// Tests for NaN; the result is `bool`.
        IsNan "is_nan",
        /// Tests for infinities; the result is `bool`.
        IsInf "is_inf",
        /// Tests for finite values; the result is `bool`.
        IsFinite "is_finite",
    }
}

operations! {
    /// Operations on two values of one type.
    BinaryOp {
        /// Sum.
        Add "add",
        /// Difference.
        Sub "sub",
        /// Product.
        Mul "mul",
        /// Quotient; integers truncate towards zero.
        Div "div",
        /// Remainder with the sign of the first operand; floats as `fmod`.
        Rem "rem",
        /// The smaller operand; if one is NaN, the other.
        Min "min",
        /// The larger operand; if one is NaN, the other.
        Max "max",
        /// Bitwise and; logical and of `bool`s, without short-circuiting.
        And "and",
        /// Bitwise or.
        Or "or",
        /// Bitwise exclusive or.
        Xor "xor",
        /// Shift left.
        Shl "shl",
        /// Shift right; arithmetic for signed integers, logical for unsigned ones.
        Shr "shr",
        /// Power; floats only.
        Pow "pow",
        /// Angle of the point (second, first), as `atan2`; floats only.
        Atan2 "atan2",
    }
}

operations! {
    /// Comparisons.
    CompareOp {
        /// `==`
        Eq "eq",
        /// `!=`
        Ne "ne",
        /// `<`
        Lt "lt",
        /// `<=`
        Le "le",
        /// `>`
        Gt "gt",
        /// `>=`
        Ge "ge",
    }
}
