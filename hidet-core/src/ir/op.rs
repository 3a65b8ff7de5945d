//! Operations: what a value is computed from. None has an effect.

use super::function::{BufferId, DimId, ValueId, VarId};
use crate::types::Const;

/// The right side of a [`Stmt::Let`](super::Stmt::Let). The result type is the type of the value it defines.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A constant.
    Const(Const),
    /// A symbolic extent, as `i32`.
    Dim(DimId),
    /// A thread, block or lane index or extent, as `i32`.
    Special(Special),
    /// The content of a variable.
    Read(VarId),
    /// The element of a buffer at an index; a vector type reads consecutive elements along the last axis.
    Load {
        /// The memory read.
        buffer: BufferId,
        /// One `i32` or `i64` value an axis.
        index: Vec<ValueId>,
        /// Protected: zero outside of the shape.
        guard: bool,
    },
    /// An operation on one value; vectors lane by lane.
    Unary(UnaryOp, ValueId),
    /// An operation on two values of one type; vectors lane by lane.
    Binary(BinaryOp, ValueId, ValueId),
    /// A comparison of two scalars of one type; the result is `bool`. Comparisons with NaN are false, `!=` true.
    Compare(CompareOp, ValueId, ValueId),
    /// The second where the first (a `bool`) holds, else the third. Both are evaluated.
    Select(ValueId, ValueId, ValueId),
    /// `a * b + c`, rounded once. Floats only.
    Fma(ValueId, ValueId, ValueId),
    /// Conversion to the result type, lane by lane: floats round to nearest even (`tf32` ties away, fp8 saturates),
    /// float to integer truncates and saturates with NaN giving 0, integers wrap, to `bool` is `!= 0`. As Rust's `as`.
    Cast(ValueId),
    /// The same bits as another type of the same size in bytes.
    Bitcast(ValueId),
    /// A vector of these scalars.
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
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name in the text form.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The operation of that name.
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
        /// Threads a block along x.
        BlockDimX "block_dim.x",
        /// Threads a block along y.
        BlockDimY "block_dim.y",
        /// Threads a block along z.
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
    /// Operations on one value. Those after `Not` are for floats alone, but for `Abs`.
    UnaryOp {
        /// `-a`
        Neg "neg",
        /// Bits inverted; `!a` of a `bool`.
        Not "not",
        /// Absolute value.
        Abs "abs",
        /// Largest integer not above.
        Floor "floor",
        /// Smallest integer not below.
        Ceil "ceil",
        /// Nearest integer, ties to even.
        Round "round",
        /// Integer part.
        Trunc "trunc",
        /// Square root, correctly rounded.
        Sqrt "sqrt",
        /// `1 / sqrt(a)`
        Rsqrt "rsqrt",
        /// Sine, of radians.
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
        /// `e^a - 1`, exact near 0.
        Expm1 "expm1",
        /// Natural logarithm.
        Log "log",
        /// Logarithm to base 2.
        Log2 "log2",
        /// Logarithm to base 10.
        Log10 "log10",
        /// `log(1 + a)`, exact near 0.
        Log1p "log1p",
        /// The error function.
        Erf "erf",
        /// Whether it is NaN; the result is `bool`.
        IsNan "is_nan",
        /// Whether it is an infinity; the result is `bool`.
        IsInf "is_inf",
        /// Whether it is neither; the result is `bool`.
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
        /// Quotient; integers round towards zero.
        Div "div",
        /// Remainder with the sign of the first; floats as `fmod`.
        Rem "rem",
        /// The smaller one; of a number and NaN the number.
        Min "min",
        /// The larger one; of a number and NaN the number.
        Max "max",
        /// Bitwise and; `&&` of `bool`s already computed.
        And "and",
        /// Bitwise or.
        Or "or",
        /// Bitwise exclusive or.
        Xor "xor",
        /// Shift left.
        Shl "shl",
        /// Shift right; with the sign for signed integers.
        Shr "shr",
        /// Power, of floats.
        Pow "pow",
        /// Angle of the point (second, first), of floats.
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
