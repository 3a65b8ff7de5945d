//! Warp matrix products on tensor cores: `mma.sync`, and the matrix loads and stores for its operands. All lanes of the
//! warp must call together.
//!
//! Fragments are in registers; an address is that of the first element an instruction takes. [`mma_fragments`] gives
//! the elements that each lane holds, as task mappings: `register_layout()` is the layout of an array indexed by the
//! coordinates of the matrix, and `on(lane_id())` iterates over the elements that the lane holds.
//!
//! ```
//! use hidet::prelude::*;
//!
//! kernel! {
//!     /// d = a * b, of one instruction.
//!     #[launch(grid = 1, block = 32)]
//!     pub fn product(a: In<f16, [16, 16]>, b: In<f16, [16, 8]>, d: Out<f32, [16, 8]>) {
//!         let of = mma_fragments([16, 8, 16], 2);
//!         let left = registers::<f16>(of.a.register_layout());
//!         let right = registers::<f16>(of.b.register_layout());
//!         let sums = registers::<f32>(of.d.register_layout());
//!         for (m, k) in of.a.on(lane_id()) { left[[m, k]] = a[[m, k]]; }
//!         for (k, n) in of.b.on(lane_id()) { right[[k, n]] = b[[k, n]]; }
//!         sums.fill(0.0);
//!         mma_m16n8k16(&sums[[0, 0]], &left[[0, 0]], &right[[0, 0]]);
//!         for (m, n) in of.d.on(lane_id()) { d[[m, n]] = sums[[m, n]]; }
//!     }
//! }
//!
//! let device = Device::sim();
//! let (a, b) = (device.tensor(&[f16::ONE; 256], [16, 16])?, device.tensor(&[f16::ONE; 128], [16, 8])?);
//! let mut d = device.empty([16, 8])?;
//! product().compile(&device)?.launch(&a, &b, &mut d)?;
//! assert_eq!(d.to_vec()?, [16.0; 128]);
//! # Ok::<(), hidet::Error>(())
//! ```

use super::intrinsic;
use crate::dsl::address::Address;
pub use crate::intrinsics::matrix::{Fragments, matrix_fragment, mma_fragments};
use crate::types::Element;

macro_rules! products {
    ($($name:ident $shape:literal $what:literal [$($types:literal)*];)*) => {
        $(
        #[doc = concat!("`d += a * b`: a is ", $what, ".")]
        ///
        #[doc = concat!("Types, as `d.ab`:", $(" `", $types, "`",)* ".")]
        #[track_caller]
        pub fn $name<AB: Element, D: Element>(d: Address<D>, a: Address<AB>, b: Address<AB>) {
            let row = format!(concat!("mma.", $shape, ".{}.{}"), D::SCALAR, AB::SCALAR);
            intrinsic(&row).address(&d).address(&a).address(&b).run();
        }
        )*

        #[cfg(test)]
        const TOLD: &[&str] = &[$($(concat!("mma.", $shape, ".", $types)),*),*];
    };
}
products! {
    mma_m16n8k4 "m16n8k4" "16 x 4 row-major, b 4 x 8 column-major, d 16 x 8" ["f32.tf32"];
    mma_m16n8k8 "m16n8k8" "16 x 8 row-major, b 8 x 8 column-major, d 16 x 8"
        ["f16.f16" "f32.f16" "f32.bf16" "f32.tf32"];
    mma_m16n8k16 "m16n8k16" "16 x 16 row-major, b 16 x 8 column-major, d 16 x 8"
        ["f16.f16" "f32.f16" "f32.bf16" "i32.i8" "i32.u8" "f16.e4m3" "f32.e4m3" "f16.e5m2" "f32.e5m2"];
    mma_m16n8k32 "m16n8k32" "16 x 32 row-major, b 32 x 8 column-major, d 16 x 8"
        ["i32.i8" "i32.u8" "f16.e4m3" "f32.e4m3" "f16.e5m2" "f32.e5m2"];
    mma_m8n8k16 "m8n8k16" "8 x 16 row-major, b 16 x 8 column-major, d 8 x 8" ["i32.i8" "i32.u8"];
}

/// Returns the suffix of the row's name for elements of that size.
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
        /// Lane i gives the address of row i % 8 of matrix i / 8; each lane holds 4 bytes of every matrix.
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

#[cfg(test)]
mod tests {
    use super::TOLD;
    use crate::intrinsics::Intrinsic;

    #[test]
    fn the_types_told_are_those_of_the_table() {
        let mut told = TOLD.to_vec();
        let mut rows: Vec<&str> = Intrinsic::all().map(|intrinsic| intrinsic.row().name.as_str()).collect();
        rows.retain(|name| name.starts_with("mma."));
        told.sort_unstable();
        rows.sort_unstable();
        assert_eq!(told, rows);
    }
}
