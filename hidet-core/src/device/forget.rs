//! Memory that is reused: the simulated device checks that nothing uses it by its earlier meaning.

use super::stream::is_recorded;
use super::{DeviceKind, RawTensor, Storage, Stream, Tensor};
use crate::error::Result;
use crate::types::Element;
use std::panic::Location;

impl RawTensor {
    /// Gives its memory to this tensor alone, uninitialised: what the memory held before is lost. A plan that gives the
    /// same bytes to several tensors, one after the other, calls it for each before the tensor is first written; the
    /// simulated device then reports every mistake of the plan:
    ///
    /// - a kernel that reads an element before it was written again, as an uninitialised read;
    /// - a use of another tensor in that memory, as an error that names the kernel, the argument and the line of the
    ///   call of `forget`, until the other tensor is forgotten in turn. Clones and views count as the same tensor; a
    ///   second one made by [`RawTensor::new`] does not.
    ///
    /// It takes effect after the work submitted to the default stream so far; [`Stream::forget`] does the same in the
    /// order of another stream. Both need [`Checks::uninitialised`](crate::sim::Checks). On a GPU they check their
    /// arguments and do nothing else: uses of one allocation are in order anyway, whichever tensors they are of.
    ///
    /// ```
    /// use hidet::device::{RawTensor, Storage};
    /// use hidet::kernel::RawArg;
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = 1, block = 32)]
    ///     fn copy(x: In<f32, [32]>, y: Out<f32, [32]>) { y[[lane_id()]] = x[[lane_id()]]; }
    /// }
    ///
    /// let device = Device::sim();
    /// let (copy, x) = (copy().compile(&device)?, device.zeros::<f32, 1>([32])?);
    /// let arena = Storage::uninit(&device, 256)?;
    /// let tensor = |offset| RawTensor::new(&device, arena.clone(), offset, x.raw().scalar(), &[32]);
    /// let (a, b, c) = (tensor(0)?, tensor(128)?, tensor(0)?); // `c` reuses the memory of `a`
    /// let launch = |x: &RawTensor, y: &RawTensor| copy.compiled().launch(&[RawArg::Tensor(x), RawArg::Tensor(y)]);
    /// a.forget()?;
    /// launch(x.raw(), &a)?;
    /// b.forget()?;
    /// launch(&a, &b)?;
    /// c.forget()?;
    /// assert!(launch(&c, &b).unwrap_err().to_string().contains("element 0 of `x` is read before it was written"));
    /// launch(x.raw(), &c)?;
    /// assert!(launch(&a, &b).unwrap_err().to_string().contains("argument `x`")); // too late: `a` is gone
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn forget(&self) -> Result<()> {
        self.forget_on(None, Location::caller())
    }

    pub(crate) fn forget_on(&self, stream: Option<&Stream>, place: &'static Location<'static>) -> Result<()> {
        let recorded = is_recorded(&self.device, stream)?;
        match stream.filter(|_| recorded) {
            Some(captured) if self.device.is_sim() => {
                let tensor = self.clone();
                captured.record_note(Box::new(move || tensor.forget_now(place)));
                Ok(())
            }
            _ => self.forget_now(place),
        }
    }

    fn forget_now(&self, place: &'static Location<'static>) -> Result<()> {
        let Storage::Sim(memory) = &self.storage else { return Ok(()) };
        let forget = |run: std::ops::Range<usize>| memory.forget(run.start, run.len(), self.identity, place);
        self.runs().try_for_each(forget).map_err(|_| {
            self.device.error(format!("out of memory: {} bytes cannot be marked as forgotten", memory.len()))
        })
    }

    /// Returns where `forget` gave some of its memory to another tensor, or `None` if it did not, the checker is off,
    /// or it is on a GPU.
    pub(crate) fn given_away(&self) -> Option<&'static Location<'static>> {
        match (self.device.kind(), &self.storage) {
            (DeviceKind::Sim(options), Storage::Sim(memory)) if options.checks.uninitialised => {
                self.runs().find_map(|run| memory.claimed_by_other(run.start, run.len(), self.identity))
            }
            _ => None,
        }
    }

    /// Returns an error if `forget` gave some of its memory to another tensor: `what` is no longer possible.
    pub(super) fn check_given_away(&self, what: &str) -> Result<()> {
        match self.given_away() {
            None => Ok(()),
            Some(place) => Err(self.device.error(format!(
                "{what} whose memory was given to another one, by `forget` at {place}; use it before, or give the other \
                 one different memory"
            ))),
        }
    }
}

impl<T: Element, const R: usize> Tensor<T, R> {
    /// Gives its memory to this tensor alone, uninitialised, after the work submitted to the default stream so far: see
    /// [`RawTensor::forget`].
    #[track_caller]
    pub fn forget(&mut self) -> Result<()> {
        self.raw().forget_on(None, Location::caller())
    }
}

impl Stream {
    /// Gives the memory of a tensor to that tensor alone, uninitialised, after the work submitted to this stream so far:
    /// see [`RawTensor::forget`]. If the stream is captured in a graph, every replay does it in that place.
    #[track_caller]
    pub fn forget(&self, tensor: &RawTensor) -> Result<()> {
        if !tensor.device().is_same(self.device()) {
            let (own, other) = (self.device(), tensor.device());
            return Err(own.error(format!("a tensor on {other} cannot be forgotten on a stream of {own}")));
        }
        tensor.forget_on(Some(self), Location::caller())
    }
}
