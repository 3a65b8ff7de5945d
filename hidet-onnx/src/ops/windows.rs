//! Windows of convolutions and pools, by the attributes that they share.

use super::tools::unsupported;
use crate::call::Call;
use crate::error::NodeResult;
use hidet_ops::Window;

/// The attributes that windows have.
pub(super) struct Windows {
    pub(super) kernel: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    pub(super) before: Vec<usize>,
    pub(super) after: Vec<usize>,
}

impl Windows {
    /// Returns the windows over spatial axes with these extents, of a kernel that is an attribute, or else `kernel`.
    pub(super) fn of(call: &Call, spatial: &[usize], kernel: Option<&[usize]>) -> NodeResult<Windows> {
        let axes = spatial.len();
        let given = call.extents("kernel_shape")?;
        let kernel = match (given, kernel) {
            (Some(given), Some(own)) if given != own => {
                return Err(format!("`kernel_shape` is {given:?}, but the weight has {own:?}").into());
            }
            (Some(given), _) => given,
            (None, Some(own)) => own.to_vec(),
            (None, None) => return Err("attribute `kernel_shape` is missing".into()),
        };
        let strides = call.extents("strides")?.unwrap_or_else(|| vec![1; axes]);
        let dilations = call.extents("dilations")?.unwrap_or_else(|| vec![1; axes]);
        let pads = call.extents("pads")?;
        let lists = [("kernel_shape", &kernel), ("strides", &strides), ("dilations", &dilations)];
        if let Some((name, list)) = lists.into_iter().find(|(_, list)| list.len() != axes || list.contains(&0)) {
            return Err(format!("`{name}` = {list:?} does not fit {axes} spatial axes").into());
        }
        let mut windows = Windows { kernel, strides, dilations, before: vec![0; axes], after: vec![0; axes] };
        match call.text("auto_pad", "NOTSET")?.as_str() {
            "NOTSET" => match pads {
                Some(pads) if pads.len() == 2 * axes => {
                    windows.before = pads[..axes].to_vec();
                    windows.after = pads[axes..].to_vec();
                }
                Some(pads) => return Err(format!("`pads` = {pads:?} does not fit {axes} spatial axes").into()),
                None => {}
            },
            "VALID" => {}
            side @ ("SAME_UPPER" | "SAME_LOWER") => windows.pad_same(spatial, side == "SAME_UPPER"),
            other => return unsupported("auto_pad", other),
        }
        Ok(windows)
    }

    /// Pads so that there is a window for each stride; what is odd goes behind if `upper`.
    fn pad_same(&mut self, spatial: &[usize], upper: bool) {
        for (axis, extent) in spatial.iter().enumerate() {
            let count = extent.div_ceil(self.strides[axis]).max(1);
            let total = ((count - 1) * self.strides[axis] + self.reach(axis)).saturating_sub(*extent);
            (self.before[axis], self.after[axis]) = halves(total, upper);
        }
    }

    /// Returns how many elements are between the first and the last of a window, with both.
    pub(super) fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// Returns the windows as operators take them.
    pub(super) fn window(&self) -> Window {
        let window = Window::new(self.kernel.len()).stride(&self.strides).dilation(&self.dilations);
        window.padding_of(&self.before, &self.after)
    }
}

/// Returns a number as two, of which the second is not less if `upper`, else the first.
pub(super) fn halves(total: usize, upper: bool) -> (usize, usize) {
    let less = total / 2;
    if upper { (less, total - less) } else { (total - less, less) }
}

/// Returns the spatial extents of `[n, c, spatial..]`.
pub(super) fn spatial(shape: &[usize]) -> NodeResult<&[usize]> {
    match shape {
        [_, _, spatial @ ..] if !spatial.is_empty() => Ok(spatial),
        _ => Err(format!("the input must have the axes n, c and spatial ones, but has {shape:?}").into()),
    }
}
