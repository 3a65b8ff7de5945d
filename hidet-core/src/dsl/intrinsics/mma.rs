//! Tensor cores of a warp: `mma.sync`, and the loads and stores of matrices that feed them. All lanes of the warp must
//! call together.
//!
//! Fragments lie in registers; an address names the first of the elements an instruction takes. Which ones a lane holds
//! [`mma_fragments`] says: an array `registers::<f32>(fragments.d.register_layout())` is indexed by their coordinates.

use super::intrinsic;
use crate::dsl::address::Address;
pub use crate::intrinsics::matrix::{Fragments, matrix_fragment, mma_fragments};
use crate::types::Element;

macro_rules! products {
    ($($name:ident $shape:literal $what:literal;)*) => {$(
        #[doc = concat!("`d += a * b`: a is ", $what, ".")]
        ///
        /// Which types there are is told by the rows of the table; the verifier names what is missing.
        #[track_caller]
        pub fn $name<AB: Element, D: Element>(d: Address<D>, a: Address<AB>, b: Address<AB>) {
            let row = format!(concat!("mma.", $shape, ".{}.{}"), D::SCALAR, AB::SCALAR);
            intrinsic(&row).address(&d).address(&a).address(&b).run();
        }
    )*};
}
products! {
    mma_m16n8k4 "m16n8k4" "16 x 4 row-major, b 4 x 8 column-major, d 16 x 8";
    mma_m16n8k8 "m16n8k8" "16 x 8 row-major, b 8 x 8 column-major, d 16 x 8";
    mma_m16n8k16 "m16n8k16" "16 x 16 row-major, b 16 x 8 column-major, d 16 x 8";
    mma_m16n8k32 "m16n8k32" "16 x 32 row-major, b 32 x 8 column-major, d 16 x 8";
    mma_m8n8k16 "m8n8k16" "8 x 16 row-major, b 16 x 8 column-major, d 8 x 8";
}

/// The end of the row's name for elements of that size.
fn suffix<T: Element>(trans: bool) -> &'static str {
    match (T::SCALAR.bytes(), trans) {
        (1, false) => ".b8",
        (4, false) => ".b32",
        _ => "",
    }
}

macro_rules! loads {
    ($($name:ident $row:literal $trans:literal $doc:literal;)*) => {$(
        #[doc = $doc]
        /// Lane i names the row i % 8 of matrix i / 8; a lane gets 4 bytes of each.
        #[track_caller]
        pub fn $name<T: Element>(to: Address<T>, from: Address<T>) {
            intrinsic(&format!("{}{}", $row, suffix::<T>($trans))).address(&to).address(&from).run();
        }
    )*};
}
loads! {
    ldmatrix_x1 "ldmatrix.x1" false "Loads an 8 x 8 matrix of 16-bit words from shared memory.";
    ldmatrix_x2 "ldmatrix.x2" false "Loads two 8 x 8 matrices of 16-bit words from shared memory.";
    ldmatrix_x4 "ldmatrix.x4" false "Loads four 8 x 8 matrices of 16-bit words from shared memory.";
    ldmatrix_x1_trans "ldmatrix.x1.trans" true "Loads an 8 x 8 matrix of 16-bit elements, transposed.";
    ldmatrix_x2_trans "ldmatrix.x2.trans" true "Loads two 8 x 8 matrices of 16-bit elements, transposed.";
    ldmatrix_x4_trans "ldmatrix.x4.trans" true "Loads four 8 x 8 matrices of 16-bit elements, transposed.";
    stmatrix_x1 "stmatrix.x1" false "Stores an 8 x 8 matrix of 16-bit words: the first address is in shared memory (sm_90).";
    stmatrix_x2 "stmatrix.x2" false "Stores two 8 x 8 matrices of 16-bit words: the first address is in shared memory (sm_90).";
    stmatrix_x4 "stmatrix.x4" false "Stores four 8 x 8 matrices of 16-bit words: the first address is in shared memory (sm_90).";
    stmatrix_x1_trans "stmatrix.x1.trans" true "Stores an 8 x 8 matrix of 16-bit elements, transposed (sm_90).";
    stmatrix_x2_trans "stmatrix.x2.trans" true "Stores two 8 x 8 matrices of 16-bit elements, transposed (sm_90).";
    stmatrix_x4_trans "stmatrix.x4.trans" true "Stores four 8 x 8 matrices of 16-bit elements, transposed (sm_90).";
}
