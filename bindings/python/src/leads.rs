//! Who is loading what.
//!
//! The core decides who leads (G18) and whether what a leader brings is still good (G20); Python threads and tasks cannot wait in it, because
//! each waits in its own way: for a lock that a signal may interrupt, or for a future of its loop. So each lead has a *flight*, an object of
//! Python's that those who wait know how to wait for, and this is the list of them.

use crate::key::{Key, Probe};
use crate::object::Object;
use pinyon::{Equivalent, Token};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Lead {
    key: Key,
    token: Token,
    flight: Object,
}

#[derive(Debug, Default)]
struct Both {
    /// By the hashes of their keys. Of one key the newest is last: an older one may have been overtaken.
    by_hash: HashMap<isize, Vec<Lead>>,
    /// The hash of each.
    hashes: HashMap<u64, isize>,
}

/// The leads of one cache.
#[derive(Debug, Default)]
pub(crate) struct Leads(Mutex<Both>);

impl Leads {
    fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, probe: &Probe, token: Token, flight: Object) {
        let mut leads = self.lock();
        leads.hashes.insert(token.to_bits(), probe.hash);
        leads.by_hash.entry(probe.hash).or_default().push(Lead { key: probe.to_key(), token, flight });
    }

    /// A load has ended.
    pub(crate) fn end(&self, token: Token) {
        let mut leads = self.lock();
        let Some(hash) = leads.hashes.remove(&token.to_bits()) else { return };
        if let Some(those) = leads.by_hash.get_mut(&hash) {
            those.retain(|lead| lead.token != token);
            if those.is_empty() {
                leads.by_hash.remove(&hash);
            }
        }
    }

    /// The key that is being loaded and equals this one.
    pub(crate) fn find<Q: Equivalent<Key>>(&self, hash: isize, key: &Q) -> Option<Key> {
        let leads = self.lock();
        let those = leads.by_hash.get(&hash)?;
        those.iter().rev().find(|lead| key.equivalent(&lead.key)).map(|lead| lead.key.clone())
    }

    /// The newest flight of a key.
    pub(crate) fn flight(&self, probe: &Probe) -> Option<Object> {
        let leads = self.lock();
        let those = leads.by_hash.get(&probe.hash)?;
        those.iter().rev().find(|lead| probe.equivalent(&lead.key)).map(|lead| lead.flight.clone())
    }

    /// Lets go of all of them.
    pub(crate) fn clear(&self) {
        *self.lock() = Both::default();
    }
}
