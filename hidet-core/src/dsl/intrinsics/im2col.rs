//! Columns of pixels by TMA (sm_90): the left operand of a convolution, as a product reads it.

use super::tma::{Map, MapHandle, add_map, note_swizzle};
use super::{IntrinsicCall, intrinsic};
use crate::dsl::address::Address;
use crate::dsl::builder::here;
use crate::dsl::expr::Expr;
use crate::dsl::expr::IntoExpr;
use crate::dsl::geometry::MapCoordinate;
use crate::dsl::index::IndexTuple;
use crate::dsl::view::View;
use crate::ir::{Im2col, Swizzle, TensorMap};
use crate::types::Element;

/// The pixels at which the corner of a convolution's kernel may be, along the `K` axes between images and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelBox<const K: usize> {
    /// The first pixel along each axis: minus the padding.
    pub lower: [i32; K],
    /// The last pixel, minus the last one of the tensor: 0 is the last one of the tensor.
    pub upper: [i32; K],
    /// The distance of consecutive pixels, 1 to 8.
    pub steps: [i32; K],
}

impl<const K: usize> PixelBox<K> {
    /// Returns the pixels of a convolution with that kernel, padding on both sides, stride and dilation.
    pub fn of_convolution(kernel: [i32; K], padding: [i32; K], stride: [i32; K], dilation: [i32; K]) -> PixelBox<K> {
        let upper = std::array::from_fn(|axis| padding[axis] - dilation[axis] * (kernel[axis] - 1));
        PixelBox { lower: padding.map(|padding| -padding), upper, steps: stride }
    }
}

/// A tensor map of columns of pixels: see [`View::im2col_map`].
#[derive(Debug)]
pub struct Im2colMap<T, const R: usize, const K: usize>(Map<T, R>);

impl<T, const R: usize, const K: usize> Copy for Im2colMap<T, R, K> {}
impl<T, const R: usize, const K: usize> Clone for Im2colMap<T, R, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Returns a tensor map for columns of so many pixels (at most 1024) and channels (at most 256) of a tensor `[n, w, c]`,
    /// `[n, h, w, c]` or `[n, d, h, w, c]`, created by the launcher. In shared memory a column is a matrix with one pixel
    /// per row, of the following pixels of `pixels` in the order of memory: at the end of a row of them the next one begins,
    /// and behind the last one of an image those of the next image. The tensor is a parameter, or a view of one that
    /// [`can_tensor_map`](View::can_tensor_map), without padding, steps and coordinates that the device chooses.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// The rows of the left operand of a convolution: kernel 3 x 3, stride 2, padding 1.
    ///     #[launch(grid = 9, block = 32)]
    ///     fn columns(x: In<f32, [2, 5, 7, 8]>, y: Out<f32, [24, 9, 8]>) {
    ///         let pixels = PixelBox::of_convolution([3, 3], [1, 1], [2, 2], [1, 1]);
    ///         let map = x.im2col_map(pixels, [24, 8], Swizzle::None);
    ///         let (tile, full) = (shared::<f32>([24, 8]), mbarriers(1));
    ///         if thread_id() == 0 {
    ///             full.init(0, 1);
    ///             mbarrier_init_fence();
    ///         }
    ///         sync_threads();
    ///         let tap = block_idx().x;
    ///         if thread_id() == 0 {
    ///             full.arrive_expect(0, 24 * 8 * 4);
    ///             // All results, from the first one on: its corner is at the pixel (-1, -1).
    ///             tma_load_im2col(&tile[[0, 0]], map, (0, -1, -1, 0), (tap / 3, tap % 3), full.at(0));
    ///         }
    ///         full.wait(0, 0);
    ///         for row in 0..24 {
    ///             if thread_id() < 8 { y[[row, tap, thread_id()]] = tile[[row, thread_id()]]; }
    ///         }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let host: Vec<f32> = (0..560).map(|i| i as f32).collect();
    /// let (x, mut y) = (device.tensor(&host, [2, 5, 7, 8])?, device.empty([24, 9, 8])?);
    /// columns().compile(&device)?.launch(&x, &mut y)?;
    /// let y = y.to_vec()?;
    /// // The last result, at row 2 and column 3 of the second image: its center is the pixel (4, 6), below it is nothing.
    /// assert_eq!((y[(23 * 9 + 4) * 8], y[(23 * 9 + 7) * 8]), (host[((5 + 4) * 7 + 6) * 8], 0.0));
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn im2col_map<const K: usize>(
        &self,
        pixels: PixelBox<K>,
        [count, channels]: [i32; 2],
        swizzle: Swizzle,
    ) -> Im2colMap<T, R, K> {
        const {
            assert!(
                R == K + 2 && R >= 3 && R <= 5,
                "pixels have one coordinate for each axis but the first and the last"
            )
        }
        let at = here();
        let map = self.data(at).map(|data| {
            let (geometry, coordinates) = data.geometry(at)?;
            if coordinates.len() != R || !coordinates.iter().all(MapCoordinate::is_plain) {
                return Err(
                    "a tensor map of columns of pixels is for a tensor that is not a part and not padded".to_owned()
                );
            }
            let steps: Vec<i32> = std::iter::once(1).chain(pixels.steps).chain([1]).collect();
            let [tile, steps] = [[count, channels].as_slice(), &steps]
                .map(|all| all.iter().map(|extent| u32::try_from(*extent).unwrap_or(0)).collect::<Vec<u32>>());
            let im2col = Im2col { lower: pixels.lower.to_vec(), upper: pixels.upper.to_vec() };
            let map = TensorMap { tile, im2col: Some(im2col), ..geometry.map(&[1; R], &steps, swizzle) };
            Ok((geometry, coordinates, map))
        });
        Im2colMap(Map::of(add_map(map, at)))
    }
}

/// Begins the call that loads a column.
#[track_caller]
fn load(
    end: &str,
    to: &Address<()>,
    map: MapHandle,
    index: &[Expr<i32>],
    offsets: &[Expr<i32>],
    mbarrier: &Address<u64>,
) -> Option<IntrinsicCall> {
    let (map, mut places) = map.resolve(index)?;
    note_swizzle(map, to);
    places.extend(offsets);
    let row = format!("tma.load.im2col.{}d{end}", index.len());
    Some(intrinsic(&row).address(to).map(map).coordinates(places).address(mbarrier))
}

/// Copies the column of pixels that begins at these coordinates to shared memory; its bytes arrive at the mbarrier. Along
/// the axes between images and channels the coordinates are those of a pixel of the map's [`PixelBox`]. Each pixel is moved
/// by the offsets, the position in the kernel times the dilation; elements that are then outside of the tensor are zero.
#[track_caller]
pub fn tma_load_im2col<T: Element, const R: usize, const K: usize>(
    to: Address<T>,
    map: Im2colMap<T, R, K>,
    at: impl IndexTuple<R>,
    offsets: impl IndexTuple<K>,
    mbarrier: Address<u64>,
) {
    if let Some(call) = load("", &to.retyped(), map.0.handle, &at.coordinates(), &offsets.coordinates(), &mbarrier) {
        call.run();
    }
}

/// Copies the column to the same address in the shared memory of each block of the cluster in the mask `blocks`, one bit
/// per block.
#[track_caller]
pub fn tma_load_im2col_multicast<T: Element, const R: usize, const K: usize>(
    to: Address<T>,
    map: Im2colMap<T, R, K>,
    at: impl IndexTuple<R>,
    offsets: impl IndexTuple<K>,
    mbarrier: Address<u64>,
    blocks: impl IntoExpr<u32>,
) {
    if let Some(call) =
        load(".multicast", &to.retyped(), map.0.handle, &at.coordinates(), &offsets.coordinates(), &mbarrier)
    {
        call.value::<u32>(blocks).run();
    }
}
