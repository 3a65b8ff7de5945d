//! The macros of hidet. This file holds the entry points only.
