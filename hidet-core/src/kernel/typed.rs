//! Typed launches: rustc checks number, order, types and ranks of the arguments, and that nothing aliases.

use super::{CompileOptions, Compiled, Image, PreparedLaunch, RawArg, Resources};
use crate::cache::Cache;
use crate::codegen;
use crate::cuda::{Binary, nvrtc};
use crate::device::{Device, Stream, Tensor, TensorTable, TensorTableMut};
use crate::dsl::{Expr, In, InOut, InOutTable, InTable, Out, OutTable, Template};
use crate::error::Result;
use crate::ir::{Function, verify};
use crate::passes;
use crate::types::{Const, Element, Scalar};
use std::fmt;
use std::marker::PhantomData;

/// A kernel compiled for a device, with the types of its parameters. Cloning returns another handle to it.
pub struct Kernel<Args> {
    compiled: Compiled,
    of: PhantomData<fn() -> Args>,
}

impl<Args> Clone for Kernel<Args> {
    fn clone(&self) -> Self {
        Kernel { compiled: self.compiled.clone(), of: PhantomData }
    }
}

impl<Args> fmt::Debug for Kernel<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({} for {})", self.compiled.head().name, self.compiled.device())
    }
}

fn compiled(function: Result<Function>, device: &Device, options: &CompileOptions) -> Result<Compiled> {
    Compiled::new(function?, device, options)
}

impl<Args> Template<Args> {
    /// Returns the CUDA C++ of the kernel for an architecture. Needs neither a GPU nor CUDA.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = n.div_ceil(256), block = 256)]
    ///     fn double(x: InOut<f32, [n]>) {
    ///         let i = block_idx().x * 256 + thread_id();
    ///         if i < n { x[[i]] *= 2.0; }
    ///     }
    /// }
    ///
    /// let text = double().cuda("sm_90a")?;
    /// assert!(text.contains("double"));
    /// # Ok::<(), hidet::Error>(())
    /// ```
    pub fn cuda(self, arch: &str) -> Result<String> {
        let (function, arch) = (self.build()?, arch.parse()?);
        verify::check(&function)?;
        let lowered = passes::lower(&function, &passes::LoweringOptions::default())?;
        Ok(codegen::cuda(&lowered, arch)?.text)
    }

    /// Returns the PTX of the kernel for an architecture, such as `sm_90a`. Needs NVRTC, but no GPU.
    pub fn ptx(self, arch: &str) -> Result<String> {
        let (function, arch) = (self.build()?, arch.parse()?);
        verify::check(&function)?;
        let lowered = passes::lower(&function, &passes::LoweringOptions::default())?;
        nvrtc::ptx(&codegen::cuda(&lowered, arch)?, arch)
    }

    /// Returns the machine code of the kernel for an architecture, as the driver loads it (an ELF file). Needs NVRTC,
    /// but no GPU. For programs that launch it by themselves; an [`Image`] also has what a checked launch needs.
    pub fn cubin(self, arch: &str) -> Result<Vec<u8>> {
        let (mut function, arch) = (self.build()?, arch.parse()?);
        verify::check(&function)?;
        function.compact();
        let binary = Binary::of(Cache::global(), &function, arch, &passes::LoweringOptions::default())?;
        Ok(binary.cubin.image().to_vec())
    }

    /// Compiles the kernel ahead of time for an architecture; see [`Image`]. Needs NVRTC, but no GPU.
    pub fn image(self, arch: &str) -> Result<Image> {
        Image::of(self.build()?, arch.parse()?, &CompileOptions::default())
    }

    /// Loads the kernel from an image instead of compiling it; see [`Image`]. Needs no NVRTC. Returns an error if the
    /// image is of another kernel, or of an earlier state of this one.
    pub fn load(self, image: &Image, device: &Device) -> Result<Kernel<Args>> {
        image.check_is_of(self.build()?)?;
        Compiled::load(image, device).map(Kernel::of)
    }

    /// Builds the kernel and compiles it for a device.
    pub fn compile(self, device: &Device) -> Result<Kernel<Args>> {
        self.compile_with(device, &CompileOptions::default())
    }

    /// Builds the kernel and compiles it for a device with the given options.
    pub fn compile_with(self, device: &Device, options: &CompileOptions) -> Result<Kernel<Args>> {
        compiled(self.build(), device, options).map(Kernel::of)
    }
}

impl<Args> Kernel<Args> {
    pub(super) fn of(compiled: Compiled) -> Self {
        Kernel { compiled, of: PhantomData }
    }

    /// Returns the kernel as it was written.
    pub fn function(&self) -> &Function {
        self.compiled.function()
    }

    /// Returns the resources of the last checked launch (registers, spills, shared memory, occupancy), or `None` on the
    /// simulated device.
    pub fn resources(&self) -> Result<Option<Resources>> {
        self.compiled.resources()
    }

    /// Returns the kernel bound to a stream: `kernel.on(&stream).launch(&x, &mut y)`. If the stream is captured in a
    /// graph, the launch is recorded instead.
    pub fn on<'a>(&'a self, stream: &'a Stream) -> On<'a, Args> {
        On { kernel: self, stream }
    }

    /// Checks the arguments and launches the kernel, as the typed `launch`, with any number of arguments: for kernels whose
    /// parameters are known only at run time, such as those of [`Template::bind`].
    pub fn launch_raw(&self, args: &[RawArg]) -> Result<()> {
        self.compiled.launch(args)
    }

    /// Returns the kernel without the types of its parameters.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }
}

/// A kernel bound to a stream.
#[derive(Debug)]
pub struct On<'a, Args> {
    kernel: &'a Kernel<Args>,
    stream: &'a Stream,
}

impl<Args> On<'_, Args> {
    /// Checks the arguments and launches the kernel on the stream, with any number of arguments: see
    /// [`Kernel::launch_raw`].
    pub fn launch_raw(&self, args: &[RawArg]) -> Result<()> {
        self.kernel.compiled.launch_on(self.stream, args)
    }
}

/// The argument of a launch for a parameter: `&Tensor` for `In`, `&mut Tensor` for `Out` and `InOut`, `&TensorTable` or
/// `&TensorTableMut` for a table of tensors, a number for a scalar, and an `Option` of one of these for an optional parameter.
pub trait Parameter {
    /// The type of the argument.
    type Host<'a>;
    /// True for an optional parameter.
    const OPTIONAL: bool = false;
    /// Returns the argument without its types; `None` if it is optional and not given.
    fn raw<'a>(argument: &'a Self::Host<'_>) -> Option<RawArg<'a>>;
}

impl<P: Parameter> Parameter for Option<P> {
    type Host<'a> = Option<P::Host<'a>>;
    const OPTIONAL: bool = true;
    fn raw<'a>(argument: &'a Option<P::Host<'_>>) -> Option<RawArg<'a>> {
        argument.as_ref().and_then(P::raw)
    }
}

/// Stands for an argument that is always given.
const NONE: RawArg = RawArg::Scalar(Const { scalar: Scalar::Bool, bits: 0 });

/// Returns the arguments that are given, or an error if they are not as many as the kernel takes.
fn given<'a>(compiled: &Compiled, args: &[Option<RawArg<'a>>]) -> Result<Vec<RawArg<'a>>> {
    let given: Vec<RawArg> = args.iter().copied().flatten().collect();
    let (passed, taken) = (given.len(), compiled.head().params.len());
    if passed == taken {
        return Ok(given);
    }
    Err(compiled.error(format!(
        "{passed} arguments were passed; the kernel was built with {taken} of its {} parameters, and an optional one is \
         passed if the kernel has it",
        args.len()
    )))
}

impl<T: Element, const R: usize> Parameter for In<T, R> {
    type Host<'a> = &'a Tensor<T, R>;
    fn raw<'a>(argument: &'a &Tensor<T, R>) -> Option<RawArg<'a>> {
        Some(RawArg::Tensor(argument.raw()))
    }
}

impl<T: Element, const R: usize> Parameter for Out<T, R> {
    type Host<'a> = &'a mut Tensor<T, R>;
    fn raw<'a>(argument: &'a &mut Tensor<T, R>) -> Option<RawArg<'a>> {
        Some(RawArg::Tensor(argument.raw()))
    }
}

impl<T: Element, const R: usize> Parameter for InOut<T, R> {
    type Host<'a> = &'a mut Tensor<T, R>;
    fn raw<'a>(argument: &'a &mut Tensor<T, R>) -> Option<RawArg<'a>> {
        Some(RawArg::Tensor(argument.raw()))
    }
}

impl<T: Element, const R: usize> Parameter for InTable<T, R> {
    type Host<'a> = &'a TensorTable<'a, T, R>;
    fn raw<'a>(argument: &'a &TensorTable<'_, T, R>) -> Option<RawArg<'a>> {
        Some(RawArg::Table(argument.raw()))
    }
}

impl<T: Element, const R: usize> Parameter for OutTable<T, R> {
    type Host<'a> = &'a TensorTableMut<'a, T, R>;
    fn raw<'a>(argument: &'a &TensorTableMut<'_, T, R>) -> Option<RawArg<'a>> {
        Some(RawArg::Table(argument.raw()))
    }
}

impl<T: Element, const R: usize> Parameter for InOutTable<T, R> {
    type Host<'a> = &'a TensorTableMut<'a, T, R>;
    fn raw<'a>(argument: &'a &TensorTableMut<'_, T, R>) -> Option<RawArg<'a>> {
        Some(RawArg::Table(argument.raw()))
    }
}

impl<T: Element> Parameter for Expr<T> {
    type Host<'a> = T;
    fn raw<'a>(argument: &'a T) -> Option<RawArg<'a>> {
        Some(RawArg::Scalar(argument.constant()))
    }
}

/// Evaluates a call with the arguments without their types; those of optional parameters only if they are given.
macro_rules! pass {
    ($compiled:expr, |$args:ident| $call:expr; $($name:ident $arg:ident)*) => {
        if false $(|| $name::OPTIONAL)* {
            let given = given($compiled, &[$($name::raw(&$arg)),*])?;
            let $args = given.as_slice();
            $call
        } else {
            let $args = &[$($name::raw(&$arg).unwrap_or(NONE)),*];
            $call
        }
    };
}

macro_rules! launch {
    ($($($name:ident $arg:ident)*;)*) => {$(
        impl<$($name: Parameter),*> Kernel<($($name,)*)> {
            /// Checks the arguments and launches the kernel: `&x` for what it reads, `&mut y` for what it writes,
            /// numbers by value. On a GPU it returns before the kernel has ended; reading a result waits for it.
            #[allow(clippy::too_many_arguments)]
            pub fn launch(&self, $($arg: $name::Host<'_>),*) -> Result<()> {
                pass!(&self.compiled, |args| self.compiled.launch(args); $($name $arg)*)
            }

            /// Checks the arguments once, as [`launch`](Self::launch) takes them, and returns a launch that can be
            /// repeated and be part of a graph. It reads and writes the memory of these tensors, and keeps it alive.
            #[allow(clippy::too_many_arguments)]
            pub fn prepare(&self, $($arg: $name::Host<'_>),*) -> Result<PreparedLaunch> {
                pass!(&self.compiled, |args| self.compiled.prepare(args); $($name $arg)*)
            }
        }

        impl<$($name: Parameter),*> On<'_, ($($name,)*)> {
            /// Checks the arguments and launches the kernel on the stream, after the work that its tensors must wait
            /// for.
            #[allow(clippy::too_many_arguments)]
            pub fn launch(&self, $($arg: $name::Host<'_>),*) -> Result<()> {
                let compiled = &self.kernel.compiled;
                pass!(compiled, |args| compiled.launch_on(self.stream, args); $($name $arg)*)
            }
        }
    )*};
}
launch! {
    ;
    A a;
    A a B b;
    A a B b C c;
    A a B b C c D d;
    A a B b C c D d E e;
    A a B b C c D d E e F f;
    A a B b C c D d E e F f G g;
    A a B b C c D d E e F f G g H h;
    A a B b C c D d E e F f G g H h I i;
    A a B b C c D d E e F f G g H h I i J j;
    A a B b C c D d E e F f G g H h I i J j K k;
    A a B b C c D d E e F f G g H h I i J j K k L l;
    A a B b C c D d E e F f G g H h I i J j K k L l M m;
    A a B b C c D d E e F f G g H h I i J j K k L l M m N n;
    A a B b C c D d E e F f G g H h I i J j K k L l M m N n O o;
    A a B b C c D d E e F f G g H h I i J j K k L l M m N n O o P p;
}
