//! [`Template`]: a kernel that can be built, and [`Signature`]: its parameters, extents and launch while it is built.

use super::access::{ViewData, ViewExtent};
use super::builder::{Caller, build, here, with};
use super::expr::{DeviceType, Expr};
use super::fuse::{ParameterExtent, parameter};
use super::index::compute;
use super::memory::row_major;
use super::view::{Read, ReadWrite, View, Write, add};
use crate::error::Result;
use crate::ir::{Access, Buffer, Constraint, Dim, Function, Handle, Param, Relation, Scope};
use crate::types::Element;
use hidet_mapping::IndexExpr;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

/// A kernel with its meta parameters applied: the result of calling a function of `kernel!`. `Args` is the tuple of its
/// parameters, such as `(In<f32, 2>, Out<f32, 2>)`.
pub struct Template<Args> {
    name: String,
    body: Box<dyn FnOnce(&mut Signature)>,
    of: PhantomData<fn() -> Args>,
}

impl<Args> fmt::Debug for Template<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.name)
    }
}

impl<Args> Template<Args> {
    /// Creates a kernel whose body is emitted by `body`, which first declares parameters and launch.
    pub fn new(name: &str, body: impl FnOnce(&mut Signature) + 'static) -> Self {
        Template { name: name.to_owned(), body: Box::new(body), of: PhantomData }
    }

    /// Renames the kernel.
    pub fn named(self, name: &str) -> Self {
        Template { name: name.to_owned(), ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Builds the IR, or returns the first mistake found as an error with its source location.
    pub fn build(self) -> Result<Function> {
        let name = self.name.clone();
        build(&name, || self.emit(&mut Signature::default()))
    }

    /// Emits the kernel into the function being built.
    pub(super) fn emit(self, signature: &mut Signature) {
        (self.body)(signature);
    }
}

/// The source of a parameter of a kernel that is built as part of a fused one.
#[derive(Debug)]
pub enum Binding {
    /// A tensor: the kernel and the number of the view.
    #[doc(hidden)]
    View(u32, u32),
    /// A number.
    #[doc(hidden)]
    Scalar(Expr<()>),
}

/// A parameter of a kernel: `In<T, R>`, `Out<T, R>`, `InOut<T, R>`, or a number `Expr<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of a kernel",
    label = "not a parameter",
    note = "parameters are `In<T, R>`, `Out<T, R>`, `InOut<T, R>` and `Expr<T>` for a number"
)]
pub trait Argument: Copy {
    /// Declares a parameter as named in [`Template::fuse`]: with the given extents, or with extents of its own.
    fn declare(signature: &mut Signature, name: &str) -> Self;
    /// Returns the parameter as a binding for a fused kernel.
    fn binding(self) -> Binding;
}

/// The access mode of a tensor parameter.
pub trait Mode: Copy + 'static {
    /// The mode in the IR.
    const ACCESS: Access;
}
impl Mode for Read {
    const ACCESS: Access = Access::In;
}
impl Mode for Write {
    const ACCESS: Access = Access::Out;
}
impl Mode for ReadWrite {
    const ACCESS: Access = Access::InOut;
}

#[diagnostic::do_not_recommend]
impl<T: Element, const R: usize, A: Mode> Argument for View<T, R, A> {
    fn declare(signature: &mut Signature, name: &str) -> Self {
        let (name, shape) = signature.named::<R>(name);
        signature.tensor(name, shape)
    }
    fn binding(self) -> Binding {
        let (kernel, id) = self.key();
        Binding::View(kernel, id)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Element> Argument for Expr<T> {
    fn declare(signature: &mut Signature, name: &str) -> Self {
        signature.scalar(name)
    }
    fn binding(self) -> Binding {
        Binding::Scalar(self.assume())
    }
}

/// The parameters of a kernel as a tuple.
pub trait Arguments: Sized {
    /// The number of parameters.
    const COUNT: usize;
    /// Declares all parameters.
    fn declare(signature: &mut Signature, names: &mut dyn Iterator<Item = &'static str>) -> Self;
    /// Returns all parameters as bindings for a fused kernel.
    fn bindings(self) -> VecDeque<Binding>;
}

macro_rules! arguments {
    ($($count:literal: $($name:ident)*;)*) => {$(
        #[allow(non_snake_case, unused)]
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            const COUNT: usize = $count;
            fn declare(signature: &mut Signature, names: &mut dyn Iterator<Item = &'static str>) -> Self {
                ($($name::declare(signature, names.next().unwrap_or_default()),)*)
            }
            fn bindings(self) -> VecDeque<Binding> {
                let ($($name,)*) = self;
                VecDeque::from(vec![$($name.binding()),*])
            }
        }
    )*};
}
arguments! {
    0: ;
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
    9: A B C D E F G H I;
    10: A B C D E F G H I J;
    11: A B C D E F G H I J K;
    12: A B C D E F G H I J K L;
    13: A B C D E F G H I J K L M;
    14: A B C D E F G H I J K L M N;
    15: A B C D E F G H I J K L M N O;
    16: A B C D E F G H I J K L M N O P;
}

/// The first symbol of unknown extents: those of a kernel that is built with richer views.
const UNKNOWN: u32 = 1 << 30;

/// The signature of a kernel being built: declares extents, parameters and launch, in this order.
#[derive(Debug, Default)]
pub struct Signature {
    /// If the parameters come from another kernel's views: the views not taken yet.
    bindings: Option<VecDeque<Binding>>,
    /// Names of the extents, and their formulas if the parameters come from views.
    dims: Vec<(String, Option<IndexExpr>)>,
    /// Declared extents that a view must have: the declared one, the view's, and the message.
    equal: Vec<(IndexExpr, IndexExpr, String)>,
    /// The extents named in the parameters of a fused kernel: name, extent, and location.
    named: Vec<(String, IndexExpr, String)>,
    /// The named extents of the fused kernel that contains this one.
    outer: Vec<(String, IndexExpr, String)>,
    /// The source location of the fusion.
    pub(super) place: Option<Caller>,
}

impl Signature {
    /// Declares an extent, or returns the one already declared with that name.
    pub fn dim(&mut self, name: &str) -> IndexExpr {
        if let Some(known) = self.dims.iter().position(|(dim, _)| dim == name) {
            return self.symbol(known);
        }
        let formula = match self.bindings {
            Some(_) => None,
            None => with(|builder| {
                let dim = builder.function.dims.push(Dim { name: name.to_owned() });
                IndexExpr::Symbol(dim.index() as u32)
            }),
        };
        self.dims.push((name.to_owned(), formula));
        self.symbol(self.dims.len() - 1)
    }

    fn symbol(&self, dim: usize) -> IndexExpr {
        match &self.dims[dim].1 {
            Some(formula) => formula.clone(),
            None => IndexExpr::Symbol(UNKNOWN + dim as u32),
        }
    }

    /// Returns the formula with every known extent of this kernel replaced by its formula.
    fn known(&self, formula: &IndexExpr) -> IndexExpr {
        formula.substitute(
            &mut |symbol| match symbol.checked_sub(UNKNOWN).and_then(|dim| self.dims.get(dim as usize)) {
                Some((_, Some(formula))) => formula.clone(),
                _ => IndexExpr::Symbol(symbol),
            },
        )
    }

    /// Parses the name and extents of a parameter of a fused kernel.
    #[track_caller]
    fn named<'a, const R: usize>(&mut self, text: &'a str) -> (&'a str, [IndexExpr; R]) {
        let at = self.place.unwrap_or_else(here);
        let (name, extents) = parameter(text).unwrap_or_else(|message| {
            with(|builder| builder.problem(message, at));
            (text, None)
        });
        if let Some(extents) = extents.as_ref().filter(|extents| extents.len() != R) {
            let message = format!("`{text}` names {} extents; the tensor has {R} axes", extents.len());
            with(|builder| builder.problem(message, at));
        }
        let shape = std::array::from_fn(|axis| match extents.as_ref().and_then(|extents| extents.get(axis)) {
            Some(ParameterExtent::Number(number)) => number.clone(),
            Some(ParameterExtent::Name(extent)) => {
                let symbol = self.dim(extent);
                if !self.named.iter().any(|(known, ..)| known == extent) {
                    self.named.push(((*extent).to_owned(), symbol.clone(), format!("axis {axis} of `{name}`")));
                }
                symbol
            }
            None => self.dim(&format!("{name}_{axis}")),
        });
        (name, shape)
    }

    /// Returns the signature of the kernel that is built with these views as part of this one.
    pub(super) fn inner(&self, bindings: VecDeque<Binding>) -> Signature {
        let outer = self.named.iter().map(|(name, extent, place)| (name.clone(), self.known(extent), place.clone()));
        Signature { bindings: Some(bindings), outer: outer.collect(), ..Signature::default() }
    }

    /// Makes the launcher check that extents agree that must be equal.
    pub(super) fn relate(&mut self) {
        for (name, extent, place) in &self.outer {
            if let Some((_, Some(formula))) = self.dims.iter().find(|(dim, formula)| dim == name && formula.is_some()) {
                self.equal.push((extent.clone(), formula.clone(), format!("{place} is the extent `{name}`")));
            }
        }
        let equal = std::mem::take(&mut self.equal).into_iter().map(|(declared, given, message)| Constraint {
            left: self.known(&given),
            relation: Relation::Equal,
            right: self.known(&declared),
            message,
        });
        let equal: Vec<Constraint> = equal.filter(|rule| rule.left != rule.right).collect();
        with(|builder| builder.function.constraints.extend(equal));
    }

    /// Declares a tensor parameter with these extents.
    #[track_caller]
    pub fn tensor<T: Element, const R: usize, A: Mode>(&mut self, name: &str, shape: [IndexExpr; R]) -> View<T, R, A> {
        let at = here();
        let Some(bindings) = &mut self.bindings else {
            return with(|builder| {
                let shape = shape.to_vec();
                let layout = row_major(&shape);
                let buffer = builder.function.buffers.push(Buffer {
                    name: name.to_owned(),
                    scope: Scope::Global,
                    elem: T::SCALAR,
                    shape,
                    layout,
                    align: T::SCALAR.bytes() as u32,
                    alias: None,
                });
                builder.function.params.push(Param::Tensor { buffer, access: A::ACCESS });
                ViewData::memory(builder, buffer)
            })
            .map_or_else(View::dead, add);
        };
        let view: View<T, R, A> = match bindings.pop_front() {
            Some(Binding::View(kernel, id)) => View::of_key(kernel, id),
            _ => return View::dead(),
        };
        for (axis, (declared, size)) in
            shape.iter().zip(view.data(at).map(|data| data.shape).unwrap_or_default()).enumerate()
        {
            let ViewExtent::Formula(given) = size else {
                with(|builder| builder.problem(format!("extent {axis} of `{name}` is not known to the launcher"), at));
                continue;
            };
            let unknown = match declared {
                IndexExpr::Symbol(symbol) => symbol.checked_sub(UNKNOWN).map(|dim| dim as usize),
                _ => None,
            };
            match unknown.and_then(|dim| self.dims.get_mut(dim)) {
                Some((_, formula @ None)) => *formula = Some(given),
                _ => self.equal.push((declared.clone(), given, format!("extent {axis} of `{name}`"))),
            }
        }
        view
    }

    /// Declares a scalar parameter.
    pub fn scalar<T: DeviceType>(&mut self, name: &str) -> Expr<T> {
        if let Some(bindings) = &mut self.bindings {
            return match bindings.pop_front() {
                Some(Binding::Scalar(value)) => value.assume(),
                _ => Expr::dead(),
            };
        }
        with(|builder| {
            let value = builder.value(T::TYPE);
            builder.function.values[value].name = name.to_owned();
            builder.function.params.push(Param::Scalar { name: name.to_owned(), value });
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }

    /// Sets the grid, block and cluster along x, y, z, and the minimum number of blocks per multiprocessor (0:
    /// unspecified).
    #[track_caller]
    pub fn launch(&mut self, grid: [IndexExpr; 3], block: [i64; 3], cluster: [i64; 3], min_blocks: i64) {
        let at = here();
        self.relate();
        let unknown = self.dims.iter().find(|(_, formula)| formula.is_none()).map(|(name, _)| name.clone());
        let grid = grid.map(|extent| self.known(&extent));
        with(|builder| {
            if let Some(name) = unknown {
                builder.problem(format!("no parameter gives the extent `{name}`"), at);
            }
            let mut extent = |what: &str, least: i64, value: i64| match u32::try_from(value) {
                Ok(value) if i64::from(value) >= least => value,
                _ => {
                    builder.problem(format!("{what} is {value}: it must be at least {least}"), at);
                    1
                }
            };
            let launch = crate::ir::Launch {
                grid,
                block: block.map(|value| extent("an extent of the block", 1, value)),
                cluster: cluster.map(|value| extent("an extent of the cluster", 1, value)),
                min_blocks: extent("min_blocks", 0, min_blocks),
                ..crate::ir::Launch::default()
            };
            builder.function.launch = launch;
            builder.function.place = builder.span(at);
        });
    }

    /// Makes the launch cooperative: all blocks of the grid run at once, so that they can synchronise.
    pub fn cooperative(&mut self) {
        with(|builder| builder.function.launch.cooperative = true);
    }

    /// Makes the launch dependent: the kernel may begin before the previous kernel on the stream has ended, and must
    /// wait for it itself.
    pub fn dependent(&mut self) {
        with(|builder| builder.function.launch.dependent = true);
    }

    /// Returns an extent as a device value.
    #[track_caller]
    pub fn value(&self, extent: &IndexExpr) -> Expr<i32> {
        compute(&self.known(extent))
    }
}
