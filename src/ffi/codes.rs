//! What a function returns: 0, a positive code for another normal outcome, a negative one for an error.
//!
//! A number once given keeps its meaning for ever.

/// Done; of a read: here is the value.
pub const PINYON_OK: i32 = 0;
/// Nothing is there under this key.
pub const PINYON_MISS: i32 = 1;
/// The condition of the call did not hold, so nothing was changed.
pub const PINYON_NOT_STORED: i32 = 2;
/// The entry is heavier than the whole cache, so it was not stored; what it was to replace is gone.
pub const PINYON_TOO_HEAVY: i32 = 3;
/// The value does not fit into the buffer: nothing was copied, and the size it needs was written.
pub const PINYON_TOO_SMALL: i32 = 4;
/// Nothing is there, and the caller is to load it: there is a token.
pub const PINYON_LEAD: i32 = 5;
/// Nothing is there, and another is loading it: there is a ticket.
pub const PINYON_WAIT: i32 = 6;
/// The value is due to be loaded again; by the caller, if there is a token.
pub const PINYON_STALE: i32 = 7;
/// The time to wait was over first; the ticket is still good.
pub const PINYON_TIMED_OUT: i32 = 8;
/// The key was written, removed or invalidated since its load began, so what was loaded is not stored.
pub const PINYON_OVERTAKEN: i32 = 9;
/// No lease has this token, or no place this ticket: it was used, or its time is over.
pub const PINYON_LAPSED: i32 = 10;
/// A function that `pinyon_complete` calls back asks for the very key that is being completed: its thread would wait for
/// itself.
pub const PINYON_OWN_KEY: i32 = 11;
/// There was nothing more to tell: the iteration has come to its end.
pub const PINYON_END: i32 = 12;
/// Some upkeep is left to do: call again.
pub const PINYON_MORE: i32 = 13;

/// An argument is NULL that must not be.
pub const PINYON_ERR_NULL: i32 = -1;
/// An argument is out of range, or a struct says a size that this library does not know.
pub const PINYON_ERR_ARGUMENT: i32 = -2;
/// The pointer is not a cache, or one that was freed.
pub const PINYON_ERR_HANDLE: i32 = -3;
/// The system gave no memory for the value. Nothing was changed.
pub const PINYON_ERR_MEMORY: i32 = -4;
/// The value is not a counter: eight bytes, the least significant first.
pub const PINYON_ERR_NOT_A_COUNTER: i32 = -5;
/// The counter would pass the range of 64 bits. It was not changed.
pub const PINYON_ERR_OVERFLOW: i32 = -6;
/// A defect of the library, of which please tell its authors. The cache is whole; what the call was to do may be
/// done or not.
pub const PINYON_ERR_INTERNAL: i32 = -100;
