//! Fusion: kernels built with views that are made from other parameters.

use super::argument::{Arguments, Binding};
use super::builder::{Caller, here, with};
use super::reach;
use super::signature::Signature;
use super::template::Template;
use hidet_mapping::IndexExpr;

impl<Args> Template<Args> {
    /// Fuses the kernel with the closures of richer views ([`View::map`](super::View::map),
    /// [`View::map_store`](super::View::map_store)): returns a kernel with other parameters, from which `bind` makes
    /// the parameters of this kernel. The kernel itself is unchanged; one launch computes everything.
    /// [`bind`](Template::bind) does the same if the new parameters are known only at run time.
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
        self.bound(name, at, move |signature| {
            if N != Outer::COUNT {
                let message = format!("{N} names are given for the {} parameters of the fused kernel", Outer::COUNT);
                with(|builder| builder.problem(message, at));
                return Vec::new();
            }
            bind(Outer::declare(signature, &mut names.into_iter())).bindings()
        })
    }

    /// Binds the parameters of the kernel to views and numbers that `bind` makes of another signature: [`fuse`] for a
    /// caller that learns the number, types and ranks of the new parameters only at run time. The closure declares them by
    /// [`Signature::param`] and [`Signature::number`], and returns a [`Binding`] for each parameter of the kernel, in order.
    ///
    /// Extents are named by [`Signature::dim`]. Equal names are the same extent in all new parameters, and the launcher
    /// refuses a wrong one by name. They are names of the new kernel only: what its own kernel requires of an extent follows
    /// from the views that are bound, whatever the names there. As in [`fuse`], the reach of every unprotected access in a
    /// closure of a view must be known.
    ///
    /// A binding of another type, rank or access is an error of the kernel at the line of the call. A tensor that is read
    /// and written can be bound to a parameter that is read or written. The kernel is launched by
    /// [`Kernel::launch_raw`](../kernel/struct.Kernel.html#method.launch_raw).
    ///
    /// ```
    /// use hidet::dsl::{AnyOperand, Binding};
    /// use hidet::ir::{Access, BinaryOp};
    /// use hidet::kernel::RawArg;
    /// use hidet::prelude::*;
    /// use hidet::types::Scalar;
    ///
    /// kernel! {
    ///     #[launch(grid = m, block = 2)]
    ///     fn copy(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
    ///         let (i, j) = (block_idx().x, thread_idx().x * 4);
    ///         if j < n { y.store((i, j), x.load::<4>((i, j))); }
    ///     }
    /// }
    ///
    /// /// y = x + the sum of further inputs, given by their types and the axes of `x` that theirs follow.
    /// fn add(inputs: Vec<(Scalar, Vec<usize>)>) -> Template<()> {
    ///     copy().bind("add", move |signature| {
    ///         let extents = ["rows", "cols"].map(|name| signature.dim(name));
    ///         let x = signature.param("x", Scalar::F32, &extents, Access::In);
    ///         let inputs = inputs.iter().enumerate().map(|(at, (scalar, axes))| {
    ///             let shape: Vec<_> = axes.iter().map(|axis| extents[*axis].clone()).collect();
    ///             signature.param(&format!("input{at}"), *scalar, &shape, Access::In).along(axes)
    ///         });
    ///         let inputs: Vec<AnyOperand> = inputs.collect();
    ///         let y = signature.param("y", Scalar::F32, &extents, Access::Out);
    ///         let sum = x.map(Scalar::F32, &inputs, |value, inputs, _| {
    ///             inputs.iter().fold(value, |sum, input| sum.binary(BinaryOp::Add, input.cast(Scalar::F32)))
    ///         });
    ///         vec![sum.into(), y.into()]
    ///     })
    /// }
    ///
    /// let device = Device::sim();
    /// let kernel = add(vec![(Scalar::F16, vec![1]), (Scalar::I32, vec![0])]).compile(&device)?;
    /// let x = device.zeros::<f32, 2>([2, 4])?;
    /// let bias = device.tensor(&[1.0, 2.0, 3.0, 4.0].map(f16::from_f32), [4])?;
    /// let (shift, mut y) = (device.tensor(&[10, 20], [2])?, device.empty::<f32, 2>([2, 4])?);
    /// let args: [RawArg; 4] = [(&x).into(), (&bias).into(), (&shift).into(), (&mut y).into()];
    /// kernel.launch_raw(&args)?;
    /// assert_eq!(y.to_vec()?, [11.0, 12.0, 13.0, 14.0, 21.0, 22.0, 23.0, 24.0]);
    ///
    /// let shift = device.tensor(&[10, 20, 30], [3])?;
    /// let args: [RawArg; 4] = [(&x).into(), (&bias).into(), (&shift).into(), (&mut y).into()];
    /// let error = kernel.launch_raw(&args).unwrap_err().to_string();
    /// let message = "`rows` is 2 from axis 0 of argument `x`, but 3 from axis 0 of argument `input1`";
    /// assert!(error.contains(message), "{error}");
    /// # Ok::<(), hidet::Error>(())
    /// ```
    ///
    /// [`fuse`]: Template::fuse
    #[track_caller]
    pub fn bind(self, name: &str, bind: impl FnOnce(&mut Signature) -> Vec<Binding> + 'static) -> Template<()>
    where
        Args: 'static,
    {
        self.bound(name, here(), bind)
    }

    fn bound<Outer>(
        self,
        name: &str,
        at: Caller,
        bind: impl FnOnce(&mut Signature) -> Vec<Binding> + 'static,
    ) -> Template<Outer>
    where
        Args: 'static,
    {
        let dependent = self.is_dependent();
        let outer = Template::new(name, move |signature| {
            signature.place = Some(at);
            let bound = reach::closure(true, &[], &[], at, || bind(signature));
            signature.relate();
            let (given, kernel) = (bound.len(), self.name().to_owned());
            let mut inner = signature.inner(bound, at);
            self.emit(&mut inner);
            inner.all_bound(given, &kernel);
        });
        if dependent { outer.dependent() } else { outer }
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
