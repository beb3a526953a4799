//! What only a caller who is alone may do to the store: to write without taking a lock, and take out what left at once.

use super::{Changed, Put, Store};
use crate::hash::Hash;
use crate::listener::Cause;
use crate::settle::Rest;
use crate::shard::{Draft, Due, Entry, Located, Locked, Offer, Sighting};

impl<K, V> Store<K, V> {
    /// As [`lock`](Self::lock), for who is alone.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache while the result lives, and this one locks no shard.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn lock_alone(&self, shard: usize) -> Locked<'_, K, V> {
        // SAFETY: the caller.
        unsafe { self.shards[shard].lock_alone(self.listener.is_some()) }
    }

    /// As [`add`](Self::add), for a caller who is alone and has found nothing of the hash, and has run no code of the user's since. `outermost`: its
    /// thread holds no pin; then one entry that left is given out, to be dropped.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache during the call.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn add_absent(
        &self,
        hash: Hash,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
        outermost: bool,
        rest: &mut Rest<'_, K, V>,
    ) -> (Result<Put, Changed>, Option<Entry<K, V>>) {
        let number = self.shard_of(hash);
        // SAFETY: the caller; no code of the user's runs under it, and none of ours locks.
        let mut locked = unsafe { self.lock_alone(number) };
        locked.prefetch(hash.place());
        debug_assert!(!locked.has(hash.place()), "nothing has come since the search");
        let added = self.add_to(&mut locked, hash, draft, offer, self.budget.room_alone());
        (added, rest.leave_alone(number, locked, outermost))
    }

    /// Removes an entry that a search has just found (no code of the user's has run since, and `now` was read before), for a caller who is alone and whose thread holds no pin, and gives it out. `None` if that
    /// takes more than this (somebody is to be told, or other garbage waits, so that another entry might come out): nothing was done.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache during the call.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn take_out(
        &self,
        hash: Hash,
        index: u32,
        now: u64,
        rest: &mut Rest<'_, K, V>,
    ) -> Option<Entry<K, V>> {
        let number = self.shard_of(hash);
        let mut room = self.budget.room_alone();
        // SAFETY: the caller; no code of the user's runs under it, and none of ours locks.
        let mut locked = unsafe { self.lock_alone(number) };
        let sighting = Sighting { index: Some(index), ..Sighting::default() };
        match locked.locate(hash.place(), &sighting) {
            Located::Here(place)
                if self.listener.is_none() && !locked.is_due(Due::Fresh) && locked.is_live(index, now) =>
            {
                locked.unlink(index, Some(place), Cause::Removed, &mut room);
                locked.outdate(hash.place());
                rest.leave_alone(number, locked, true)
            }
            _ => None,
        }
    }
}
