//! The C ABI (feature `capi`): `include/pinyon.h` is made from this folder, and says what each function does.
//!
//! A cache of byte strings over the public API of this crate: whatever C can reach, Rust can (G34).
//!
//! | file | what it owns |
//! |---|---|
//! | `codes` | what functions return |
//! | `boundary` | panics, errors and arguments: what may cross, and in which state |
//! | `block` | the bytes of an entry |
//! | `cache` | making, freeing, statistics, upkeep |
//! | `entry` | what a write may say of its entry |
//! | `read` | reading: by copy, by handle, by visit |
//! | `write` | writing: copied, in place, adopted; with conditions |
//! | `many` | the same for many keys |
//! | `lease` | loading what is missing |
//! | `iterate` | pages |
//! | `removal` | telling what has left |
//!
//! # Conventions
//!
//! Objects are opaque, and freed by one function each, which takes NULL. An argument is looked at before anything
//! is done, so a call that returns a negative code has changed nothing, unless its documentation says so. Structs
//! that are passed begin with their size, and only grow. No function starts a thread, and none keeps state beside
//! its cache but the text of the last error of a thread.

#![allow(unsafe_code, non_camel_case_types)]

mod block;
mod boundary;
mod cache;
mod codes;
mod entry;
mod iterate;
mod lease;
mod many;
mod read;
mod removal;
mod write;

pub use cache::*;
pub use codes::*;
pub use entry::*;
pub use iterate::*;
pub use lease::*;
pub use many::*;
pub use read::*;
pub use removal::*;
pub use write::*;
