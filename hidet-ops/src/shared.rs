//! [`Shared`]: memory that several replays have in common: an arena, and constants.
//!
//! Replays that share an arena do not run at the same time: a GPU orders uses of an allocation, and the simulated device runs one
//! behind the lock of the arena. What a replay has made of constants, such as a weight in another order, has the memory of an
//! equal one that another replay has made.

use crate::error::Result;
use hidet::cache::Digest;
use hidet::device::{Device, Storage, Stream};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Returns what an allocation is known by.
pub(crate) fn key(storage: &Storage) -> usize {
    match storage {
        Storage::Sim(memory) => Arc::as_ptr(memory).addr(),
        Storage::Cuda(memory) => Arc::as_ptr(memory).addr(),
    }
}

/// Memory for what is between launches, and the stream of those that use it: a device has few streams.
#[derive(Clone)]
pub(crate) struct Arena {
    pub(crate) memory: Storage,
    pub(crate) stream: Arc<Stream>,
    lock: Arc<Mutex<()>>,
}

impl Arena {
    pub(crate) fn new(device: &Device, bytes: usize) -> Result<Arena> {
        let (memory, stream) = (Storage::uninit(device, bytes)?, Arc::new(device.stream()?));
        Ok(Arena { memory, stream, lock: Arc::default() })
    }

    /// Returns a lock that is held while launches that use it are submitted.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What replays on one device have in common.
#[derive(Default)]
pub(crate) struct Shared {
    arena: Option<Arena>,
    /// By the bytes that they have.
    constants: HashMap<Digest, Storage>,
}

impl Shared {
    /// Returns an arena of at least that many bytes. It is that of before if it is large enough, so the largest comes first.
    pub(crate) fn arena(&mut self, device: &Device, bytes: usize) -> Result<Arena> {
        if let Some(arena) = self.arena.as_ref().filter(|arena| arena.memory.len() >= bytes) {
            return Ok(arena.clone());
        }
        Ok(self.arena.insert(Arena::new(device, bytes)?).clone())
    }

    /// Returns memory with the same bytes, none of which changes: that of before if there is one.
    pub(crate) fn constant(&mut self, own: &Storage) -> Result<Storage> {
        let mut bytes = vec![0; own.len()];
        own.read(0, &mut bytes)?;
        Ok(self.constants.entry(Digest::of(&[&bytes])).or_insert_with(|| own.clone()).clone())
    }
}
