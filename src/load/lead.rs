//! `Lead`: the right to load a key, with the duty to say what came of it (`leading`).

use super::flights::Loading;
use crate::hash::Hash as Bits;
use crate::shard::Stamp;
use crate::sync::{self, Arc, ThreadNumber};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Lead<K, V> {
    pub(super) hash: Bits,
    pub(super) loading: Arc<Loading<K, V>>,
    pub(super) number: u64,
    pub(super) stamp: Stamp,
    /// The invalidations of tags that came before the load began.
    pub(super) since: u64,
    /// When the load began, by the cache's time.
    pub(super) started: u64,
}

impl<K, V> Lead<K, V> {
    /// The key as it will be stored.
    pub(crate) fn key(&self) -> &K {
        &self.loading.key
    }

    /// Runs a part of the loader: asking for the same key inside of it is an error.
    pub(crate) fn run<R>(&self, part: impl FnOnce() -> R) -> R {
        let _running = Running::new(self);
        part()
    }
}

/// While it is there the loader, or what else of the user's belongs to the load, runs on this thread. One may be within another.
pub(crate) struct Running<K, V> {
    loading: Arc<Loading<K, V>>,
    number: u64,
    before: Option<ThreadNumber>,
}

impl<K, V> Running<K, V> {
    pub(crate) fn new(lead: &Lead<K, V>) -> Self {
        let before = lead.loading.flight.runs_on(lead.number, Some(sync::this_thread()));
        Running { loading: lead.loading.clone(), number: lead.number, before }
    }
}

impl<K, V> Drop for Running<K, V> {
    fn drop(&mut self) {
        self.loading.flight.runs_on(self.number, self.before);
    }
}
