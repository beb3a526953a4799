//! The writing methods of [`Cache`]: insertion in its forms, removal, lifetimes.

use crate::cache::Cache;
use crate::expiry::{Deadline, Lifetime};
use crate::options::{InsertOptions, Inserted, InsertedMany, Plain};
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::Inside;
use crate::store::Company;
use crate::writer::{Done, Writer};
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};

impl<K, V> From<Done<K, V>> for Inserted<K, V> {
    fn from(done: Done<K, V>) -> Self {
        match done {
            Done::Added => Inserted::Added,
            Done::Replaced => Inserted::Replaced,
            Done::Kept(Some((key, value))) => Inserted::Kept { key, value },
            Done::Refused(key, value, weight) => Inserted::Refused { key, value, weight },
            Done::Removed | Done::Kept(None) => {
                unreachable!("an insertion neither removes nor loses its pair")
            }
        }
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    pub(crate) fn writer(&self) -> Writer<'_, K, V, S> {
        Writer { cache: self, company: Company::Shared }
    }

    /// Writes a value under a key, whatever is there, and tells what it did.
    ///
    /// O(1) but for making room: a heavy entry evicts as many light ones as it takes, at most 64 under one lock, and the weigher and
    /// the `expiry` rule may be asked again after it has. An overwrite replaces key, value, weight and lifetime, and counts as a use. What makes the entry too
    /// heavy for the whole cache gives it back as [`Inserted::Refused`], and a previous value is gone.
    ///
    /// ```
    /// use pinyon::{Cache, Inserted};
    /// let cache = Cache::builder().capacity(10).build()?;
    /// assert_eq!(cache.insert("a", 1), Inserted::Added);
    /// assert_eq!(cache.insert("a", 2), Inserted::Replaced);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn insert(&self, key: K, value: V) -> Inserted<K, V> {
        self.writer().insert(key, value, Plain::default(), &None).into()
    }

    /// As [`insert`](Self::insert), with a lifetime or weight of its own.
    pub fn insert_with(&self, key: K, value: V, options: InsertOptions) -> Inserted<K, V> {
        self.writer().insert_with(key, value, &options).into()
    }

    /// Writes the pair if the key has no live entry; else gives it back as [`Inserted::Kept`]. Atomic per key; not
    /// a read of the entry that is there.
    ///
    /// ```
    /// use pinyon::{Cache, Inserted};
    /// let cache = Cache::builder().capacity(10).build()?;
    /// assert_eq!(cache.insert_if_absent("a", 1), Inserted::Added);
    /// assert_eq!(cache.insert_if_absent("a", 2), Inserted::Kept { key: "a", value: 2 });
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn insert_if_absent(&self, key: K, value: V) -> Inserted<K, V> {
        self.writer().put(key, value, InsertOptions::new(), |there| there.is_none()).into()
    }

    /// Writes the pair if the key has a live entry; else gives it back as [`Inserted::Kept`]. Atomic per key.
    pub fn replace(&self, key: K, value: V) -> Inserted<K, V> {
        self.replace_if(key, value, |_| true)
    }

    /// Writes the pair if the key has a live entry whose value satisfies `condition`; else gives it back as
    /// [`Inserted::Kept`]. Atomic per key: the value that satisfied it is the one that is replaced. The condition is asked
    /// again when another write comes between.
    ///
    /// ```
    /// use pinyon::{Cache, Inserted};
    /// let cache = Cache::builder().capacity(10).build()?;
    /// cache.insert("version", 7);
    /// assert_eq!(cache.replace_if("version", 8, |&now| now == 7), Inserted::Replaced);
    /// assert!(!cache.replace_if("version", 8, |&now| now == 7).is_stored());
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn replace_if(&self, key: K, value: V, mut condition: impl FnMut(&V) -> bool) -> Inserted<K, V> {
        self.writer().put(key, value, InsertOptions::new(), |there| there.is_some_and(&mut condition)).into()
    }

    /// The value of the key; if it has none, `value` is written and returned. One that is too heavy is returned
    /// without being stored. Counts as a read as [`get`](Self::get) does. Atomic per key.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// assert_eq!(cache.get_or_insert("a", 1), 1);
    /// assert_eq!(cache.get_or_insert("a", 2), 1);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn get_or_insert(&self, key: K, value: V) -> V
    where
        V: Clone,
    {
        match self.get(&key) {
            Some(there) => {
                // Before the return, so that a panic in its drop finds `there` still owned here.
                drop((key, value));
                there
            }
            None => self.insert_or_get(key, value),
        }
    }

    /// As [`get_or_insert`](Self::get_or_insert), after a read that found nothing and is counted.
    pub(crate) fn insert_or_get(&self, key: K, value: V) -> V
    where
        V: Clone,
    {
        let mut pair = (key, value);
        loop {
            let value = pair.1.clone();
            match self.writer().put(pair.0, pair.1, InsertOptions::new(), |there| there.is_none()) {
                Done::Kept(Some(again)) => pair = again,
                _ => return value,
            }
            if let Some(there) = self.get(&pair.0) {
                // As above.
                drop(pair);
                return there;
            }
        }
    }

    /// Inserts many pairs; each as [`insert`](Self::insert).
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// let done = cache.insert_many([("a", 1), ("b", 2), ("a", 3)]);
    /// assert_eq!((done.added, done.replaced, done.refused.len()), (2, 1, 0));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn insert_many(&self, pairs: impl IntoIterator<Item = (K, V)>) -> InsertedMany<K, V> {
        let mut many = InsertedMany { added: 0, replaced: 0, refused: Vec::new() };
        for (key, value) in pairs {
            match self.insert(key, value) {
                Inserted::Added => many.added += 1,
                Inserted::Replaced => many.replaced += 1,
                Inserted::Refused { key, value, .. } | Inserted::Kept { key, value } => {
                    many.refused.push((key, value))
                }
            }
        }
        many
    }

    /// Removes an entry and returns a clone of its value; `None` if there was no live one. O(1). Not a read for the statistics.
    /// For values that cannot be cloned see [`invalidate`](Self::invalidate): others may be looking at the value, so it cannot
    /// be handed out.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("a", 1);
    /// assert_eq!((cache.remove("a"), cache.remove("a")), (Some(1), None));
    /// assert_eq!((cache.stats().removed, cache.stats().misses), (1, 0));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        self.writer().remove(key, |_| true, V::clone)
    }

    /// Removes an entry. True if there was a live one.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("a", 1);
    /// assert!(cache.invalidate("a") && !cache.invalidate("a"));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn invalidate<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.writer().remove(key, |_| true, |_| ()).is_some()
    }

    /// Removes an entry if its value satisfies `condition`. Atomic per key: the value that satisfied it is the one that
    /// is removed. True if it was. The condition is asked again when another write comes between.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("version", 7);
    /// assert!(!cache.remove_if("version", |&now| now == 6) && cache.remove_if("version", |&now| now == 7));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn remove_if<Q>(&self, key: &Q, condition: impl FnMut(&V) -> bool) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.writer().remove(key, condition, |_| ()).is_some()
    }

    /// Counts as a use of the entry and restarts its idle time: a read whose value is not looked at. Not counted in the
    /// statistics; the `expiry` rule is not asked. True if there is a live entry.
    pub fn touch<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let pin = Pin::new();
        let Some((shard, found, now)) = self.look(Inside::pinned(&pin), key) else { return false };
        found.entry.record_use();
        if let (Some(times), Some(now)) = (shard.times(found), now) {
            times.access(now);
        }
        true
    }

    /// Gives a live entry another time to live, counted from now; [`Lifetime::Default`] is the cache's own. Counts as a
    /// use. True if there is a live entry. The table of `event x deadline` is in the docs of [`Lifetime`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Cache, Lifetime};
    /// let cache = Cache::builder().capacity(10).build()?;
    /// cache.insert("a", 1);
    /// assert!(cache.set_lifetime("a", Lifetime::After(Duration::from_secs(60))));
    /// assert!(cache.metadata("a").unwrap().remaining <= Some(Duration::from_secs(60)));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn set_lifetime<Q>(&self, key: &Q, lifetime: Lifetime) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        let store = &self.inner.store;
        loop {
            let pin = Pin::new();
            let Some((shard, found, now)) = self.look(Inside::pinned(&pin), key) else { return false };
            found.entry.record_use();
            let now = now.unwrap_or_else(|| store.start_time());
            let old = shard.times(found).map_or(Deadline::NEVER, |times| times.deadline());
            if store
                .set_deadline(hash, found, old.set_lifetime(lifetime, self.inner.span, now), now, true)
                .is_ok()
            {
                return true;
            }
        }
    }

    /// Removes every entry that was there when the call began; those written meanwhile may go or stay. Nothing is left waiting
    /// but what readers look at. O(entries), at most 64 of them under one lock, or those of one hash; the listener is told
    /// [`Cause::Cleared`](crate::Cause::Cleared).
    pub fn clear(&self) {
        let store = &self.inner.store;
        store.clear(&mut Rest::thorough(store, Company::Shared));
    }

    /// Outdates every entry that was there when the call began; those written meanwhile may stay or not. From its return on nothing that was
    /// there is found, by any call, and no load that had begun before writes what it brings (its own callers get it).
    ///
    /// O(shards), whatever the cache holds: each shard begins a new era. The entries leave memory as expired ones do, a few with each write
    /// of their shard and by [`maintain`](Self::maintain), and until then [`len`](Self::len) and [`weight`](Self::weight) count them; the listener is told
    /// [`Cause::Invalidated`](crate::Cause::Invalidated). Of seven calls that come so fast that writes lie between them and
    /// none of the entries has been looked at, the last does that work first, at most 64 entries under one lock.
    /// [`clear`](Self::clear) removes everything at once, at a cost in proportion to it.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("a", 1);
    /// cache.invalidate_all();
    /// assert_eq!((cache.get("a"), cache.len()), (None, 1));
    /// cache.maintain(100);
    /// assert_eq!(cache.len(), 0);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn invalidate_all(&self) {
        let store = &self.inner.store;
        store.invalidate_all(&mut Rest::new(store, Company::Shared));
    }

    /// Outdates every entry that was written with this tag before the call began; those written meanwhile may stay or not. Else as
    /// [`invalidate_all`](Self::invalidate_all), with the same costs: O(shards), however many have the tag, or O(1) if none has. Loads that had begun before do not write
    /// what they bring if it has the tag. A name that nothing has is no error.
    ///
    /// ```
    /// use pinyon::{Cache, InsertOptions};
    ///
    /// let cache = Cache::builder().capacity(10).build()?;
    /// cache.insert_with("a", 1, InsertOptions::new().tags(["odd"]));
    /// cache.insert_with("b", 2, InsertOptions::new().tags(["even"]));
    /// cache.invalidate_tag("odd");
    /// assert_eq!((cache.get("a"), cache.get("b")), (None, Some(2)));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn invalidate_tag(&self, tag: impl AsRef<[u8]>) {
        self.inner.store.invalidate_tag(tag.as_ref());
    }
}
