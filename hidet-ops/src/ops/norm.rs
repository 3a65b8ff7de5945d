//! Normalisations: reductions and what follows, which become one kernel. Floats of 16 bits are computed in `f32`.

use super::refused;
use crate::composed::composed;
use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// Returns each element less the mean, divided by the square root of variance and `epsilon`, over the last `axes` axes;
    /// then times `scale` and plus `bias`, which have the extents of those axes.
    ///
    /// # Errors
    ///
    /// If there are not as many axes, the types or the extents do not fit, or the elements are not floats.
    pub fn layer_norm(
        &self,
        axes: usize,
        scale: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        let over = self.last("layer_norm", axes)?;
        self.fits("layer_norm", &self.shape()[over[0]..], scale)?;
        self.fits("layer_norm", &self.shape()[over[0]..], bias)?;
        let given = [u64::from(scale.is_some()), u64::from(bias.is_some())];
        let inputs: Vec<&Tensor> = [Some(self), scale, bias].into_iter().flatten().collect();
        composed("layer_norm", &[axes as u64, given[0], given[1], epsilon.to_bits()], &inputs, || {
            self.normalized(&over, scale, bias, epsilon)
        })
    }

    /// Returns each element divided by the square root of the mean of squares and `epsilon`, over the last `axes` axes; then
    /// times `scale`, which has the extents of those axes.
    ///
    /// # Errors
    ///
    /// As [`Tensor::layer_norm`].
    pub fn rms_norm(&self, axes: usize, scale: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        let over = self.last("rms_norm", axes)?;
        self.fits("rms_norm", &self.shape()[over[0]..], scale)?;
        let inputs: Vec<&Tensor> = [Some(self), scale].into_iter().flatten().collect();
        composed("rms_norm", &[axes as u64, epsilon.to_bits()], &inputs, || {
            let wide = self.wide()?;
            let factor = wide.square()?.mean(&over, true)?.add(epsilon)?.rsqrt()?;
            scaled(wide.mul(&factor)?, scale, None)?.cast(self.dtype())
        })
    }

    /// Normalises each channel of `[batch, channels, ..]` by a mean and a variance that are given, `[channels]`.
    ///
    /// # Errors
    ///
    /// If there are fewer than two axes, the types or the extents do not fit, or the elements are not floats.
    pub fn batch_norm(
        &self,
        [mean, variance]: [&Tensor; 2],
        scale: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        let channels = self.channels("batch_norm")?;
        for given in [Some(mean), Some(variance), scale, bias] {
            self.fits("batch_norm", &[channels], given)?;
        }
        let along = |tensor: &Tensor| self.along_channels(tensor);
        let factor = along(variance)?.wide()?.add(epsilon)?.rsqrt()?;
        let normal = self.wide()?.sub(&along(mean)?.wide()?)?.mul(&factor)?;
        let [scale, bias] = [scale, bias].map(|tensor| tensor.map(along).transpose());
        scaled(normal, scale?.as_ref(), bias?.as_ref())?.cast(self.dtype())
    }

    /// Normalises each channel of each element of a batch, `[batch, channels, ..]`, by its own mean and variance; `scale` and
    /// `bias` are `[channels]`.
    ///
    /// # Errors
    ///
    /// As [`Tensor::batch_norm`].
    pub fn instance_norm(&self, scale: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        // Without channels there is one group of nothing.
        let channels = self.channels("instance_norm")?.max(1);
        self.group_norm_by("instance_norm", channels, scale, bias, epsilon)
    }

    /// Normalises groups of channels of each element of a batch, `[batch, channels, ..]`, by their own mean and variance;
    /// `scale` and `bias` are `[channels]`.
    ///
    /// # Errors
    ///
    /// As [`Tensor::batch_norm`], and if the groups are not equally large.
    pub fn group_norm(
        &self,
        groups: usize,
        scale: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        self.group_norm_by("group_norm", groups, scale, bias, epsilon)
    }

    fn group_norm_by(
        &self,
        name: &'static str,
        groups: usize,
        scale: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        let channels = self.channels(name)?;
        self.only_floats(name)?;
        if groups == 0 || channels % groups != 0 {
            return Err(refused(name, &[self.ty()], format!("{channels} channels are not {groups} groups")));
        }
        for given in [scale, bias] {
            self.fits(name, &[channels], given)?;
        }
        let (batch, rest) = (self.shape()[0], &self.shape()[2..]);
        let grouped = [&[batch, groups, channels / groups], rest].concat();
        let over: Vec<usize> = (2..grouped.len()).collect();
        let along = |tensor: &Tensor| {
            let ones = vec![1; rest.len()];
            tensor.reshape(&[&[groups, channels / groups], ones.as_slice()].concat())
        };
        let [scale, bias] = [scale, bias].map(|tensor| tensor.map(along).transpose());
        let normal = self.reshape(&grouped)?.normalized(&over, scale?.as_ref(), bias?.as_ref(), epsilon)?;
        normal.reshape(self.shape())
    }

    fn normalized(
        &self,
        over: &[usize],
        scale: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        let wide = self.wide()?;
        let centred = wide.sub(&wide.mean(over, true)?)?;
        let factor = centred.square()?.mean(over, true)?.add(epsilon)?.rsqrt()?;
        scaled(centred.mul(&factor)?, scale, bias)?.cast(self.dtype())
    }

    /// Returns the last axes, of which there must be that many, at least one.
    fn last(&self, name: &'static str, axes: usize) -> Result<Vec<usize>> {
        self.only_floats(name)?;
        let rank = self.ty().rank();
        match axes >= 1 && axes <= rank {
            true => Ok((rank - axes..rank).collect()),
            false => {
                Err(refused(name, &[self.ty()], format!("it is normalised over {axes} of {rank} axes: 1 to {rank}")))
            }
        }
    }

    fn channels(&self, name: &'static str) -> Result<usize> {
        self.only_floats(name)?;
        match self.shape() {
            [_, channels, ..] => Ok(*channels),
            _ => Err(refused(name, &[self.ty()], "it needs two axes or more: [batch, channels, ..]")),
        }
    }

    /// Returns a tensor of channels with axes of one element behind, as many as this one has.
    fn along_channels(&self, tensor: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1; self.ty().rank() - 1];
        shape[0] = tensor.ty().len();
        tensor.reshape(&shape)
    }

    fn fits(&self, name: &'static str, wanted: &[usize], given: Option<&Tensor>) -> Result<()> {
        match given {
            Some(given) if given.shape() != wanted || given.dtype() != self.dtype() => {
                let why = format!("a parameter must be {}{wanted:?}", self.dtype());
                Err(refused(name, &[self.ty(), given.ty()], why))
            }
            _ => Ok(()),
        }
    }
}

fn scaled(normal: Tensor, scale: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    let normal = scale.map_or(Ok(normal.clone()), |scale| normal.mul(&scale.cast(normal.dtype())?))?;
    bias.map_or(Ok(normal.clone()), |bias| normal.add(&bias.cast(normal.dtype())?))
}
