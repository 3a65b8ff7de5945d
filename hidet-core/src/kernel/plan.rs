//! Launch plans: what launches with arguments of the same shapes share, computed and checked once.
//!
//! The contract ([`super::contract`]) explains why arguments do not fit. Most launches repeat shapes whose contract
//! held before; for those it is enough to check that nothing else is different. A plan is found or not: if it is not,
//! the contract decides and explains.
//!
//! Between two launches the driver runs thousands of instructions, which evict most of this code from caches and branch
//! predictors. So a launch compares a few words of each argument, with few branches.

use super::gpu::{INLINE, Maps};
use super::{BoundDims, RawArg};
use crate::cuda::LaunchConfig;
use crate::device::{ByteRange, RawTensor, ShapeKey, overlap};
use crate::ir::{Access, Function, Param};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Number of shapes that are remembered forever, and of least recently used ones that are remembered beside them.
const PLANS: usize = 8;

/// The instance of a kernel that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Narrow,
    Wide,
    /// An instance with fewer guards, by index.
    Unguarded(usize),
}

/// A launch except for addresses and numbers.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) choice: Choice,
    pub(super) launch: LaunchConfig,
    shape_keys: Vec<ShapeKey>,
    /// The extents and strides of all tensors, if the shape keys are not complete.
    extents: Option<Vec<usize>>,
    pub(super) binding: BoundDims,
    /// Tensor maps for tensors of these shapes, if the kernel has tensor maps.
    maps: Option<Mutex<Maps>>,
}

/// The requirements of a parameter, independent of shapes.
#[derive(Debug)]
struct Wanted {
    /// The bits of an address that must be 0.
    align_mask: u64,
    written: bool,
}

/// The plans of a kernel.
#[derive(Debug)]
pub(super) struct Plans {
    wanted: Vec<Wanted>,
    /// True if a parameter is a table of tensors.
    has_tables: bool,
    /// The first plans are kept forever and found without a lock.
    first: [OnceLock<Arc<Plan>>; PLANS],
    /// Index of the one found last; `PLANS` if it was one of the others.
    latest: AtomicUsize,
    /// The other plans, most recently used first.
    others: Mutex<Vec<Arc<Plan>>>,
}

/// A plan that was found.
pub(super) enum Found<'a> {
    First(&'a Plan),
    Other(Arc<Plan>),
}

impl Deref for Found<'_> {
    type Target = Plan;
    #[inline]
    fn deref(&self) -> &Plan {
        match self {
            Found::First(plan) => plan,
            Found::Other(plan) => plan,
        }
    }
}

impl Plans {
    pub(super) fn new(function: &Function) -> Plans {
        let wanted = function.params.iter().map(|param| match param {
            Param::Scalar { .. } => Wanted { align_mask: 0, written: false },
            Param::Tensor { buffer, access } => {
                let buffer = &function.buffers[*buffer];
                let align = u64::from(buffer.align).max(buffer.elem.bytes() as u64);
                Wanted { align_mask: align - 1, written: *access != Access::In }
            }
        });
        Plans {
            wanted: wanted.collect(),
            has_tables: function.buffers.iter().any(|(_, buffer)| buffer.entries.is_some()),
            first: Default::default(),
            latest: AtomicUsize::new(0),
            others: Mutex::default(),
        }
    }

    /// Returns the tensors among arguments that fit, with true for those that are written.
    #[inline]
    pub(super) fn tensors<'a>(&'a self, args: &'a [RawArg]) -> impl Iterator<Item = (&'a RawTensor, bool)> {
        let each = self.wanted.iter().zip(args);
        each.flat_map(|(wanted, arg)| arg.tensors().iter().map(|tensor| (tensor, wanted.written)))
    }

    /// Returns the plan for these arguments, or `None` if there is none or their addresses are invalid.
    #[inline]
    pub(super) fn find(&self, args: &[RawArg]) -> Option<Found<'_>> {
        let plan = match self.first_of(self.latest.load(Relaxed)).filter(|plan| plan.is_for(args)) {
            Some(plan) => Found::First(plan),
            None => self.search(args)?,
        };
        self.addresses_fit(args).then_some(plan)
    }

    #[cold]
    fn search(&self, args: &[RawArg]) -> Option<Found<'_>> {
        for (index, plan) in self.first.iter().enumerate() {
            if let Some(plan) = plan.get().filter(|plan| plan.is_for(args)) {
                self.latest.store(index, Relaxed);
                return Some(Found::First(plan));
            }
        }
        let mut others = self.others();
        let index = others.iter().position(|plan| plan.is_for(args))?;
        self.latest.store(PLANS, Relaxed);
        others[..=index].rotate_right(1);
        others.first().cloned().map(Found::Other)
    }

    #[inline]
    fn first_of(&self, index: usize) -> Option<&Plan> {
        self.first.get(index)?.get().map(|plan| &**plan)
    }

    fn others(&self) -> MutexGuard<'_, Vec<Arc<Plan>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if tensors of the right shapes are aligned and no written one overlaps another. Apart from loops it
    /// has few branches.
    fn addresses_fit(&self, args: &[RawArg]) -> bool {
        let (mut inline_spans, mut heap_spans) = ([(0, 0); INLINE], Vec::<ByteRange>::new());
        let spans = match inline_spans.get_mut(..args.len()) {
            Some(spans) => spans,
            None => {
                heap_spans.resize(args.len(), (0, 0));
                &mut heap_spans[..]
            }
        };
        let mut misaligned_bits = 0;
        for ((wanted, arg), span) in self.wanted.iter().zip(args).zip(&mut *spans) {
            let bits = match arg {
                RawArg::Tensor(tensor) => {
                    *span = tensor.span();
                    tensor.address()
                }
                RawArg::Table(table) => table.address_bits(),
                RawArg::Scalar(_) => 0,
            };
            misaligned_bits |= bits & wanted.align_mask;
        }
        if self.has_tables && self.entries_overlap(args) {
            return false;
        }
        let mut overlaps = 0u64;
        for (wanted, own) in self.wanted.iter().zip(&*spans) {
            if wanted.written {
                let each = spans.iter().map(|other| u64::from(overlap(*own, *other)));
                // Every tensor that is not empty overlaps itself.
                overlaps |= each.sum::<u64>() ^ u64::from(overlap(*own, *own));
            }
        }
        misaligned_bits | overlaps == 0
    }

    /// Returns true if the memory of arguments of which one is a table overlaps, and one of both is written.
    #[cold]
    fn entries_overlap(&self, args: &[RawArg]) -> bool {
        let all = self.tensors(args).map(|(tensor, written)| (tensor.span(), written));
        let mut all: Vec<(ByteRange, bool)> = all.filter(|((start, end), _)| start < end).collect();
        all.sort_unstable();
        // The largest ends so far, of what is written and of all.
        let (mut end_of_written, mut end_of_all) = (0, 0);
        all.iter().any(|((start, end), written)| {
            let overlaps = *start < end_of_written || *written && *start < end_of_all;
            end_of_all = end_of_all.max(*end);
            end_of_written = if *written { end_of_written.max(*end) } else { end_of_written };
            overlaps
        })
    }

    /// Returns the plan that was found or added last.
    pub(super) fn latest(&self) -> Option<Found<'_>> {
        let first = self.first_of(self.latest.load(Relaxed)).map(Found::First);
        first.or_else(|| self.others().first().cloned().map(Found::Other))
    }

    /// Adds a plan.
    pub(super) fn add(&self, plan: Plan) -> Found<'_> {
        let plan = Arc::new(plan);
        let first = self.first.iter().position(|place| place.set(plan.clone()).is_ok());
        if first.is_none() {
            let mut others = self.others();
            others.truncate(PLANS - 1);
            others.insert(0, plan.clone());
        }
        self.latest.store(first.unwrap_or(PLANS), Relaxed);
        Found::Other(plan)
    }
}

/// Returns the extents and the strides of the tensors of an argument.
fn axes<'a>(arg: &RawArg<'a>) -> impl Iterator<Item = &'a usize> {
    arg.tensors().iter().flat_map(|tensor| tensor.shape.iter().chain(&tensor.strides))
}

impl Plan {
    /// Returns the plan of launches with the shapes of these arguments.
    pub(super) fn new(
        function: &Function,
        args: &[RawArg],
        binding: BoundDims,
        choice: Choice,
        launch: LaunchConfig,
    ) -> Plan {
        let shape_keys = args.iter().map(RawArg::shape_key).collect::<Vec<_>>();
        let extents = || args.iter().flat_map(axes).copied().collect();
        let extents = (!shape_keys.iter().all(ShapeKey::says_all)).then(extents);
        let maps = (!function.maps.is_empty()).then(Mutex::default);
        Plan { choice, launch, shape_keys, extents, binding, maps }
    }

    /// Locks the tensor maps, if the kernel has some.
    #[inline]
    pub(super) fn maps(&self) -> Option<MutexGuard<'_, Maps>> {
        self.maps.as_ref().map(|maps| maps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns true if it is a plan for arguments of these devices, types and shapes.
    #[inline]
    fn is_for(&self, args: &[RawArg]) -> bool {
        let each = self.shape_keys.iter().zip(args);
        let differ = each.fold(0, |differ, (own, arg)| differ | own.difference(&arg.shape_key()));
        let same = differ == 0 && self.shape_keys.len() == args.len();
        same && self.extents.as_ref().is_none_or(|extents| args.iter().flat_map(axes).eq(extents))
    }
}
