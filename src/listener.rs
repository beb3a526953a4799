//! Telling the user what left the cache.
//!
//! # What is promised (G26)
//!
//! Every entry that leaves, and every pair that was refused, is told to the listener once, with its cause;
//! what happened to one key is told in the order in which it happened.
//!
//! # How
//!
//! A write that removes an entry puts a notice into its shard's queue, under the lock it holds anyway.
//! After the lock is gone the same thread takes notices out and calls the listener. A notice whose key is
//! being told of by another thread at that moment (or by this one, further up the stack: a listener may
//! write to the cache) stays in the queue, and whoever is telling takes it next. So no thread waits for a
//! listener, and no two calls for one key overlap. Keys are told apart by their 32 bits of hash, which may
//! delay a stranger's notice and never reorders.
//!
//! Until its notice has been told, an entry's key and value stay as they are: it is retired afterwards.
//!
//! # Costs
//!
//! Two short locks per notice. Without a listener, nothing.

use crate::sync::Arc;
use std::collections::VecDeque;
use std::fmt;

/// Why an entry left the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Its lifetime was over. Told when the memory is given back, or when a write meets it.
    Expired,
    /// The policy chose it, to make room.
    Evicted,
    /// Another value was written under its key, or one too heavy to be stored.
    Replaced,
    /// It was removed by key or by predicate.
    Removed,
    /// `clear` was called.
    Cleared,
    /// It never came in: it weighs more than the whole cache.
    Refused,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Expired => "expired",
            Cause::Evicted => "evicted",
            Cause::Replaced => "replaced",
            Cause::Removed => "removed",
            Cause::Cleared => "cleared",
            Cause::Refused => "refused",
        })
    }
}

/// What the user gave to [`Builder::listener`](crate::Builder::listener).
pub(crate) type Listener<K, V> = Arc<dyn Fn(&K, &V, Cause) + Send + Sync>;

/// One thing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) index: u32,
    pub(crate) hash: u32,
    pub(crate) cause: Cause,
}

/// What a shard has still to tell. Under the shard's lock.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    queue: VecDeque<Notice>,
    /// Hashes being told of at this moment.
    telling: Vec<u32>,
}

impl Notices {
    pub(crate) fn push(&mut self, notice: Notice) {
        self.queue.push_back(notice);
    }

    /// The oldest notice that may be told now; it must be [`finished`](Self::finish).
    pub(crate) fn begin(&mut self) -> Option<Notice> {
        let at = self.queue.iter().position(|notice| !self.telling.contains(&notice.hash))?;
        let notice = self.queue.remove(at)?;
        self.telling.push(notice.hash);
        Some(notice)
    }

    pub(crate) fn finish(&mut self, notice: Notice) {
        if let Some(at) = self.telling.iter().position(|&hash| hash == notice.hash) {
            self.telling.swap_remove(at);
        }
    }

    /// Entries that are not in the table any more and not retired yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = u32> + '_ {
        self.queue.iter().map(|notice| notice.index)
    }

    /// Notices being told at this moment.
    pub(crate) fn telling(&self) -> usize {
        self.telling.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn g26_one_key_is_told_in_order_and_never_twice_at_once() {
        let mut notices = Notices::default();
        let notice = |index, hash| Notice { index, hash, cause: Cause::Removed };
        for n in [notice(0, 7), notice(1, 7), notice(2, 8)] {
            notices.push(n);
        }
        let first = notices.begin().expect("queued");
        assert_eq!(first.index, 0);
        let other = notices.begin().expect("another key");
        assert_eq!(other.index, 2, "the second of key 7 waits for the first");
        assert!(notices.begin().is_none());
        notices.finish(first);
        assert_eq!(notices.begin().map(|n| n.index), Some(1));
        assert_eq!(notices.waiting().count(), 0);
    }
}
