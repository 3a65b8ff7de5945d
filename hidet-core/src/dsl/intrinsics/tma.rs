//! Bulk copies by TMA, the tensor memory accelerator (sm_90).

use super::{IntrinsicCall, intrinsic};
use crate::dsl::access::ViewData;
use crate::dsl::address::Address;
use crate::dsl::builder::{Caller, Serial, here, with};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::geometry::{Geometry, MapCoordinate, reason};
use crate::dsl::index::IndexTuple;
use crate::dsl::view::View;
use crate::ir::{MapId, Swizzle, TensorMap};
use crate::layout::Layout;
use crate::types::Element;
use std::marker::PhantomData;

/// A tensor map: how boxes of a tensor in global memory are copied to and from shared memory.
#[derive(Debug)]
pub struct Map<T, const R: usize> {
    pub(super) handle: MapHandle,
    of: PhantomData<fn() -> T>,
}

/// A tensor map without its type and rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapHandle {
    kernel: Serial,
    /// Its place among the maps of views of the kernel.
    id: Option<usize>,
}

impl<T, const R: usize> Copy for Map<T, R> {}
impl<T, const R: usize> Clone for Map<T, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Returns a tensor map for boxes of these extents, created by the launcher. The tensor is a parameter, or a view of
    /// one of which [`can_tensor_map`](View::can_tensor_map) says that TMA can copy it.
    ///
    /// With a swizzle, the rows of a box are not contiguous in shared memory. Tensor cores (`wgmma`) can read it as it
    /// is; a tile whose elements threads read or write must have the layout of the swizzle, [`Layout::tma`]. Any other
    /// layout is an error when the kernel is built.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = 1, block = 32)]
    ///     fn transposed(x: In<f32, [8, 32]>, y: Out<f32, [32, 8]>) {
    ///         let map = x.tensor_map([8, 32], Swizzle::B128);
    ///         let tile = shared::<f32>(Layout::tma([8, 32], Swizzle::B128));
    ///         let full = mbarriers(1);
    ///         if thread_id() == 0 {
    ///             full.init(0, 1);
    ///             mbarrier_init_fence();
    ///         }
    ///         sync_threads();
    ///         if thread_id() == 0 {
    ///             full.arrive_expect(0, 8 * 32 * 4);
    ///             tma_load(&tile[[0, 0]], map, (0, 0), full.at(0));
    ///         }
    ///         full.wait(0, 0);
    ///         for row in 0..8 { y[[thread_id(), row]] = tile[[row, thread_id()]]; }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let host: Vec<f32> = (0..256).map(|i| i as f32).collect();
    /// let (x, mut y) = (device.tensor(&host, [8, 32])?, device.empty([32, 8])?);
    /// transposed().compile(&device)?.launch(&x, &mut y)?;
    /// assert_eq!(y.to_vec()?[..9], [0.0, 32.0, 64.0, 96.0, 128.0, 160.0, 192.0, 224.0, 1.0]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn tensor_map(&self, tile: [i32; R], swizzle: Swizzle) -> Map<T, R> {
        Map::of(box_map(self.data(here()), &tile, &[1; R], swizzle, here()))
    }

    /// Returns a tensor map for boxes of elements `steps` apart, 1 to 8 along each axis and 1 along the last one. `tile` are
    /// the extents of a box in shared memory; in the tensor it spans `tile * steps` coordinates, at most 256 along each axis.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// Every second row, from row -1 on.
    ///     #[launch(grid = 1, block = 32)]
    ///     fn odd_rows(x: In<f32, [8, 32]>, y: Out<f32, [5, 32]>) {
    ///         let map = x.tensor_map_with_steps([5, 32], [2, 1], Swizzle::None);
    ///         let (tile, full) = (shared::<f32>([5, 32]), mbarriers(1));
    ///         if thread_id() == 0 {
    ///             full.init(0, 1);
    ///             mbarrier_init_fence();
    ///         }
    ///         sync_threads();
    ///         if thread_id() == 0 {
    ///             full.arrive_expect(0, 5 * 32 * 4);
    ///             tma_load(&tile[[0, 0]], map, (-1, 0), full.at(0));
    ///         }
    ///         full.wait(0, 0);
    ///         for row in 0..5 { y[[row, thread_id()]] = tile[[row, thread_id()]]; }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let host: Vec<f32> = (0..256).map(|i| (i / 32) as f32).collect();
    /// let (x, mut y) = (device.tensor(&host, [8, 32])?, device.empty([5, 32])?);
    /// odd_rows().compile(&device)?.launch(&x, &mut y)?;
    /// assert_eq!([0, 1, 2, 3, 4].map(|row| y.to_vec().unwrap()[row * 32]), [0.0, 1.0, 3.0, 5.0, 7.0]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn tensor_map_with_steps(&self, tile: [i32; R], steps: [i32; R], swizzle: Swizzle) -> Map<T, R> {
        Map::of(box_map(self.data(here()), &tile, &steps, swizzle, here()))
    }
}

impl<T, const R: usize> Map<T, R> {
    pub(super) fn of(handle: MapHandle) -> Map<T, R> {
        Map { handle, of: PhantomData }
    }
}

/// Adds a tensor map of boxes of a view.
fn box_map(data: Option<ViewData>, tile: &[i32], steps: &[i32], swizzle: Swizzle, at: Caller) -> MapHandle {
    for (extents, of) in [(tile, "a box"), (steps, "steps")] {
        if extents.iter().any(|extent| *extent < 1) {
            with(|builder| builder.problem(format!("{of} of {extents:?}: its extents must be positive"), at));
        }
    }
    let [tile, steps] =
        [tile, steps].map(|extents| extents.iter().map(|extent| (*extent).max(1) as u32).collect::<Vec<u32>>());
    let map = data.map(|data| {
        let (geometry, coordinates) = data.geometry(at)?;
        let map = geometry.map(&tile, &steps, swizzle);
        Ok((geometry, coordinates, map))
    });
    add_map(map, at)
}

/// Adds a tensor map of a view to the kernel, or the problem that the view has none.
pub(super) fn add_map(map: Option<Result<(Geometry, Vec<MapCoordinate>, TensorMap), String>>, at: Caller) -> MapHandle {
    let id = with(|builder| {
        let (geometry, coordinates, map) = map?.map_err(|why| builder.problem(why, at)).ok()?;
        if let Some(why) = geometry.unaligned(builder) {
            builder.problem(why, at);
            return None;
        }
        geometry.require(builder);
        let maps = &mut builder.function.maps;
        let known = maps.iter().find(|(_, known)| **known == map).map(|(id, _)| id);
        let id = known.unwrap_or_else(|| maps.push(map));
        builder.view_maps.push((id, coordinates));
        Some(builder.view_maps.len() - 1)
    });
    MapHandle { kernel: with(|builder| builder.serial()).unwrap_or(Serial::NONE), id: id.flatten() }
}

impl MapHandle {
    /// Returns the map, and the coordinates of a copy in its order.
    #[track_caller]
    pub(super) fn resolve(self, index: &[Expr<i32>]) -> Option<(MapId, Vec<Expr<i32>>)> {
        let at = here();
        let found = with(|builder| {
            if self.kernel != builder.serial() {
                builder.problem("a tensor map of another kernel is used here", at);
                return None;
            }
            builder.view_maps.get(self.id?).cloned()
        });
        let (map, coordinates) = found.flatten()?;
        let mut places = Vec::new();
        // Not a closure, which would lose the caller's location.
        for coordinate in &coordinates {
            places.push(coordinate.place(index));
        }
        Some((map, places))
    }
}

/// Records that a tile is copied through a swizzle, if it is.
#[track_caller]
pub(super) fn note_swizzle(map: MapId, tile: &Address<()>) {
    let at = here();
    with(|builder| {
        let swizzle = builder.function.maps[map].swizzle;
        if let (Some((buffer, _)), true) = (&tile.place, swizzle != Swizzle::None) {
            builder.swizzled.push((*buffer, swizzle, at));
        }
    });
}

/// Begins the load of a box into a tile: `end` is the end of the name of its row.
#[track_caller]
fn load(end: &str, to: &Address<()>, map: MapHandle, index: &[Expr<i32>]) -> Option<IntrinsicCall> {
    let (map, places) = map.resolve(index)?;
    note_swizzle(map, to);
    Some(intrinsic(&format!("tma.load.{}d{end}", places.len())).address(to).map(map).coordinates(places))
}

/// Emits the store of a tile to a box, or a reduction by one.
#[track_caller]
fn store(row: &str, map: MapHandle, index: &[Expr<i32>], from: &Address<()>) {
    let Some((map, places)) = map.resolve(index) else { return };
    note_swizzle(map, from);
    require_whole_words(map);
    intrinsic(&format!("tma.{row}.{}d", places.len())).map(map).coordinates(places).address(from).run();
}

/// Copies the box at these coordinates to shared memory; its bytes arrive at the mbarrier. Along the last axis it begins at
/// a multiple of 16 bytes. Elements outside of the tensor are zero. [`View::tensor_map`] describes the placement of the box
/// with a swizzle, and how threads read it.
#[track_caller]
pub fn tma_load<T: Element, const R: usize>(
    to: Address<T>,
    map: Map<T, R>,
    at: impl IndexTuple<R>,
    mbarrier: Address<u64>,
) {
    if let Some(call) = load("", &to.retyped(), map.handle, &at.coordinates()) {
        call.address(&mbarrier).run();
    }
}

/// Copies the box to the same address in the shared memory of each block of the cluster in the mask `blocks`, one bit
/// per block.
#[track_caller]
pub fn tma_load_multicast<T: Element, const R: usize>(
    to: Address<T>,
    map: Map<T, R>,
    at: impl IndexTuple<R>,
    mbarrier: Address<u64>,
    blocks: impl IntoExpr<u32>,
) {
    if let Some(call) = load(".multicast", &to.retyped(), map.handle, &at.coordinates()) {
        call.address(&mbarrier).value::<u32>(blocks).run();
    }
}

/// Makes the launcher check that rows of a tensor that TMA writes end with a whole word of 16 bytes, of which it would write
/// all.
fn require_whole_words(map: MapId) {
    with(|builder| {
        let map = &builder.function.maps[map];
        let buffer = &builder.function.buffers[map.buffer];
        let (elements, reason) = (16 / buffer.elem.bytes() as i64, reason(&buffer.name));
        if let Some(extent) = map.axes.last().map(|axis| axis.extent.clone()) {
            builder.require_multiple(extent, elements, reason);
        }
    });
}

macro_rules! stores {
    ($($(#[$doc:meta])* $name:ident $row:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<T: Element, const R: usize>(map: Map<T, R>, at: impl IndexTuple<R>, from: Address<T>) {
            store($row, map.handle, &at.coordinates(), &from.retyped());
        }
    )*};
}
stores! {
    /// Copies shared memory to the box at these coordinates, which are not negative, and at a multiple of 16 bytes along the
    /// last axis; elements behind the end of the tensor are dropped. The launcher checks that the last axis is a multiple
    /// of 16 bytes. The same holds for the functions below.
    tma_store "store";
    /// Adds shared memory to the box at these coordinates, element by element, each atomically.
    tma_reduce_add "reduce.add";
    /// Takes the minimum of shared memory and the box at these coordinates.
    tma_reduce_min "reduce.min";
    /// Takes the maximum of shared memory and the box at these coordinates.
    tma_reduce_max "reduce.max";
    /// Combines the box at these coordinates with shared memory by bitwise and.
    tma_reduce_and "reduce.and";
    /// Combines the box at these coordinates with shared memory by bitwise or.
    tma_reduce_or "reduce.or";
    /// Combines the box at these coordinates with shared memory by bitwise exclusive or.
    tma_reduce_xor "reduce.xor";
}

/// Prefetches the box at these coordinates to L2.
#[track_caller]
pub fn tma_prefetch<T: Element, const R: usize>(map: Map<T, R>, at: impl IndexTuple<R>) {
    let Some((map, places)) = map.handle.resolve(&at.coordinates()) else { return };
    intrinsic(&format!("tma.prefetch.{}d", places.len())).map(map).coordinates(places).run();
}

/// Prefetches a tensor map.
#[track_caller]
pub fn tma_prefetch_map<T: Element, const R: usize>(map: Map<T, R>) {
    let Some((map, _)) = map.handle.resolve(&[]) else { return };
    intrinsic("tma.prefetch.map").map(map).run();
}

/// Copies `bytes` bytes, a multiple of 16, from global to shared memory; they arrive at the mbarrier.
#[track_caller]
pub fn bulk_load<T: Element>(to: Address<T>, from: Address<T>, bytes: impl IntoExpr<i32>, mbarrier: Address<u64>) {
    intrinsic("bulk.load").address(&to).address(&from).value::<i32>(bytes).address(&mbarrier).run();
}

macro_rules! bulk_stores {
    ($($(#[$doc:meta])* $name:ident $row:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<T: Element>(to: Address<T>, from: Address<T>, bytes: impl IntoExpr<i32>) {
            intrinsic($row).address(&to).address(&from).value::<i32>(bytes).run();
        }
    )*};
}
bulk_stores! {
    /// Copies `bytes` bytes, a multiple of 16, from shared to global memory.
    bulk_store "bulk.store";
    /// Adds `bytes` bytes of shared memory, a multiple of 16, to global memory, element by element, each atomically.
    bulk_reduce_add "bulk.reduce.add";
    /// Takes the minimum of shared and global memory.
    bulk_reduce_min "bulk.reduce.min";
    /// Takes the maximum of shared and global memory.
    bulk_reduce_max "bulk.reduce.max";
    /// Combines global memory with shared memory by bitwise and.
    bulk_reduce_and "bulk.reduce.and";
    /// Combines global memory with shared memory by bitwise or.
    bulk_reduce_or "bulk.reduce.or";
    /// Combines global memory with shared memory by bitwise exclusive or.
    bulk_reduce_xor "bulk.reduce.xor";
}

/// Commits this thread's bulk stores so far as a group.
#[track_caller]
pub fn bulk_commit() {
    intrinsic("bulk.commit").run();
}

/// Waits until at most `groups` of this thread's bulk store groups are incomplete.
#[track_caller]
pub fn bulk_wait(groups: i32) {
    intrinsic("bulk.wait").imm(groups.into()).run();
}

/// Waits until at most `groups` of this thread's bulk store groups still read shared memory.
#[track_caller]
pub fn bulk_wait_read(groups: i32) {
    intrinsic("bulk.wait.read").imm(groups.into()).run();
}

impl Layout {
    /// Returns the layout of a box in shared memory after a copy through a tensor map with that swizzle (see the
    /// example of [`View::tensor_map`](crate::dsl::View::tensor_map)). The last axis has the width of the swizzle (128,
    /// 64 or 32 bytes); axes before the last two are consecutive boxes.
    pub fn tma<const R: usize>(shape: [i32; R], swizzle: Swizzle) -> Layout {
        let shape: Vec<i64> = shape.iter().map(|extent| i64::from(*extent)).collect();
        let (chunks, log_step) = match swizzle {
            Swizzle::B128 => (8, 0),
            Swizzle::B64 => (4, 1),
            Swizzle::B32 => (2, 2),
            Swizzle::None => return Layout::row_major(shape),
        };
        // Rows of 16-byte chunks, permuted depending on the row.
        let (Some(last), true) = (shape.last().copied(), R >= 2) else { return Layout::row_major(shape) };
        let (mut outer, mut inner) = (shape, vec![1; R]);
        outer[R - 1] = chunks;
        inner[R - 1] = (last / chunks).max(1);
        Layout::row_major(outer).swizzle(R as u8 - 1, R as u8 - 2, log_step) * Layout::row_major(inner)
    }
}
