//! Fusion: kernels built with views that are made from other parameters.

use super::builder::{here, with};
use super::reach;
use super::template::{Arguments, Template};
use hidet_mapping::IndexExpr;

impl<Args> Template<Args> {
    /// Fuses the kernel with the closures of richer views ([`View::map`](super::View::map),
    /// [`View::map_store`](super::View::map_store)): returns a kernel with other parameters, from which `bind` makes
    /// the parameters of this kernel. The kernel itself is unchanged; one launch computes everything.
    ///
    /// `names` are the new parameters, in order: `"scale"`, or with the names of their extents, `"bias[n]"`. Equal
    /// names are the same extent, including those of the kernel itself: the launcher checks that they agree. An extent
    /// may also be a number. Without brackets, extents have no names, and are related only by their use:
    ///
    /// - A tensor passed on to the kernel, directly or as a view of the same shape, has the extents that the kernel
    ///   requires.
    /// - A closure of a view may read or write another tensor at coordinates it was given, at extents and numbers, and
    ///   at sums, products, quotients and remainders of these: the launcher checks that the tensor is large enough.
    /// - At any other coordinates, such as those read from a tensor, closures must protect their accesses:
    ///   [`get`](super::View::get), [`set`](super::View::set).
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = n.div_ceil(32), block = 32)]
    ///     fn copy(x: In<f32, [n]>, y: Out<f32, [n]>) {
    ///         let i = block_idx().x * 32 + thread_idx().x;
    ///         y.set((i,), x.get((i,)));
    ///     }
    /// }
    ///
    /// type Parameters = (In<f32, 1>, In<f32, 1>, Out<f32, 1>);
    /// let biased = copy().fuse("biased", ["x[n]", "bias[n]", "y[n]"], |(x, bias, y): Parameters| {
    ///     (x.map(move |v, [i]| v + bias.read((i,))), y)
    /// });
    /// let device = Device::sim();
    /// let (x, bias, mut y) = (device.zeros([35])?, device.zeros([3])?, device.zeros([35])?);
    /// let error = biased.compile(&device)?.launch(&x, &bias, &mut y).unwrap_err().to_string();
    /// let message = "`n` is 35 from axis 0 of argument `x`, but 3 from axis 0 of argument `bias`";
    /// assert!(error.contains(message), "{error}");
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn fuse<Outer, const N: usize>(
        self,
        name: &str,
        names: [&'static str; N],
        bind: impl FnOnce(Outer) -> Args + 'static,
    ) -> Template<Outer>
    where
        Outer: Arguments,
        Args: Arguments + 'static,
    {
        let at = here();
        Template::new(name, move |signature| {
            if N != Outer::COUNT {
                let message = format!("{N} names are given for the {} parameters of the fused kernel", Outer::COUNT);
                with(|builder| builder.problem(message, at));
                return;
            }
            signature.place = Some(at);
            let outer = Outer::declare(signature, &mut names.into_iter());
            signature.relate();
            let bound = reach::closure(true, &[], &[], at, || bind(outer));
            self.emit(&mut signature.inner(bound.bindings()));
        })
    }
}

/// Parses the name of a parameter, and its extents if given: `bias[n]`. The error is a message.
pub(super) fn parameter(text: &str) -> Result<(&str, Option<Vec<ParameterExtent<'_>>>), String> {
    let Some((name, rest)) = text.split_once('[') else { return Ok((text.trim(), None)) };
    let wrong =
        || format!("`{text}` is not a parameter; write `name`, or `name[rows, cols]` with the names of its extents");
    let inside = rest.trim_end().strip_suffix(']').ok_or_else(wrong)?.trim();
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    let is_name = |word: &str| word.chars().all(|c| c == '_' || c.is_alphanumeric());
    let extents = inside.split(',').map(str::trim).map(|word| match word.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(ParameterExtent::Number(number.into())),
        Err(_) if is_name(word) && word.starts_with(|c: char| !c.is_ascii_digit()) => Ok(ParameterExtent::Name(word)),
        _ => Err(wrong()),
    });
    Ok((name.trim(), Some(extents.collect::<Result<_, _>>()?)))
}

/// An extent of a parameter of a fused kernel.
pub(super) enum ParameterExtent<'a> {
    Name(&'a str),
    Number(IndexExpr),
}
