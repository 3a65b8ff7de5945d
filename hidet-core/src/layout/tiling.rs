//! Splitting and joining axes: split, fuse, tile. Elements keep their offsets.

use super::construct::product;
use super::{Layout, LayoutError};
use hidet_mapping::IndexExpr;

impl Layout {
    /// Splits an axis of extent `n` into two, with extents `n / factor` and `factor`.
    pub fn split(self, axis: usize, factor: u32) -> Result<Layout, LayoutError> {
        let mut shape = self.shape();
        let extent = extent_of(&shape, axis)?;
        let outer = divided(axis, extent, factor)?;
        shape.splice(axis..=axis, [outer, factor.into()]);
        Ok(self.reshape(shape))
    }

    /// Joins the `count` axes starting at `axis` into one, in row-major order.
    pub fn fuse(self, axis: usize, count: usize) -> Result<Layout, LayoutError> {
        let mut shape = self.shape();
        let end = axis.saturating_add(count.max(1));
        extent_of(&shape, end - 1)?;
        let joined = product(&shape[axis..end]);
        shape.splice(axis..end, [joined]);
        Ok(self.reshape(shape))
    }

    /// Tiles the layout: the axes of the grid of tiles come first, then those inside of a tile. A layout of shape `[64,
    /// 32]` tiled by `[16, 8]` has shape `[4, 4, 16, 8]`.
    pub fn tile(self, tile: &[u32]) -> Result<Layout, LayoutError> {
        let (shape, rank) = (self.shape(), self.rank());
        if tile.len() != rank {
            return Err(LayoutError::Strides { shape: rank, strides: tile.len() });
        }
        let mut both = Vec::with_capacity(2 * rank);
        for (axis, (extent, factor)) in shape.iter().zip(tile).enumerate() {
            both.push(divided(axis, extent, *factor)?);
            both.push((*factor).into());
        }
        let order: Vec<u8> =
            (0..rank).map(|axis| 2 * axis).chain((0..rank).map(|axis| 2 * axis + 1)).map(|a| a as u8).collect();
        Ok(self.reshape(both).permute(&order))
    }
}

fn extent_of(shape: &[IndexExpr], axis: usize) -> Result<&IndexExpr, LayoutError> {
    let missing = LayoutError::Axis { axis: axis.min(u8::MAX.into()) as u8, rank: shape.len() };
    shape.get(axis).ok_or(missing)
}

fn divided(axis: usize, extent: &IndexExpr, factor: u32) -> Result<IndexExpr, LayoutError> {
    match extent.as_const() {
        Some(number) if factor > 0 && number % i64::from(factor) == 0 => Ok((number / i64::from(factor)).into()),
        _ => Err(LayoutError::Split { axis, extent: extent.to_string(), factor }),
    }
}
