//! What launches with arguments of the same shapes share, worked out and checked once.
//!
//! The contract ([`super::contract`]) says in words why arguments do not fit. Most launches repeat shapes whose contract
//! held before; for those, what is left is to see that nothing else is different. This says yes or nothing: without a
//! plan, the contract has the word.
//!
//! Between two launches the driver runs thousands of instructions, which leave little of ours in caches and branch
//! predictors. So what is compared are a few words of each argument, with few branches.

use super::gpu::{INLINE, Maps};
use super::{BoundDims, RawArg};
use crate::cuda::LaunchConfig;
use crate::device::{ByteRange, RawTensor, ShapeKey, overlap};
use crate::ir::{Access, Function, Param};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many shapes are remembered for good, and how many more as long as they are among the last used.
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
    pub(super) choice: Choice,
    pub(super) launch: LaunchConfig,
    shape_keys: Vec<ShapeKey>,
    /// The extents of all tensors, if the shape keys do not contain them.
    extents: Option<Vec<usize>>,
    pub(super) binding: BoundDims,
    /// Tensor maps made for tensors of these shapes, of a kernel that has some.
    maps: Option<Mutex<Maps>>,
}

/// What a parameter takes, whatever the shapes.
#[derive(Debug)]
struct Wanted {
    /// The bits of an address that must be 0.
    low: u64,
    written: bool,
}

/// The plans of a kernel.
#[derive(Debug)]
pub(super) struct Plans {
    wanted: Vec<Wanted>,
    /// The first few stay, and are found without a lock.
    first: [OnceLock<Arc<Plan>>; PLANS],
    /// Which of them was found last; none of them where it was one of the others.
    latest: AtomicUsize,
    /// The others, the last used first.
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
            Param::Scalar { .. } => Wanted { low: 0, written: false },
            Param::Tensor { buffer, access } => {
                let buffer = &function.buffers[*buffer];
                let align = u64::from(buffer.align).max(buffer.elem.bytes() as u64);
                Wanted { low: align - 1, written: *access != Access::In }
            }
        });
        Plans {
            wanted: wanted.collect(),
            first: Default::default(),
            latest: AtomicUsize::new(0),
            others: Mutex::default(),
        }
    }

    /// The tensors among arguments that fit, and whether they are written.
    #[inline]
    pub(super) fn tensors<'a>(&'a self, args: &'a [RawArg]) -> impl Iterator<Item = (&'a RawTensor, bool)> {
        self.wanted.iter().zip(args).filter_map(|(wanted, arg)| match arg {
            RawArg::Tensor(tensor) => Some((*tensor, wanted.written)),
            RawArg::Scalar(_) => None,
        })
    }

    /// The plan for these arguments, where there is one and nothing is wrong with them.
    #[inline]
    pub(super) fn find(&self, args: &[RawArg]) -> Option<Found<'_>> {
        let plan = match self.first_of(self.latest.load(Relaxed)).filter(|plan| plan.is_for(args)) {
            Some(plan) => Found::First(plan),
            None => self.search(args)?,
        };
        self.lie_well(args).then_some(plan)
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

    /// Whether tensors of the right shapes are aligned as they must be, and whether none that is written overlaps another.
    /// With few branches besides those of loops.
    fn lie_well(&self, args: &[RawArg]) -> bool {
        let (mut few, mut many) = ([(0, 0); INLINE], Vec::<ByteRange>::new());
        let spans = match few.get_mut(..args.len()) {
            Some(few) => few,
            None => {
                many.resize(args.len(), (0, 0));
                &mut many[..]
            }
        };
        let mut low = 0;
        for ((wanted, arg), span) in self.wanted.iter().zip(args).zip(&mut *spans) {
            *span = arg.span();
            low |= arg.word() & wanted.low;
        }
        let mut overlaps = 0;
        for (wanted, own) in self.wanted.iter().zip(&*spans) {
            if wanted.written {
                let each = spans.iter().map(|other| u64::from(overlap(*own, *other)));
                // With itself it does, where it is not empty.
                overlaps |= each.sum::<u64>() ^ u64::from(overlap(*own, *own));
            }
        }
        low | overlaps == 0
    }

    /// The plan found or made last.
    pub(super) fn latest(&self) -> Option<Found<'_>> {
        let first = self.first_of(self.latest.load(Relaxed)).map(Found::First);
        first.or_else(|| self.others().first().cloned().map(Found::Other))
    }

    /// Remembers a plan.
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

fn shape<'a>(arg: &RawArg<'a>) -> &'a [usize] {
    match arg {
        RawArg::Tensor(tensor) => &tensor.shape,
        RawArg::Scalar(_) => &[],
    }
}

impl Plan {
    /// A launch with the shapes of these arguments.
    pub(super) fn new(
        function: &Function,
        args: &[RawArg],
        binding: BoundDims,
        choice: Choice,
        launch: LaunchConfig,
    ) -> Plan {
        let shape_keys = args.iter().map(RawArg::shape_key).collect::<Vec<_>>();
        let extents = || args.iter().flat_map(shape).copied().collect();
        let extents = (!shape_keys.iter().all(ShapeKey::says_all)).then(extents);
        let maps = (!function.maps.is_empty()).then(Mutex::default);
        Plan { choice, launch, shape_keys, extents, binding, maps }
    }

    /// The tensor maps, of a kernel that has some.
    #[inline]
    pub(super) fn maps(&self) -> Option<MutexGuard<'_, Maps>> {
        self.maps.as_ref().map(|maps| maps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it is one with arguments of these types and shapes.
    #[inline]
    fn is_for(&self, args: &[RawArg]) -> bool {
        let each = self.shape_keys.iter().zip(args);
        let differ = each.fold(0, |differ, (own, arg)| differ | own.difference(&arg.shape_key()));
        let same = differ == 0 && self.shape_keys.len() == args.len();
        same && self.extents.as_ref().is_none_or(|extents| args.iter().flat_map(shape).eq(extents))
    }
}
