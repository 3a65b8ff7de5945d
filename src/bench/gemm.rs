//! A matrix product as libraries are asked for it, over the memory of a problem.

use hidet::device::RawTensor;
use hidet::types::Scalar;

/// `c[m, n] = a[m, k] * b`, all row-major; b is `[k, n]`, or `[n, k]` where it is transposed.
#[derive(Clone)]
pub struct Gemm {
    /// Extents of c, and the one summed over.
    pub shape: [usize; 3],
    /// The left factor.
    pub a: RawTensor,
    /// The right factor.
    pub b: RawTensor,
    /// The product.
    pub c: RawTensor,
    /// Whether b is stored as `[n, k]`.
    pub b_transposed: bool,
}

/// The same product as libraries with column-major matrices see it: `c' = b' * a'`, where a prime is the same memory
/// read column by column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnMajor {
    /// Rows of the result, its columns, and what is summed over.
    pub shape: [usize; 3],
    /// Whether the left factor, which is b, is to be transposed.
    pub left_transposed: bool,
    /// The stored rows and columns of the left factor.
    pub left: [usize; 2],
    /// The stored rows and columns of the right factor, which is a.
    pub right: [usize; 2],
}

impl Gemm {
    /// As column-major libraries see it.
    pub fn column_major(&self) -> ColumnMajor {
        let [m, n, k] = self.shape;
        let left = if self.b_transposed { [k, n] } else { [n, k] };
        ColumnMajor { shape: [n, m, k], left_transposed: self.b_transposed, left, right: [k, m] }
    }

    /// The number by which CUDA's libraries name the type of the elements (`cudaDataType`).
    pub fn data_type(&self) -> Result<i32, String> {
        match self.a.scalar() {
            Scalar::F32 => Ok(0),
            Scalar::F16 => Ok(2),
            Scalar::BF16 => Ok(14),
            other => Err(format!("no library is asked for a product of {other}")),
        }
    }
}
