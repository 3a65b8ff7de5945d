//! A matrix product in the form that libraries expect, over the memory of a problem.

use hidet::device::RawTensor;
use hidet::types::Scalar;

/// `c[m, n] = a[m, k] * b`, all row-major; b is `[k, n]`, or `[n, k]` if it is transposed.
#[derive(Clone)]
pub struct Gemm {
    /// Extents of c, and the extent summed over.
    pub shape: [usize; 3],
    /// The left factor.
    pub a: RawTensor,
    /// The right factor.
    pub b: RawTensor,
    /// The product.
    pub c: RawTensor,
    /// True if b is stored as `[n, k]`.
    pub b_transposed: bool,
}

/// The same product for libraries with column-major matrices: `c' = b' * a'`, where a prime is the same memory read
/// column by column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnMajor {
    /// Rows of the result, its columns, and the extent summed over.
    pub shape: [usize; 3],
    /// True if the left factor, which is b, is to be transposed.
    pub left_transposed: bool,
    /// The stored rows and columns of the left factor.
    pub left: [usize; 2],
    /// The stored rows and columns of the right factor, which is a.
    pub right: [usize; 2],
}

impl Gemm {
    /// Returns the product for column-major libraries.
    pub fn column_major(&self) -> ColumnMajor {
        let [m, n, k] = self.shape;
        let left = if self.b_transposed { [k, n] } else { [n, k] };
        ColumnMajor { shape: [n, m, k], left_transposed: self.b_transposed, left, right: [k, m] }
    }

    /// Returns the number of the element type in CUDA's libraries (`cudaDataType`).
    pub fn data_type(&self) -> Result<i32, String> {
        match self.a.scalar() {
            Scalar::F32 => Ok(0),
            Scalar::F16 => Ok(2),
            Scalar::BF16 => Ok(14),
            other => Err(format!("products of {other} are not measured against libraries")),
        }
    }
}
