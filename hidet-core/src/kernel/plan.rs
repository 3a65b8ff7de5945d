//! What launches with arguments of the same shapes share, worked out and checked once.
//!
//! The contract ([`super::contract`]) says in words why arguments do not fit. Most launches repeat shapes whose contract
//! held before; for those, what is left is to see that nothing else is different. This says yes or nothing: without a
//! plan, the contract has the word.

use super::gpu::{INLINE, Maps};
use super::{Binding, RawArg};
use crate::device::{Device, Span, overlap};
use crate::ir::{Access, Function, Param};
use crate::types::Scalar;
use std::sync::{Arc, Mutex, PoisonError};

/// How many shapes are remembered.
const PLANS: usize = 8;

/// Which instance of a kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Narrow,
    Wide,
    /// The instance of that number among those with fewer guards.
    Unguarded(usize),
}

/// A launch, but for addresses and numbers.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) binding: Binding,
    pub(super) choice: Choice,
    /// Bytes of dynamic shared memory.
    pub(super) shared: u32,
    /// Tensor maps made for tensors of these shapes.
    pub(super) maps: Mutex<Maps>,
    /// The extents of all tensors, one after the other.
    extents: Vec<usize>,
}

/// What a parameter takes, whatever the shapes.
#[derive(Debug)]
struct Wanted {
    scalar: Scalar,
    /// Nothing for a number.
    tensor: Option<WantedTensor>,
}

#[derive(Debug)]
struct WantedTensor {
    rank: usize,
    /// In bytes.
    align: u64,
    written: bool,
}

/// The plans of a kernel.
#[derive(Debug)]
pub(super) struct Plans {
    wanted: Vec<Wanted>,
    known: Mutex<Vec<Arc<Plan>>>,
}

impl Plans {
    pub(super) fn new(function: &Function) -> Plans {
        let wanted = function.params.iter().map(|param| match param {
            Param::Scalar { value, .. } => Wanted { scalar: function.ty(*value).scalar, tensor: None },
            Param::Tensor { buffer, access } => {
                let buffer = &function.buffers[*buffer];
                let align = u64::from(buffer.align).max(buffer.elem.bytes() as u64);
                let written = *access != Access::In;
                Wanted { scalar: buffer.elem, tensor: Some(WantedTensor { rank: buffer.shape.len(), align, written }) }
            }
        });
        Plans { wanted: wanted.collect(), known: Mutex::default() }
    }

    /// The plan for these arguments, where there is one and nothing is wrong with them.
    #[inline]
    pub(super) fn find(&self, device: &Device, args: &[RawArg]) -> Option<Arc<Plan>> {
        if args.len() != self.wanted.len() {
            return None;
        }
        let (mut few, mut many) = ([(0, 0); INLINE], Vec::<Span>::new());
        let spans = match few.get_mut(..args.len()) {
            Some(few) => few,
            None => {
                many.resize(args.len(), (0, 0));
                &mut many[..]
            }
        };
        for ((wanted, arg), span) in self.wanted.iter().zip(args).zip(&mut *spans) {
            match (&wanted.tensor, arg) {
                (None, RawArg::Scalar(value)) if value.scalar == wanted.scalar => {}
                (Some(tensor), RawArg::Tensor(given)) => {
                    let fits = given.scalar == wanted.scalar
                        && given.shape.len() == tensor.rank
                        && given.address() & (tensor.align - 1) == 0
                        && given.device.is_same(device);
                    if !fits {
                        return None;
                    }
                    *span = given.span();
                }
                _ => return None,
            }
        }
        for (index, (wanted, span)) in self.wanted.iter().zip(&*spans).enumerate() {
            let written = wanted.tensor.as_ref().is_some_and(|tensor| tensor.written);
            let overlaps = |(other, of): (usize, &Span)| other != index && overlap(*span, *of);
            if written && spans.iter().enumerate().any(overlaps) {
                return None;
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let index = known.iter().position(|plan| plan.has_extents(args))?;
        if index > 0 {
            known[..=index].rotate_right(1);
        }
        known.first().cloned()
    }

    /// The plan found or made last.
    pub(super) fn latest(&self) -> Option<Arc<Plan>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// Remembers a plan, for the shapes of these arguments.
    pub(super) fn add(&self, binding: Binding, choice: Choice, shared: u32, args: &[RawArg]) -> Arc<Plan> {
        let extents = args.iter().flat_map(shape).copied().collect();
        let plan = Arc::new(Plan { binding, choice, shared, maps: Mutex::default(), extents });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(PLANS - 1);
        known.insert(0, plan.clone());
        plan
    }
}

fn shape<'a>(arg: &RawArg<'a>) -> &'a [usize] {
    match arg {
        RawArg::Tensor(tensor) => &tensor.shape,
        RawArg::Scalar(_) => &[],
    }
}

impl Plan {
    /// The ranks are known to fit.
    fn has_extents(&self, args: &[RawArg]) -> bool {
        let mut rest = self.extents.as_slice();
        args.iter().all(|arg| {
            let shape = shape(arg);
            let (own, others) = rest.split_at(shape.len());
            rest = others;
            // One by one: they are few, and calling a comparison of bytes takes longer.
            own.iter().eq(shape)
        })
    }
}
