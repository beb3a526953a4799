//! Operations through the C ABI beside a map: the property of tests/ffi and the fuzz target `abi`. Four bytes are an operation.
//!
//! The cache has room for all, and the time is the test's, so everything it answers is known; what is held by handles is compared
//! until the end, and what was adopted is counted.

use pinyon::ffi::*;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The clock, in nanoseconds, and how many values were adopted and freed.
#[derive(Default)]
struct World {
    now: AtomicU64,
    freed: AtomicU64,
}

unsafe extern "C" fn now(user: *mut c_void) -> u64 {
    // SAFETY: the run's own, which outlives the cache.
    unsafe { &*user.cast::<World>() }.now.load(SeqCst)
}

unsafe extern "C" fn free(_: *mut c_void, _: usize, user: *mut c_void) {
    // SAFETY: as above.
    unsafe { &*user.cast::<World>() }.freed.fetch_add(1, SeqCst);
}

unsafe extern "C" fn visit(user: *mut c_void, data: *const c_void, size: usize) {
    // SAFETY: the call gives the bytes, and its caller the place.
    unsafe { *user.cast::<Vec<u8>>() = slice(data, size).to_vec() }
}

/// # Safety
///
/// So many bytes are there.
unsafe fn slice<'a>(data: *const c_void, size: usize) -> &'a [u8] {
    // SAFETY: the caller's word.
    if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data.cast(), size) } }
}

#[derive(Clone)]
struct Stored {
    value: Vec<u8>,
    /// In milliseconds.
    deadline: u64,
    tagged: bool,
}

struct Run<'w> {
    world: &'w World,
    cache: *mut pinyon_cache,
    map: BTreeMap<Vec<u8>, Stored>,
    held: Vec<(*mut pinyon_handle, Vec<u8>)>,
    adopted: u64,
}

/// For ever; memory that may be adopted.
static FOREIGN: [u8; 64] = [0x5A; 64];

/// Keys of all kinds of sizes, few enough to meet again.
fn key(byte: u8) -> Vec<u8> {
    let sizes = [0, 1, 16, 255, 256, 1000];
    vec![byte & 7; sizes[usize::from(byte >> 3) % sizes.len()]]
}

fn value(size: u8, with: u8) -> Vec<u8> {
    vec![with; if size < 250 { size.into() } else { usize::from(size) * 40 }]
}

/// Does what the bytes say.
pub fn run(ops: impl IntoIterator<Item = [u8; 4]>) {
    let world = World::default();
    let user = std::ptr::from_ref(&world).cast_mut().cast();
    // SAFETY: zeros are what its documentation asks for.
    let options = pinyon_options { struct_size: size_of::<pinyon_options>(), ..unsafe { zeroed() } };
    let options =
        pinyon_options { capacity: 10_000, clock: Some(now), clock_user: user, removal_queue: 3, ..options };
    let mut cache = null_mut();
    // SAFETY: all that is given is there.
    assert_eq!(unsafe { pinyon_create(&options, &mut cache, null_mut(), 0) }, PINYON_OK);
    let mut run = Run { world: &world, cache, map: BTreeMap::new(), held: Vec::new(), adopted: 0 };
    for op in ops {
        // SAFETY: the cache is there, and what is given with it.
        unsafe { run.step(op) };
    }
    // SAFETY: freed once; handles are released after it.
    unsafe {
        run.compare_all();
        pinyon_free(cache);
        for (handle, value) in run.held {
            let (mut data, mut size) = (null(), 0);
            assert_eq!(pinyon_handle_value(handle, &mut data, &mut size), PINYON_OK);
            assert!(slice(data, size) == value, "a handle's bytes changed");
            pinyon_release(handle);
        }
    }
    assert_eq!(world.freed.load(SeqCst), run.adopted, "each adopted value is freed once");
}

/// The options with the condition that two bits mean, and the code of a write with them.
fn under(
    options: &pinyon_entry_options,
    bits: u8,
    there: Option<&Stored>,
    expected: &[u8],
) -> (pinyon_entry_options, i32) {
    let none = pinyon_bytes { data: null(), size: 0 };
    let (condition, expected, code) = match (bits & 3, there) {
        (0, _) => (0, none, PINYON_OK),
        (1, None) => (PINYON_IF_ABSENT, none, PINYON_OK),
        (1, Some(_)) => (PINYON_IF_ABSENT, none, PINYON_NOT_STORED),
        (2, None) => (PINYON_IF_PRESENT, none, PINYON_MISS),
        (2, Some(_)) => (PINYON_IF_PRESENT, none, PINYON_OK),
        (_, there) => {
            let code = match there {
                None => PINYON_MISS,
                Some(there) if there.value == expected => PINYON_OK,
                Some(_) => PINYON_NOT_STORED,
            };
            let expected = pinyon_bytes { data: expected.as_ptr().cast(), size: expected.len() };
            (PINYON_IF_EQUAL, expected, code)
        }
    };
    (pinyon_entry_options { flags: condition, expected, ..*options }, code)
}

impl Run<'_> {
    fn now(&self) -> u64 {
        self.world.now.load(SeqCst) / 1_000_000
    }

    fn there(&self, key: &[u8]) -> Option<&Stored> {
        self.map.get(key).filter(|stored| self.now() < stored.deadline)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>, ttl: u64, tagged: bool) {
        let deadline = if ttl == 0 { u64::MAX } else { self.now() + ttl };
        self.map.insert(key, Stored { value, deadline, tagged });
    }

    /// # Safety
    ///
    /// The cache is there.
    unsafe fn step(&mut self, [what, a, b, c]: [u8; 4]) {
        let (cache, key, value) = (self.cache, key(a), value(b, c));
        let (at, size) = (key.as_ptr().cast::<c_void>(), key.len());
        let (bytes, length) = (value.as_ptr().cast::<c_void>(), value.len());
        let (ttl, tagged) = (u64::from(c >> 4), c & 1 == 1);
        let tag = pinyon_bytes { data: b"tag".as_ptr().cast(), size: 3 };
        let there = self.there(&key).cloned();
        // SAFETY: all that is given is there.
        unsafe {
            let options = pinyon_entry_options {
                struct_size: size_of::<pinyon_entry_options>(),
                ttl_ms: ttl,
                tags: &tag,
                tag_count: usize::from(tagged),
                ..zeroed()
            };
            let hit = if there.is_some() { PINYON_OK } else { PINYON_MISS };
            let expected =
                if c & 2 == 0 { there.as_ref().map_or(vec![], |there| there.value.clone()) } else { vec![c] };
            match what % 20 {
                0 => {
                    assert_eq!(pinyon_set(cache, at, size, bytes, length, &options), PINYON_OK);
                    self.put(key, value, ttl, tagged);
                }
                1 => self.many(a, b, c, &options),
                2 => {
                    let (mut handle, mut data, mut held) = (null_mut(), null(), 0);
                    assert_eq!(pinyon_get(cache, at, size, &mut handle, &mut data, &mut held), hit);
                    assert_eq!(handle.is_null(), there.is_none());
                    if let Some(there) = there {
                        assert!(slice(data, held) == there.value);
                        let more = pinyon_retain(handle);
                        self.held.push((handle, there.value.clone()));
                        self.held.push((more, there.value));
                    }
                }
                3 if !self.held.is_empty() => {
                    let (handle, _) = self.held.swap_remove(usize::from(a) % self.held.len());
                    pinyon_release(handle);
                }
                4 => {
                    let (mut room, mut need) = (vec![0; usize::from(b)], usize::MAX);
                    let code =
                        pinyon_get_copy(cache, at, size, room.as_mut_ptr().cast(), room.len(), &mut need);
                    match &there {
                        None => assert_eq!((code, need), (PINYON_MISS, 0)),
                        Some(there) if there.value.len() > room.len() => {
                            assert_eq!((code, need), (PINYON_TOO_SMALL, there.value.len()));
                        }
                        Some(there) => assert!(code == PINYON_OK && room[..need] == there.value),
                    }
                    let (mut handle, mut data) = (null_mut(), null());
                    let buffer = room.as_mut_ptr().cast();
                    let code = pinyon_get_into(
                        cache,
                        at,
                        size,
                        buffer,
                        room.len(),
                        &mut handle,
                        &mut data,
                        &mut need,
                    );
                    let fits = there.as_ref().is_some_and(|there| there.value.len() <= room.len());
                    assert_eq!((code, handle.is_null()), (hit, fits || there.is_none()));
                    assert!(!fits || data == buffer.cast_const());
                    if let Some(there) = there {
                        assert!(slice(data, need) == there.value);
                        if !fits {
                            self.held.push((handle, there.value));
                        }
                    }
                }
                5 => {
                    let mut seen = Vec::<u8>::new();
                    assert_eq!(pinyon_visit(cache, at, size, Some(visit), (&raw mut seen).cast()), hit);
                    assert!(seen == there.map_or(Vec::new(), |there| there.value));
                }
                6 => {
                    assert_eq!(pinyon_remove(cache, at, size), hit);
                    self.map.remove(&key);
                }
                7 => {
                    let mut handle = null_mut();
                    assert_eq!(pinyon_take(cache, at, size, &mut handle, null_mut(), null_mut()), hit);
                    self.held.extend(there.map(|there| (handle, there.value)));
                    self.map.remove(&key);
                }
                8 => {
                    let code = pinyon_add(cache, at, size, bytes, length, &options);
                    assert_eq!(code, if there.is_some() { PINYON_NOT_STORED } else { PINYON_OK });
                    if there.is_none() {
                        self.put(key, value, ttl, tagged);
                    }
                }
                9 => {
                    assert_eq!(pinyon_replace(cache, at, size, bytes, length, &options), hit);
                    if there.is_some() {
                        self.put(key, value, ttl, tagged);
                    }
                }
                10 => {
                    let (one, its) = (expected.as_ptr().cast(), expected.len());
                    let code = pinyon_compare_and_swap(cache, at, size, one, its, bytes, length, &options);
                    let same = there.as_ref().is_some_and(|there| there.value == expected);
                    let wanted = if same { PINYON_OK } else { PINYON_NOT_STORED };
                    assert_eq!(code, if there.is_some() { wanted } else { PINYON_MISS });
                    if same {
                        self.put(key, value, ttl, tagged);
                    }
                }
                11 => self.count(&key, there, i64::from(b as i8) << (c & 63), &options, ttl, tagged),
                12 => {
                    assert_eq!(pinyon_expire_after(cache, at, size, ttl), hit);
                    let now = self.now();
                    if let (Some(_), Some(stored)) = (there, self.map.get_mut(&key)) {
                        stored.deadline = if ttl == 0 { u64::MAX } else { now + ttl };
                    }
                }
                13 => {
                    let (mut reservation, mut data) = (null_mut(), null_mut());
                    assert_eq!(
                        pinyon_reserve(cache, at, size, length, &mut reservation, &mut data),
                        PINYON_OK
                    );
                    data.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), length);
                    if c & 2 == 0 {
                        pinyon_discard(reservation);
                    } else {
                        let (options, wanted) = under(&options, c >> 2, there.as_ref(), &expected);
                        assert_eq!(pinyon_commit(cache, reservation, &options), wanted);
                        if wanted == PINYON_OK {
                            self.put(key, value, ttl, tagged);
                        }
                    }
                }
                14 => {
                    let (own, its) = (FOREIGN.as_ptr().cast_mut().cast(), usize::from(b) % FOREIGN.len());
                    let user = std::ptr::from_ref(self.world).cast_mut().cast();
                    let (options, wanted) = under(&options, b >> 6, there.as_ref(), &expected);
                    assert_eq!(pinyon_adopt(cache, at, size, own, its, Some(free), user, &options), wanted);
                    self.adopted += 1;
                    if wanted == PINYON_OK {
                        self.put(key, FOREIGN[..its].to_vec(), ttl, tagged);
                    }
                }
                15 => _ = self.world.now.fetch_add(u64::from(a & 7) * 1_000_000, SeqCst),
                16 => {
                    match a % 4 {
                        0 => assert_eq!(pinyon_clear(cache), PINYON_OK),
                        1 => assert_eq!(pinyon_invalidate_all(cache), PINYON_OK),
                        2 => {
                            assert_eq!(pinyon_invalidate_tag(cache, tag.data, tag.size), PINYON_OK);
                            return self.map.retain(|_, stored| !stored.tagged);
                        }
                        _ => {
                            while pinyon_maintain(cache, 1 + usize::from(b)) == PINYON_MORE {}
                            return;
                        }
                    }
                    self.map.clear();
                }
                17 => self.lease(&key, there, &value, c, &options, ttl, tagged),
                18 => self.hostile(at, size, a),
                _ => self.compare_all(),
            }
        }
    }

    /// Writes three pairs, of which the last has the key of the first, copied or adopted, under a condition or none.
    ///
    /// # Safety
    ///
    /// The cache is there.
    unsafe fn many(&mut self, a: u8, b: u8, c: u8, options: &pinyon_entry_options) {
        let keys = [key(a), key(a.wrapping_add(1)), key(a)];
        let values = [b, c, b.wrapping_add(1)].map(|size| &FOREIGN[..usize::from(size) % FOREIGN.len()]);
        let span = |of: &[u8]| pinyon_bytes { data: of.as_ptr().cast(), size: of.len() };
        let pair = |at: usize| pinyon_pair { key: span(&keys[at]), value: span(values[at]) };
        let (pairs, mut codes, mut wanted) = ([pair(0), pair(1), pair(2)], [-1; 3], [-1; 3]);
        let (options, _) = under(options, c >> 2, None, values[0]);
        for (at, key) in keys.iter().enumerate() {
            (_, wanted[at]) = under(&options, c >> 2, self.there(key), values[0]);
            if wanted[at] == PINYON_OK {
                self.put(key.clone(), values[at].to_vec(), options.ttl_ms, options.tag_count > 0);
            }
        }
        let user = std::ptr::from_ref(self.world).cast_mut().cast();
        // SAFETY: all that is given is there.
        let code = unsafe {
            if c & 2 == 0 {
                pinyon_set_many(self.cache, pairs.as_ptr(), 3, &options, codes.as_mut_ptr())
            } else {
                self.adopted += 3;
                let (pairs, codes) = (pairs.as_ptr(), codes.as_mut_ptr());
                pinyon_adopt_many(self.cache, pairs, 3, Some(free), user, &options, codes)
            }
        };
        assert_eq!((Some(&code), codes), (wanted.iter().max(), wanted));
    }

    /// # Safety
    ///
    /// The cache is there.
    unsafe fn count(
        &mut self,
        key: &[u8],
        there: Option<Stored>,
        delta: i64,
        options: &pinyon_entry_options,
        ttl: u64,
        tagged: bool,
    ) {
        let mut sum = 0;
        // SAFETY: all that is given is there.
        let code = unsafe {
            pinyon_counter_add(self.cache, key.as_ptr().cast(), key.len(), delta, 5, options, &mut sum)
        };
        let Some(there) = there else {
            assert_eq!((code, sum), (PINYON_OK, 5));
            return self.put(key.to_vec(), 5i64.to_le_bytes().to_vec(), ttl, tagged);
        };
        let Ok(before) = there.value[..].try_into().map(i64::from_le_bytes) else {
            return assert_eq!(code, PINYON_ERR_NOT_A_COUNTER);
        };
        let Some(after) = before.checked_add(delta) else { return assert_eq!(code, PINYON_ERR_OVERFLOW) };
        assert_eq!((code, sum), (PINYON_OK, after));
        self.map.insert(key.to_vec(), Stored { value: after.to_le_bytes().to_vec(), tagged: false, ..there });
    }

    /// # Safety
    ///
    /// The cache is there.
    #[allow(clippy::too_many_arguments)]
    unsafe fn lease(
        &mut self,
        key: &[u8],
        there: Option<Stored>,
        value: &[u8],
        how: u8,
        options: &pinyon_entry_options,
        ttl: u64,
        tagged: bool,
    ) {
        let (cache, at, size) = (self.cache, key.as_ptr().cast(), key.len());
        // SAFETY: all that is given is there.
        unsafe {
            let mut found: pinyon_acquired = zeroed();
            let code = pinyon_acquire(cache, at, size, null(), &mut found);
            if let Some(there) = there {
                assert!(code == PINYON_OK && slice(found.value.data, found.value.size) == there.value);
                return self.held.push((found.handle, there.value));
            }
            assert_eq!(code, PINYON_LEAD);
            let mut waits: pinyon_acquired = zeroed();
            assert_eq!(pinyon_acquire(cache, at, size, null(), &mut waits), PINYON_WAIT);
            let ticket = waits.ticket;
            assert_eq!(pinyon_wait(cache, ticket, 0, &mut waits), PINYON_TIMED_OUT);
            if how & 2 == 2 {
                assert_eq!(pinyon_abandon(cache, found.token), PINYON_OK);
                assert_eq!(pinyon_wait(cache, ticket, 0, &mut waits), PINYON_LEAD);
                assert_eq!(pinyon_abandon(cache, waits.token), PINYON_OK);
                return assert_eq!(pinyon_abandon(cache, found.token), PINYON_LAPSED);
            }
            let overtaken = how & 4 == 4;
            if overtaken {
                assert_eq!(pinyon_set(cache, at, size, b"newer".as_ptr().cast(), 5, null()), PINYON_OK);
            }
            let code = pinyon_complete(cache, found.token, value.as_ptr().cast(), value.len(), options);
            assert_eq!(code, if overtaken { PINYON_OVERTAKEN } else { PINYON_OK });
            assert_eq!(pinyon_wait(cache, ticket, 0, &mut waits), PINYON_OK);
            self.held.push((waits.handle, value.to_vec()));
            match overtaken {
                true => self.put(key.to_vec(), b"newer".to_vec(), 0, false),
                false => self.put(key.to_vec(), value.to_vec(), ttl, tagged),
            }
        }
    }

    /// What is refused changes nothing.
    ///
    /// # Safety
    ///
    /// The cache is there.
    unsafe fn hostile(&self, at: *const c_void, size: usize, which: u8) {
        let cache = self.cache;
        // SAFETY: the sizes and pointers that are not good are those that are refused unseen.
        unsafe {
            let code = match which % 6 {
                0 => pinyon_set(cache, at, usize::MAX, at, size, null()),
                1 => pinyon_set(cache, null(), 1, at, size, null()),
                2 => pinyon_get(cache, at, size, null_mut(), null_mut(), null_mut()),
                3 => pinyon_set(cache, at, size, null(), 9, null()),
                4 => pinyon_reserve(cache, at, size, usize::MAX - 7, &mut null_mut(), &mut null_mut()),
                _ => pinyon_get_many(cache, null(), 3, null_mut()),
            };
            assert!(code < 0, "{code}");
        }
    }

    /// # Safety
    ///
    /// The cache is there.
    unsafe fn compare_all(&self) {
        let mut left: BTreeMap<&[u8], &Stored> =
            self.map.iter().map(|(key, stored)| (&key[..], stored)).collect();
        left.retain(|_, stored| self.now() < stored.deadline);
        let (mut cursor, mut code) = (PINYON_START, PINYON_OK);
        while code != PINYON_END {
            // SAFETY: zeros are a value of each; all that is given is there.
            unsafe {
                let (mut items, mut count) = ([zeroed::<pinyon_item>(); 16], 0);
                code = pinyon_next_page(self.cache, &mut cursor, items.as_mut_ptr(), items.len(), &mut count);
                assert!(code == PINYON_OK || code == PINYON_END, "{code}");
                for item in &items[..count] {
                    let stored = left.remove(slice(item.key.data, item.key.size)).expect("it is in the map");
                    assert!(slice(item.value.data, item.value.size) == stored.value);
                }
                pinyon_items_release(items.as_mut_ptr(), items.len());
            }
        }
        assert!(left.is_empty(), "{} were not seen", left.len());
    }
}
