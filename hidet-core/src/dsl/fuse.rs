//! Fusion: a kernel built with views made of other parameters.

use super::builder::{here, with};
use super::reach;
use super::template::{Arguments, Template};
use hidet_mapping::IndexExpr;

impl<Args> Template<Args> {
    /// The kernel with other parameters: `bind` gets those and returns the parameters of this kernel, built from them
    /// with richer views ([`View::map`](super::View::map), [`View::map_store`](super::View::map_store)). The kernel itself
    /// stays as it is; one launch does it all.
    ///
    /// `names` are the new parameters, in order: `"scale"`, or with the names of their extents, `"bias[n]"`. One name is one
    /// extent, also where the kernel itself has it: the launcher checks that all of that name agree. A number is an extent
    /// too. Without brackets the extents have no names, and are related only by what is done with them:
    ///
    /// - Where a tensor is passed on to the kernel, or as a view of the same shape, it has the extents the kernel asks for.
    /// - Where a closure of a view reads or writes another tensor, at coordinates it was given, at extents and numbers, and at
    ///   sums, products, quotients and remainders of those, the launcher checks that the tensor is as large.
    /// - At other places, such as those found in a tensor, closures must protect their accesses:
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
    /// }); let device = Device::sim(); let (x, bias, mut y) = (device.zeros([35])?, device.zeros([3])?,
    /// device.zeros([35])?); let error = biased.compile(&device)?.launch(&x, &bias, &mut y).unwrap_err().to_string();
    /// assert!(error.contains("`n` is 35 from axis 0 of argument `x`, but 3 from axis 0 of argument `bias`"),
    /// "{error}");
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

/// The name of a parameter, and its extents where they are given: `bias[n]`. The error says what is wrong.
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
