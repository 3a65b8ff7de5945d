//! Typed arenas: append-only storage whose items are named by small `Copy` handles.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A handle: the name of an item in an [`Arena`].
pub trait Handle: Copy + Eq + std::hash::Hash {
    /// Returns the handle of item `index`.
    fn new(index: usize) -> Self;
    /// Returns the position in the arena.
    fn index(self) -> usize;
}

/// Defines a handle type: `handle!(ValueId, "%", "A value.")`.
macro_rules! handle {
    ($name:ident, $sigil:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $crate::ir::Handle for $name {
            fn new(index: usize) -> Self {
                $name(index as u32)
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($sigil, "{}"), self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($sigil, "{}"), self.0)
            }
        }
    };
}
pub(crate) use handle;

/// Items of type `T`, named by handles of type `I`.
#[derive(Clone, PartialEq)]
pub struct Arena<I, T> {
    items: Vec<T>,
    handle: PhantomData<I>,
}

impl<I: Handle, T> Arena<I, T> {
    /// Creates an empty arena.
    pub const fn new() -> Self {
        Arena { items: Vec::new(), handle: PhantomData }
    }

    /// Adds an item and returns its handle.
    pub fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::new(self.items.len() - 1)
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns true if the arena is empty.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the item, or `None` if the handle names none.
    pub fn get(&self, handle: I) -> Option<&T> {
        self.items.get(handle.index())
    }

    /// Returns all items with their handles, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.items.iter().enumerate().map(|(index, item)| (I::new(index), item))
    }

    /// Returns the items, in order.
    pub fn into_items(self) -> impl Iterator<Item = T> {
        self.items.into_iter()
    }

    /// Returns all handles, in order.
    pub fn handles(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.items.len()).map(I::new)
    }
}

impl<I: Handle, T> FromIterator<T> for Arena<I, T> {
    fn from_iter<S: IntoIterator<Item = T>>(items: S) -> Self {
        Arena { items: items.into_iter().collect(), handle: PhantomData }
    }
}

impl<I: Handle, T> Default for Arena<I, T> {
    fn default() -> Self {
        Arena::new()
    }
}

impl<I: Handle, T> Index<I> for Arena<I, T> {
    type Output = T;
    fn index(&self, handle: I) -> &T {
        &self.items[handle.index()]
    }
}

impl<I: Handle, T> IndexMut<I> for Arena<I, T> {
    fn index_mut(&mut self, handle: I) -> &mut T {
        &mut self.items[handle.index()]
    }
}

impl<I, T: fmt::Debug> fmt::Debug for Arena<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

/// Data beside an arena: one `T` per handle, `T::default()` where none was set.
#[derive(Clone)]
pub struct SecondaryMap<I, T> {
    items: Vec<T>,
    default: T,
    handle: PhantomData<I>,
}

impl<I: Handle, T: Clone + Default> SecondaryMap<I, T> {
    /// Creates a map in which every handle has the default.
    pub fn new() -> Self {
        SecondaryMap { items: Vec::new(), default: T::default(), handle: PhantomData }
    }
}

impl<I: Handle, T: Clone + Default> Default for SecondaryMap<I, T> {
    fn default() -> Self {
        SecondaryMap::new()
    }
}

impl<I: Handle, T: Clone + Default> Index<I> for SecondaryMap<I, T> {
    type Output = T;
    fn index(&self, handle: I) -> &T {
        self.items.get(handle.index()).unwrap_or(&self.default)
    }
}

impl<I: Handle, T: Clone + Default> IndexMut<I> for SecondaryMap<I, T> {
    fn index_mut(&mut self, handle: I) -> &mut T {
        if self.items.len() <= handle.index() {
            self.items.resize(handle.index() + 1, self.default.clone());
        }
        &mut self.items[handle.index()]
    }
}

impl<I, T: fmt::Debug> fmt::Debug for SecondaryMap<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}
