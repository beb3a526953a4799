//! The C ABI, called as C calls it: by pointers and sizes. What only a C compiler can see is in bindings/c/tests.

#![allow(unsafe_code)]

mod callbacks;
#[path = "../common/mod.rs"]
mod common;
mod model;

use std::ffi::{CStr, c_char, c_void};
use std::mem::{MaybeUninit, size_of, zeroed};
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;

use pinyon::ffi::*;

/// A cache of the ABI that is freed with the test.
struct Cache(*mut pinyon_cache);

// SAFETY: the ABI's promise.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: made by `pinyon_create`, once.
        unsafe { pinyon_free(self.0) }
    }
}

fn options() -> pinyon_options {
    // SAFETY: zeros are what its documentation asks for.
    pinyon_options { struct_size: size_of::<pinyon_options>(), capacity: 1000, ..unsafe { zeroed() } }
}

fn entry() -> pinyon_entry_options {
    // SAFETY: as above.
    pinyon_entry_options { struct_size: size_of::<pinyon_entry_options>(), ..unsafe { zeroed() } }
}

fn create(options: &pinyon_options) -> Cache {
    let mut cache = null_mut();
    // SAFETY: all that is given is there.
    assert_eq!(unsafe { pinyon_create(options, &mut cache, null_mut(), 0) }, PINYON_OK, "{}", last_error());
    Cache(cache)
}

fn last_error() -> String {
    let mut text = [0 as c_char; 512];
    // SAFETY: the buffer is as long as it says, and then ends with a zero.
    unsafe {
        pinyon_last_error(text.as_mut_ptr(), text.len());
        CStr::from_ptr(text.as_ptr()).to_str().expect("errors are text").to_owned()
    }
}

fn at(bytes: &[u8]) -> *const c_void {
    bytes.as_ptr().cast()
}

/// What a handle holds.
#[derive(Debug)]
struct Held(*mut pinyon_handle);

// SAFETY: the ABI's promise.
unsafe impl Send for Held {}

impl Held {
    fn bytes(&self) -> &[u8] {
        let (mut data, mut size) = (null(), 0);
        // SAFETY: the handle is held, and with it its bytes.
        unsafe {
            assert_eq!(pinyon_handle_value(self.0, &mut data, &mut size), PINYON_OK);
            if size == 0 { &[] } else { std::slice::from_raw_parts(data.cast(), size) }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: held once.
        unsafe { pinyon_release(self.0) }
    }
}

impl Cache {
    /// A call, so that threads share the whole.
    fn raw(&self) -> *mut pinyon_cache {
        self.0
    }

    fn set(&self, key: &[u8], value: &[u8]) -> i32 {
        self.set_with(key, value, null())
    }

    fn set_with(&self, key: &[u8], value: &[u8], options: *const pinyon_entry_options) -> i32 {
        // SAFETY: all that is given is there.
        unsafe { pinyon_set(self.0, at(key), key.len(), at(value), value.len(), options) }
    }

    fn get(&self, key: &[u8]) -> Option<Held> {
        let (mut handle, mut data, mut size) = (null_mut(), null(), 0);
        // SAFETY: all that is given is there.
        match unsafe { pinyon_get(self.0, at(key), key.len(), &mut handle, &mut data, &mut size) } {
            PINYON_OK => {
                let held = Held(handle);
                assert_eq!(held.bytes().len(), size);
                Some(held)
            }
            code => {
                assert_eq!((code, handle), (PINYON_MISS, null_mut()));
                None
            }
        }
    }

    fn copy(&self, key: &[u8], room: usize) -> (i32, usize, Vec<u8>) {
        let (mut buffer, mut size) = (vec![0xAA; room], usize::MAX);
        // SAFETY: all that is given is there.
        let code = unsafe {
            pinyon_get_copy(self.0, at(key), key.len(), buffer.as_mut_ptr().cast(), room, &mut size)
        };
        (code, size, buffer)
    }

    fn remove(&self, key: &[u8]) -> i32 {
        // SAFETY: all that is given is there.
        unsafe { pinyon_remove(self.0, at(key), key.len()) }
    }

    fn stats(&self) -> pinyon_stats {
        // SAFETY: zeros are a value of it.
        let mut stats = pinyon_stats { struct_size: size_of::<pinyon_stats>(), ..unsafe { zeroed() } };
        // SAFETY: it is as long as it says.
        assert_eq!(unsafe { pinyon_get_stats(self.0, &mut stats) }, PINYON_OK);
        stats
    }
}

proptest::proptest! {
    /// What C sees is what a map would show.
    #[test]
    fn g31_operations_through_the_abi_do_what_they_do_to_a_map(ops in proptest::collection::vec(proptest::prelude::any::<[u8; 4]>(), 0..300)) {
        model::run(ops);
    }
}

#[test]
fn a_value_is_read_by_copy_by_handle_and_by_visit() {
    unsafe extern "C" fn note(user: *mut c_void, data: *const c_void, size: usize) {
        // SAFETY: a visit gives the bytes, and the test the place.
        unsafe { (*user.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(data.cast(), size)) }
    }
    let cache = create(&options());
    for (key, value) in
        [(&b"k"[..], &b"value"[..]), (&[7; 300], &[8; 70_000]), (b"", b"x"), (&[0, 0], b"two\0zeros")]
    {
        assert_eq!(cache.set(key, value), PINYON_OK);
        assert_eq!(cache.get(key).expect("there").bytes(), value);
        assert!(cache.get(key).expect("there").bytes().as_ptr().addr().is_multiple_of(16));
        assert_eq!(cache.copy(key, value.len()), (PINYON_OK, value.len(), value.to_vec()));
        let short = value.len() - 1;
        assert_eq!(
            cache.copy(key, short),
            (PINYON_TOO_SMALL, value.len(), vec![0xAA; short]),
            "nothing is copied"
        );
        let mut seen = Vec::<u8>::new();
        // SAFETY: all that is given is there.
        unsafe {
            assert_eq!(
                pinyon_visit(cache.raw(), at(key), key.len(), Some(note), (&raw mut seen).cast()),
                PINYON_OK
            );
            assert_eq!(
                pinyon_get_copy(cache.raw(), at(key), key.len(), null_mut(), 0, null_mut()),
                PINYON_TOO_SMALL
            );
        }
        assert_eq!(seen, value);
    }
    assert_eq!(cache.set(b"empty", b""), PINYON_OK);
    assert_eq!(cache.copy(b"empty", 0), (PINYON_OK, 0, vec![]));
    assert_eq!(cache.get(b"empty").expect("there").bytes(), b"");
    assert_eq!(cache.copy(b"absent", 9), (PINYON_MISS, 0, vec![0xAA; 9]));
}

#[test]
fn g27_a_handle_outlives_removal_overwriting_and_the_cache() {
    let cache = create(&options());
    assert_eq!(cache.set(b"a", b"first"), PINYON_OK);
    let first = cache.get(b"a").expect("there");
    assert_eq!(cache.set(b"a", b"second"), PINYON_OK);
    let second = cache.get(b"a").expect("there");
    assert_eq!(cache.remove(b"a"), PINYON_OK);
    // SAFETY: held.
    let again = Held(unsafe { pinyon_retain(second.0) });
    drop((second, cache));
    assert_eq!((first.bytes(), again.bytes()), (&b"first"[..], &b"second"[..]));
    thread::spawn(move || drop(again)).join().expect("released on another thread");
}

/// More hold a small value than its count has room for: then a handle has a copy, and says where.
#[test]
fn g27_a_handle_of_a_value_that_very_many_hold_says_where_its_bytes_are() {
    let cache = create(&options());
    assert_eq!(cache.set(b"a", b"first"), PINYON_OK);
    let first = cache.get(b"a").expect("there");
    // SAFETY: held.
    let mut all: Vec<Held> = (0..1 << 15).map(|_| Held(unsafe { pinyon_retain(first.0) })).collect();
    let last = all.pop().expect("there are many");
    assert_ne!(last.bytes().as_ptr(), first.bytes().as_ptr(), "a copy");
    drop((first, all, cache));
    assert_eq!(last.bytes(), b"first");
}

/// Counts the values of one test by its place.
unsafe extern "C" fn count(_: *mut c_void, _: usize, user: *mut c_void) {
    // SAFETY: the test gives a counter that outlives it.
    unsafe { &*user.cast::<AtomicUsize>() }.fetch_add(1, SeqCst);
}

#[test]
fn g27_an_adopted_value_is_freed_once_whatever_becomes_of_it() {
    let freed: &'static AtomicUsize = Box::leak(Box::default());
    let bytes: &'static [u8] = b"mine";
    let user = std::ptr::from_ref(freed).cast_mut().cast();
    let adopt = |cache: *const pinyon_cache,
                 key: &[u8],
                 size: usize,
                 options: *const pinyon_entry_options| {
        let before = freed.load(SeqCst);
        let data = bytes.as_ptr().cast_mut().cast();
        // SAFETY: the bytes are for ever.
        (unsafe { pinyon_adopt(cache, at(key), key.len(), data, size, Some(count), user, options) }, before)
    };
    let freed = || freed.load(SeqCst);
    let cache = create(&pinyon_options { capacity: 10, unit: PINYON_WEIGHT, ..options() });

    assert_eq!(adopt(cache.raw(), b"k", 4, null()), (PINYON_OK, 0));
    let held = cache.get(b"k").expect("there");
    assert_eq!((held.bytes().as_ptr(), held.bytes()), (bytes.as_ptr(), bytes), "not a copy");
    assert_eq!(cache.remove(b"k"), PINYON_OK);
    assert_eq!(freed(), 0, "a handle holds it");
    drop(held);
    // What left may wait for readers.
    while freed() == 0 {
        assert!(cache.set(b"other", b"") == PINYON_OK && cache.remove(b"other") == PINYON_OK);
    }
    assert_eq!(freed(), 1);
    let heavy = pinyon_entry_options { weight: 11, ..entry() };
    assert_eq!(adopt(cache.raw(), b"heavy", 4, &heavy), (PINYON_TOO_HEAVY, 1));
    assert_eq!(freed(), 2, "refused");
    assert_eq!(adopt(null(), b"k", 4, null()), (PINYON_ERR_NULL, 2));
    assert_eq!(freed(), 3, "an error");
    let unknown = pinyon_entry_options { flags: 1 << 9, ..entry() };
    assert_eq!(adopt(cache.raw(), b"k", 4, &unknown), (PINYON_ERR_ARGUMENT, 3));
    // SAFETY: no token was given out, which is what is tried.
    let lapsed =
        unsafe { pinyon_complete_adopted(cache.raw(), 99, null_mut(), 0, Some(count), user, null()) };
    assert_eq!((lapsed, freed()), (PINYON_LAPSED, 5));
    assert_eq!(adopt(cache.raw(), b"last", 0, null()), (PINYON_OK, 5));
    drop(cache);
    assert_eq!(freed(), 6, "with the cache");
}

#[test]
fn g27_g31_an_adopted_value_that_a_condition_keeps_out_is_freed_at_once() {
    let freed = AtomicUsize::new(0);
    let user = std::ptr::from_ref(&freed).cast_mut().cast::<c_void>();
    let cache = create(&options());
    let adopt = |condition: u32, expected: &[u8], value: &'static [u8]| {
        let expected = pinyon_bytes { data: at(expected), size: expected.len() };
        let options = pinyon_entry_options { flags: condition, expected, ..entry() };
        let data = at(value).cast_mut();
        // SAFETY: all that is given is there.
        unsafe { pinyon_adopt(cache.raw(), at(b"k"), 1, data, value.len(), Some(count), user, &options) }
    };
    for (condition, expected, value, code, gone) in [
        (PINYON_IF_PRESENT, &b""[..], &b"0"[..], PINYON_MISS, 1),
        (PINYON_IF_EQUAL, b"", b"0", PINYON_MISS, 2),
        (PINYON_IF_ABSENT, b"", b"1", PINYON_OK, 2),
        (PINYON_IF_ABSENT, b"", b"2", PINYON_NOT_STORED, 3),
        (PINYON_IF_EQUAL, b"2", b"3", PINYON_NOT_STORED, 4),
        (PINYON_IF_ABSENT | PINYON_IF_EQUAL, b"1", b"3", PINYON_ERR_ARGUMENT, 5),
        (PINYON_IF_PRESENT, b"1", b"3", PINYON_ERR_ARGUMENT, 6),
        (0, b"1", b"3", PINYON_ERR_ARGUMENT, 7),
    ] {
        assert_eq!((adopt(condition, expected, value), freed.load(SeqCst)), (code, gone), "{}", last_error());
    }
    let held = cache.get(b"k").expect("there");
    assert_eq!(held.bytes(), b"1");
    assert_eq!(adopt(PINYON_IF_EQUAL, held.bytes(), b"3"), PINYON_OK);
    assert_eq!(adopt(PINYON_IF_PRESENT, b"", b"4"), PINYON_OK);
    assert_eq!(cache.get(b"k").expect("there").bytes(), b"4");
    drop((held, cache));
    assert_eq!(freed.load(SeqCst), 10, "all that were given");
}

#[test]
fn g27_g31_of_many_adopted_values_each_is_freed_once_whatever_becomes_of_the_others() {
    let freed = AtomicUsize::new(0);
    let user = std::ptr::from_ref(&freed).cast_mut().cast::<c_void>();
    let cache = create(&pinyon_options { capacity: 10, unit: PINYON_WEIGHT, ..options() });
    let span = |of: &'static [u8]| pinyon_bytes { data: at(of), size: of.len() };
    let good = [("a", "1"), ("b", "2"), ("a", "3")]
        .map(|(key, value)| pinyon_pair { key: span(key.as_bytes()), value: span(value.as_bytes()) });
    let adopt = |cache: *const pinyon_cache, pairs: &[pinyon_pair], options: &pinyon_entry_options| {
        let mut codes = [-1; 3];
        // SAFETY: all that is given is there, but for what is refused unseen.
        let code = unsafe {
            let (pairs, size) = (pairs.as_ptr(), pairs.len());
            pinyon_adopt_many(cache, pairs, size, Some(count), user, options, codes.as_mut_ptr())
        };
        (code, codes, freed.load(SeqCst))
    };
    let absent = pinyon_entry_options { flags: PINYON_IF_ABSENT, ..entry() };
    let kept = [PINYON_OK, PINYON_OK, PINYON_NOT_STORED];
    assert_eq!(adopt(cache.raw(), &good, &absent), (PINYON_NOT_STORED, kept, 1));
    let heavy = pinyon_entry_options { weight: 11, ..absent };
    let none = [PINYON_NOT_STORED; 3];
    assert_eq!(adopt(cache.raw(), &good, &heavy), (PINYON_NOT_STORED, none, 4), "a condition comes first");

    let untouched = [-1; 3];
    let mut bad = good;
    bad[2].key.size = usize::MAX;
    assert_eq!(adopt(cache.raw(), &bad, &absent), (PINYON_ERR_ARGUMENT, untouched, 7));
    bad = good;
    bad[0].value.data = null();
    assert_eq!(
        adopt(cache.raw(), &bad, &absent),
        (PINYON_ERR_NULL, untouched, 10),
        "what is no value as well"
    );
    assert_eq!(adopt(null(), &good, &absent), (PINYON_ERR_NULL, untouched, 13));
    let unknown = pinyon_entry_options { flags: 1 << 9, ..entry() };
    assert_eq!(adopt(cache.raw(), &good, &unknown), (PINYON_ERR_ARGUMENT, untouched, 16));

    assert_eq!(adopt(cache.raw(), &good, &entry()).1, [PINYON_OK; 3]);
    assert_eq!(cache.get(b"a").expect("there").bytes(), b"3");
    drop(cache);
    assert_eq!(freed.load(SeqCst), 21, "all seven times three");
}

#[test]
fn what_is_written_in_place_is_seen_when_it_is_committed() {
    let cache = create(&options());
    let reserve = |size: usize| {
        let (mut reservation, mut data) = (null_mut(), null_mut());
        // SAFETY: all that is given is there.
        let code = unsafe { pinyon_reserve(cache.raw(), at(b"k"), 1, size, &mut reservation, &mut data) };
        assert_eq!(code, PINYON_OK);
        // SAFETY: so many bytes are the caller's until it is committed.
        unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), size) }.fill(9);
        reservation
    };
    let (first, second) = (reserve(1000), reserve(10));
    assert!(cache.get(b"k").is_none());
    // SAFETY: reserved, each ended once.
    unsafe {
        assert_eq!(pinyon_commit(cache.raw(), first, null()), PINYON_OK);
        pinyon_discard(second);
        pinyon_discard(null_mut());
    }
    assert_eq!(cache.get(b"k").expect("there").bytes(), [9; 1000]);
    let (mut reservation, mut data) = (null_mut(), null_mut());
    // SAFETY: all that is given is there.
    let code = unsafe { pinyon_reserve(cache.raw(), at(b"k"), 1, 1 << 60, &mut reservation, &mut data) };
    assert_eq!((code, reservation, data), (PINYON_ERR_MEMORY, null_mut(), null_mut()));
}

#[test]
fn conditions_are_asked_of_what_is_there() {
    let cache = create(&options());
    let swap = |expected: &[u8], value: &[u8]| {
        let (key, one, two) = (at(b"k"), at(expected), at(value));
        // SAFETY: all that is given is there.
        unsafe { pinyon_compare_and_swap(cache.raw(), key, 1, one, expected.len(), two, value.len(), null()) }
    };
    // SAFETY: all that is given is there.
    let (add, replace) = unsafe {
        (
            |value: &[u8]| pinyon_add(cache.raw(), at(b"k"), 1, at(value), value.len(), null()),
            |value: &[u8]| pinyon_replace(cache.raw(), at(b"k"), 1, at(value), value.len(), null()),
        )
    };
    assert_eq!((replace(b"0"), swap(b"", b"0")), (PINYON_MISS, PINYON_MISS));
    assert_eq!((add(b"1"), add(b"2")), (PINYON_OK, PINYON_NOT_STORED));
    assert_eq!(
        (swap(b"2", b"3"), swap(b"1", b"3"), replace(b"4")),
        (PINYON_NOT_STORED, PINYON_OK, PINYON_OK)
    );
    assert_eq!(cache.get(b"k").expect("there").bytes(), b"4");
    let (mut handle, mut data, mut size) = (null_mut(), null(), 0);
    // SAFETY: all that is given is there.
    let code = unsafe { pinyon_take(cache.raw(), at(b"k"), 1, &mut handle, &mut data, &mut size) };
    assert_eq!(code, PINYON_OK);
    assert_eq!(Held(handle).bytes(), b"4");
    assert!(cache.get(b"k").is_none());
}

#[test]
fn g16_counters_that_many_threads_add_to_lose_nothing() {
    let cache = create(&options());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    // SAFETY: all that is given is there.
                    let code =
                        unsafe { pinyon_counter_add(cache.raw(), at(b"n"), 1, 1, 1, null(), null_mut()) };
                    assert_eq!(code, PINYON_OK);
                }
            });
        }
    });
    let mut now = 0;
    // SAFETY: all that is given is there.
    let mut add =
        |delta| (unsafe { pinyon_counter_add(cache.raw(), at(b"n"), 1, delta, 0, null(), &mut now) }, now);
    assert_eq!(add(0), (PINYON_OK, 4000));
    assert_eq!(add(i64::MAX - 4000), (PINYON_OK, i64::MAX));
    assert_eq!(add(1).0, PINYON_ERR_OVERFLOW);
    assert_eq!(add(0), (PINYON_OK, i64::MAX), "it was not changed");
    assert_eq!(cache.set(b"n", b"7 bytes"), PINYON_OK);
    assert_eq!(add(1).0, PINYON_ERR_NOT_A_COUNTER);
    assert!(last_error().contains("pinyon_counter_add"), "{}", last_error());
}

#[test]
fn g18_of_all_who_acquire_one_loads_and_the_others_have_its_value() {
    let cache = create(&options());
    let loads = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // SAFETY: zeros are a value of it.
                let mut found: pinyon_acquired = unsafe { zeroed() };
                // SAFETY: all that is given is there.
                let mut code = unsafe { pinyon_acquire(cache.raw(), at(b"k"), 1, null(), &mut found) };
                if code == PINYON_WAIT {
                    // SAFETY: as above.
                    code = unsafe { pinyon_wait(cache.raw(), found.ticket, PINYON_NEVER, &mut found) };
                }
                if code == PINYON_LEAD {
                    loads.fetch_add(1, SeqCst);
                    // SAFETY: as above.
                    code = unsafe { pinyon_complete(cache.raw(), found.token, at(b"value"), 5, null()) };
                    assert_eq!(code, PINYON_OK);
                } else {
                    assert_eq!((code, Held(found.handle).bytes()), (PINYON_OK, &b"value"[..]));
                }
            });
        }
    });
    assert_eq!(loads.into_inner(), 1);
    assert_eq!(cache.get(b"k").expect("there").bytes(), b"value");
}

#[test]
fn g20_what_was_overtaken_is_for_those_who_waited() {
    let cache = create(&options());
    // SAFETY: all that is given is there.
    unsafe {
        let (mut lead, mut waiting): (pinyon_acquired, pinyon_acquired) = (zeroed(), zeroed());
        assert_eq!(pinyon_acquire(cache.raw(), at(b"k"), 1, null(), &mut lead), PINYON_LEAD);
        assert_eq!(pinyon_acquire(cache.raw(), at(b"k"), 1, null(), &mut waiting), PINYON_WAIT);
        let ticket = waiting.ticket;
        assert_eq!(pinyon_wait(cache.raw(), ticket, 0, &mut waiting), PINYON_TIMED_OUT);
        assert_eq!(cache.set(b"k", b"newer"), PINYON_OK);
        assert_eq!(pinyon_complete(cache.raw(), lead.token, at(b"old"), 3, null()), PINYON_OVERTAKEN);
        assert_eq!(pinyon_wait(cache.raw(), ticket, 0, &mut waiting), PINYON_OK);
        assert_eq!(Held(waiting.handle).bytes(), b"old");
        assert_eq!(cache.get(b"k").expect("there").bytes(), b"newer");
        assert_eq!(pinyon_complete(cache.raw(), lead.token, at(b"old"), 3, null()), PINYON_LAPSED);
        assert_eq!(
            (pinyon_abandon(cache.raw(), lead.token), pinyon_leave(cache.raw(), ticket)),
            (PINYON_LAPSED, PINYON_LAPSED)
        );
    }
}

#[test]
fn g17_pages_show_each_entry_once() {
    let cache = create(&pinyon_options { capacity: 10_000, ..options() });
    let mut left: std::collections::BTreeSet<Vec<u8>> =
        (0..5000u32).map(|n| n.to_le_bytes().to_vec()).collect();
    left.iter().for_each(|key| assert_eq!(cache.set(key, key), PINYON_OK));
    let (mut cursor, mut code) = (PINYON_START, PINYON_OK);
    while code != PINYON_END {
        let mut items = [const { MaybeUninit::<pinyon_item>::uninit() }; 64];
        let mut count = 0;
        // SAFETY: all that is given is there.
        code = unsafe {
            pinyon_next_page(cache.raw(), &mut cursor, items[0].as_mut_ptr(), items.len(), &mut count)
        };
        assert!(code == PINYON_OK || code == PINYON_END);
        for item in &items[..count] {
            // SAFETY: filled.
            let item = unsafe { item.assume_init_ref() };
            // SAFETY: its bytes are there until it is released.
            let bytes =
                |of: pinyon_bytes| unsafe { std::slice::from_raw_parts(of.data.cast::<u8>(), of.size) };
            assert_eq!(bytes(item.key), bytes(item.value));
            assert!(left.remove(bytes(item.key)), "twice");
        }
        // SAFETY: filled; the second time finds nothing to do.
        unsafe {
            pinyon_items_release(items[0].as_mut_ptr(), count);
            pinyon_items_release(items[0].as_mut_ptr(), count);
        }
    }
    assert!(left.is_empty(), "{} were not seen", left.len());
    // SAFETY: all that is given is there.
    let after = unsafe { pinyon_next_page(cache.raw(), &mut cursor, null_mut(), 0, &mut 0) };
    assert_eq!(after, PINYON_END, "after the end");
}

/// Key, value and cause.
type Removal = (Vec<u8>, Vec<u8>, i32);

/// What a callback was told.
#[derive(Default)]
struct Told {
    removals: Mutex<Vec<Removal>>,
    freed: AtomicUsize,
}

unsafe extern "C" fn tell(
    user: *mut c_void,
    key: *const c_void,
    key_size: usize,
    value: *const c_void,
    size: usize,
    cause: i32,
) {
    // SAFETY: the test gives the place, and the cache the bytes.
    unsafe {
        let bytes = |data: *const c_void, size| std::slice::from_raw_parts(data.cast::<u8>(), size).to_vec();
        let told = (bytes(key, key_size), bytes(value, size), cause);
        (*user.cast::<Told>()).removals.lock().unwrap().push(told);
    }
}

unsafe extern "C" fn no_more(user: *mut c_void) {
    // SAFETY: the test gives the place.
    unsafe { &*user.cast::<Told>() }.freed.fetch_add(1, SeqCst);
}

#[test]
fn g26_removals_are_told_to_the_function_and_kept_in_the_queue() {
    let told: &'static Told = Box::leak(Box::default());
    let user: *mut c_void = std::ptr::from_ref(told).cast_mut().cast();
    let cache = create(&pinyon_options {
        on_removed: Some(tell),
        on_removed_user: user,
        on_removed_free: Some(no_more),
        removal_queue: 2,
        ..options()
    });
    for value in [b"1", b"2", b"3"] {
        assert_eq!(cache.set(b"k", value), PINYON_OK);
    }
    assert_eq!(cache.remove(b"k"), PINYON_OK);
    let one = |value: &[u8], cause| (b"k".to_vec(), value.to_vec(), cause);
    let all = [one(b"1", PINYON_REPLACED), one(b"2", PINYON_REPLACED), one(b"3", PINYON_REMOVED)];
    assert_eq!(*told.removals.lock().unwrap(), all);
    let mut removals = [const { MaybeUninit::<pinyon_removal>::uninit() }; 4];
    let mut count = 0;
    // SAFETY: all that is given is there.
    let code = unsafe { pinyon_poll_removals(cache.raw(), removals[0].as_mut_ptr(), 4, &mut count) };
    assert_eq!((code, count, cache.stats().removals_lost), (PINYON_END, 2, 1));
    for (removal, (key, value, cause)) in removals[..count].iter_mut().zip(&all[1..]) {
        // SAFETY: filled; its bytes are there until it is released.
        unsafe {
            let removal = removal.assume_init_mut();
            let bytes = |of: pinyon_bytes| std::slice::from_raw_parts(of.data.cast::<u8>(), of.size);
            assert_eq!(
                (bytes(removal.item.key), bytes(removal.item.value), removal.cause),
                (&key[..], &value[..], *cause)
            );
            let more = Held(pinyon_item_handle(&removal.item));
            pinyon_items_release(&mut removal.item, 1);
            assert_eq!(more.bytes(), value);
        }
    }
    assert_eq!(told.freed.load(SeqCst), 0);
    drop(cache);
    assert_eq!(told.freed.load(SeqCst), 1);
    let bad =
        pinyon_options { capacity: 0, on_removed_user: user, on_removed_free: Some(no_more), ..options() };
    // SAFETY: all that is given is there.
    assert_eq!(unsafe { pinyon_create(&bad, &mut null_mut(), null_mut(), 0) }, PINYON_ERR_ARGUMENT);
    assert_eq!(told.freed.load(SeqCst), 2, "also when there is no cache");
}

static NOW: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn now(_: *mut c_void) -> u64 {
    NOW.load(SeqCst)
}

#[test]
fn g06_lifetimes_are_in_milliseconds_of_the_callers_clock() {
    let cache = create(&pinyon_options { ttl_ms: 100, clock: Some(now), ..options() });
    let pass = |ms: u64| _ = NOW.fetch_add(ms * 1_000_000, SeqCst);
    let metadata = |key: &[u8]| {
        // SAFETY: zeros are a value of it.
        let mut known = pinyon_metadata { struct_size: size_of::<pinyon_metadata>(), ..unsafe { zeroed() } };
        // SAFETY: all that is given is there.
        let code = unsafe { pinyon_get_metadata(cache.raw(), at(key), key.len(), &mut known) };
        (code, known.remaining_ms, known.idle_ms)
    };
    // SAFETY: all that is given is there.
    let expire = |key: &[u8], ms| unsafe { pinyon_expire_after(cache.raw(), at(key), key.len(), ms) };
    assert_eq!(cache.set(b"default", b"1"), PINYON_OK);
    assert_eq!(
        cache.set_with(b"own", b"1", &pinyon_entry_options { ttl_ms: 50, idle_ms: 20, ..entry() }),
        PINYON_OK
    );
    assert_eq!(
        cache.set_with(b"never", b"1", &pinyon_entry_options { ttl_ms: PINYON_NEVER, ..entry() }),
        PINYON_OK
    );
    assert_eq!(metadata(b"default"), (PINYON_OK, 100, PINYON_NEVER));
    assert_eq!(metadata(b"own"), (PINYON_OK, 20, 20));
    assert_eq!(metadata(b"never"), (PINYON_OK, PINYON_NEVER, PINYON_NEVER));
    pass(19);
    assert!(cache.get(b"own").is_some());
    pass(19);
    // SAFETY: all that is given is there.
    assert_eq!(unsafe { pinyon_touch(cache.raw(), at(b"own"), 3) }, PINYON_OK);
    pass(12);
    assert_eq!(metadata(b"own").0, PINYON_MISS, "50 ms");
    assert_eq!(
        (expire(b"default", PINYON_NEVER), expire(b"never", 7), expire(b"own", 7)),
        (PINYON_OK, PINYON_OK, PINYON_MISS)
    );
    pass(7);
    assert_eq!((metadata(b"never").0, metadata(b"default").1), (PINYON_MISS, PINYON_NEVER));
    // A counter keeps what is left.
    let eight = pinyon_entry_options { ttl_ms: 8, idle_ms: 5, ..entry() };
    // SAFETY: all that is given is there.
    let add = || unsafe { pinyon_counter_add(cache.raw(), at(b"n"), 1, 1, 0, &eight, null_mut()) };
    assert_eq!(add(), PINYON_OK);
    pass(4);
    assert_eq!((add(), metadata(b"n")), (PINYON_OK, (PINYON_OK, 4, 5)));
    pass(4);
    assert_eq!(metadata(b"n").0, PINYON_MISS);
}

/// A clock of which every reading is a millisecond later.
unsafe extern "C" fn ticking(at: *mut c_void) -> u64 {
    // SAFETY: the test gave it an atomic.
    unsafe { (*at.cast::<AtomicU64>()).fetch_add(1_000_000, SeqCst) }
}

#[test]
fn g07_g16_a_counter_ends_when_it_would_have_ended_however_often_it_is_added_to() {
    let time = AtomicU64::new(0);
    let user = (&raw const time).cast_mut().cast();
    let cache = create(&pinyon_options { clock: Some(ticking), clock_user: user, ..options() });
    let second = pinyon_entry_options { ttl_ms: 1000, ..entry() };
    let add = || {
        let mut now = 0;
        // SAFETY: all that is given is there.
        let code = unsafe { pinyon_counter_add(cache.raw(), at(b"n"), 1, 1, 1, &second, &mut now) };
        assert_eq!(code, PINYON_OK);
        now
    };
    for _ in 0..5 {
        assert_eq!(add(), 1, "made anew");
        let made = time.load(SeqCst);
        let mut last = 1;
        while time.load(SeqCst) < made + 990_000_000 {
            last += 1;
            assert_eq!(add(), last);
        }
        // Over the deadline by steps of less than a call.
        while time.load(SeqCst) < made + 1_000_000_000 {
            add();
        }
        // SAFETY: all that is given is there.
        let there = unsafe { pinyon_contains(cache.raw(), at(b"n"), 1) };
        assert_eq!(there, PINYON_MISS, "it lived longer than it may");
    }
}

#[test]
fn g31_what_is_no_cache_is_found_out() {
    let nothing = [0u64; 64];
    let fake: *const pinyon_cache = nothing.as_ptr().cast();
    // SAFETY: readable memory that is no cache is what is tried.
    unsafe {
        assert_eq!(pinyon_contains(fake, at(b"k"), 1), PINYON_ERR_HANDLE);
        assert_eq!(pinyon_contains(fake.cast::<u8>().add(1).cast(), at(b"k"), 1), PINYON_ERR_HANDLE);
        assert_eq!(pinyon_contains(null(), at(b"k"), 1), PINYON_ERR_NULL);
        assert_eq!(pinyon_count(fake), 0);
        pinyon_free(null_mut());
    }
    assert!(last_error().contains("pinyon_count: cache is not a cache"), "{}", last_error());
}

#[test]
fn g31_bad_sizes_and_places_are_errors_that_name_the_argument() {
    let cache = create(&options());
    let set = |key: *const c_void, key_size: usize, value: *const c_void, size: usize| {
        // SAFETY: what is not there has a size that is refused.
        (unsafe { pinyon_set(cache.raw(), key, key_size, value, size, null()) }, last_error())
    };
    let some = at(b"k");
    for (key, key_size, value, size, code, word) in [
        (null(), 1, some, 1, PINYON_ERR_NULL, "pinyon_set: key is NULL"),
        (some, 1, null(), 1, PINYON_ERR_NULL, "pinyon_set: value is NULL"),
        (some, usize::MAX, some, 1, PINYON_ERR_ARGUMENT, "pinyon_set: key has a size"),
        (some, 1, some, isize::MAX as usize + 1, PINYON_ERR_ARGUMENT, "pinyon_set: value has a size"),
    ] {
        let (got, text) = set(key, key_size, value, size);
        assert!(got == code && text.starts_with(word), "{got}: {text}");
    }
    assert_eq!(set(null(), 0, null(), 0).0, PINYON_OK, "of no bytes the pointer may be anything");
    // SAFETY: a place where no pointer can lie is what is tried; it is not written.
    let code = unsafe {
        pinyon_get(cache.raw(), some, 1, std::ptr::without_provenance_mut(3), null_mut(), null_mut())
    };
    assert_eq!(code, PINYON_ERR_ARGUMENT);
    // SAFETY: as above.
    let code = unsafe { pinyon_get_many(cache.raw(), some.cast(), usize::MAX, null_mut()) };
    assert_eq!(code, PINYON_ERR_ARGUMENT);
}

#[test]
fn g31_a_setting_that_is_refused_is_named() {
    let cache = create(&options());
    // SAFETY: a cache.
    assert_eq!(unsafe { pinyon_set_capacity(cache.raw(), 0) }, PINYON_ERR_ARGUMENT);
    assert_eq!(last_error(), "pinyon_set_capacity: capacity was 0; allowed: 1 or more");
    let bytes = create(&pinyon_options { capacity: 5000, unit: PINYON_BYTES, ..options() });
    // SAFETY: a cache.
    assert_eq!(unsafe { pinyon_set_capacity(bytes.raw(), 10) }, PINYON_ERR_ARGUMENT);
    assert_eq!(last_error(), "pinyon_set_capacity: capacity was 10; allowed: 1024 bytes or more");
    for (refused, text) in [
        (pinyon_options { capacity: 0, ..options() }, "capacity was 0; allowed: 1 or more"),
        (
            pinyon_options { capacity: 9, unit: PINYON_BYTES, ..options() },
            "capacity was 9; allowed: 1024 bytes or more",
        ),
        (
            pinyon_options { capacity: 0, unit: PINYON_WEIGHT, ..options() },
            "capacity was 0; allowed: 1 or more",
        ),
        (pinyon_options { shards: 4097, ..options() }, "shards was 4097; allowed: 1 to 4096"),
        (
            pinyon_options { refresh_early: f64::INFINITY, ..options() },
            "refresh_early was inf; allowed: 0 or more, and finite",
        ),
        (
            pinyon_options { refresh_early: -1.0, ..options() },
            "refresh_early was -1; allowed: 0 or more, and finite",
        ),
    ] {
        let mut none = null_mut();
        // SAFETY: all that is given is there.
        assert_eq!(unsafe { pinyon_create(&refused, &mut none, null_mut(), 0) }, PINYON_ERR_ARGUMENT);
        assert_eq!(last_error(), format!("pinyon_create: {text}"));
    }
    drop(create(&pinyon_options { capacity: u64::MAX, ..options() }));
}

/// The head of the header says what a cost is that is not stated.
#[test]
fn what_is_not_constant_states_its_cost() {
    let header = include_str!("../../include/pinyon.h");
    let head = header.split_once("#ifndef").expect("a guard").0;
    assert!(head.contains("What states no cost is O(1) in the size of the cache"));
    let docs = |function: &str| {
        let end =
            header.find(&format!("{function}(const")).or_else(|| header.find(&format!("{function}(pinyon")));
        let before = &header[..end.unwrap_or_else(|| panic!("{function} is not there"))];
        before[before.rfind("/**").expect("docs")..].to_owned()
    };
    for function in [
        "free",
        "count",
        "set_capacity",
        "maintain",
        "get_stats",
        "set",
        "clear",
        "invalidate_all",
        "invalidate_tag",
        "get_many",
        "set_many",
        "adopt_many",
        "remove_many",
        "complete",
        "abandon",
        "next_page",
        "items_release",
        "poll_removals",
    ] {
        assert!(docs(&format!(" pinyon_{function}")).contains("O("), "{function}");
    }
    let like_another = "shrink adopt commit add replace compare_and_swap counter_add complete_adopted";
    for function in like_another.split(' ') {
        let docs = docs(&format!(" pinyon_{function}"));
        assert!(docs.contains("Costs as") || docs.contains("costs"), "{function}");
    }
}

/// An old program gives shorter structs, and a newer one longer ones.
#[test]
fn g32_structs_of_other_sizes_are_understood() {
    #[repr(C)]
    struct Newer {
        known: pinyon_options,
        unknown: u64,
    }
    let create = |options: *const pinyon_options| {
        let (mut cache, mut text) = (null_mut(), [0 as c_char; 200]);
        // SAFETY: the options are as long as they say.
        let code = unsafe { pinyon_create(options, &mut cache, text.as_mut_ptr(), text.len()) };
        // SAFETY: made here, if at all; and the text ends with a zero.
        let text = unsafe {
            pinyon_free(cache);
            CStr::from_ptr(text.as_ptr()).to_str().expect("text").to_owned()
        };
        assert_eq!(code == PINYON_OK, !cache.is_null());
        (code, text)
    };
    let shortest = pinyon_options { struct_size: 2 * size_of::<usize>(), policy: 99, flags: 99, ..options() };
    assert_eq!(create(&shortest).0, PINYON_OK, "what is beyond its size is not looked at");
    for size in [0, 1, 7, usize::MAX, 1 << 20] {
        let (code, text) = create(&pinyon_options { struct_size: size, ..options() });
        assert!(code == PINYON_ERR_ARGUMENT && text.contains("struct_size"), "{code} {text}");
    }
    let known = pinyon_options { struct_size: size_of::<Newer>(), ..options() };
    let newer = [0, 1].map(|unknown| Newer { known, unknown });
    assert_eq!(create((&raw const newer[0]).cast()).0, PINYON_OK);
    let (code, text) = create((&raw const newer[1]).cast());
    assert!(code == PINYON_ERR_ARGUMENT && text.contains("does not know"), "{code} {text}");
    let (code, text) = create(&pinyon_options { policy: 9, ..options() });
    assert!(code == PINYON_ERR_ARGUMENT && text.contains("PINYON_CLOCK"), "{code} {text}");
    assert_eq!(create(null()).0, PINYON_ERR_NULL);

    let cache = self::create(&options());
    assert_eq!(cache.set(b"k", b"v"), PINYON_OK);
    assert!(cache.get(b"k").is_some());
    // SAFETY: zeros are a value of it.
    let mut old = pinyon_stats { struct_size: 2 * size_of::<usize>(), misses: 77, ..unsafe { zeroed() } };
    // SAFETY: it is longer than it says.
    assert_eq!(unsafe { pinyon_get_stats(cache.raw(), &mut old) }, PINYON_OK);
    assert_eq!((old.struct_size, old.hits, old.misses), (16, 1, 77), "nothing is written beyond its size");
}

#[test]
fn g32_the_version_is_the_crates() {
    let [major, minor, patch] = [pinyon_version() >> 16, pinyon_version() >> 8 & 255, pinyon_version() & 255];
    assert_eq!(format!("{major}.{minor}.{patch}"), env!("CARGO_PKG_VERSION"));
    assert_eq!([major, minor, patch], [PINYON_VERSION_MAJOR, PINYON_VERSION_MINOR, PINYON_VERSION_PATCH]);
}

/// Every function says who owns what, who may call it, whether it waits, and whether it calls back.
#[test]
fn g33_every_function_says_what_it_does_with_threads_and_memory() {
    let mut functions = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ffi")).expect("a folder") {
        let path = file.expect("a file").path();
        let Ok(source) = std::fs::read_to_string(&path) else { continue };
        let lines: Vec<&str> = source.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("#[unsafe(no_mangle)]")) {
            let name = lines[at..].iter().find(|line| line.contains("extern \"C\" fn ")).expect("a function");
            let doc: String =
                lines[..at].iter().rev().take_while(|line| line.starts_with("///")).copied().collect();
            let doc = doc.to_lowercase();
            let each = ["threads", "blocks", "calls back"];
            assert!(each.iter().all(|word| doc.contains(word)), "{}: {name}", path.display());
            let codes = name.contains("-> i32")
                || lines[at..].iter().take(12).any(|line| line.starts_with(") -> i32"));
            assert!(!codes || doc.contains("returns"), "{}: {name}: which codes?", path.display());
            functions += 1;
        }
    }
    assert!(functions > 40, "{functions}");
}

/// Readers, writers and holders of handles at once; what was adopted is freed as often as it was given.
#[test]
fn g12_g27_threads_that_do_everything_at_once_leave_nothing_behind() {
    const ROUNDS: u64 = if cfg!(debug_assertions) { 4000 } else { 40_000 };
    let freed: &'static AtomicUsize = Box::leak(Box::default());
    let given = AtomicUsize::new(0);
    let cache =
        create(&pinyon_options { capacity: 64 << 10, unit: PINYON_BYTES, removal_queue: 8, ..options() });
    thread::scope(|scope| {
        for seed in 0..4 {
            let (cache, given) = (&cache, &given);
            scope.spawn(move || {
                let (mut rng, mut held) = (common::Rng::new(seed), Vec::new());
                for _ in 0..ROUNDS {
                    let key = rng.below(200).to_le_bytes();
                    let size = [8, 40, 300, 3000][rng.below(4) as usize];
                    match rng.below(10) {
                        0..=2 => assert!(cache.set(&key, &vec![key[0]; size]) >= 0),
                        3 => {
                            let bytes: &'static [u8; 256] = &ALL[usize::from(key[0])];
                            given.fetch_add(1, SeqCst);
                            let user = std::ptr::from_ref(freed).cast_mut().cast();
                            let data = bytes.as_ptr().cast_mut().cast();
                            // SAFETY: the bytes are for ever.
                            let code = unsafe {
                                pinyon_adopt(cache.raw(), at(&key), 8, data, 256, Some(count), user, null())
                            };
                            assert!(code >= 0);
                        }
                        4 => _ = cache.remove(&key),
                        5 if rng.below(100) == 0 => {
                            // SAFETY: a cache.
                            unsafe { pinyon_invalidate_all(cache.raw()) };
                        }
                        _ => held.extend(cache.get(&key).inspect(|value| {
                            assert!(value.bytes().iter().all(|&byte| byte == key[0]), "another key's bytes");
                        })),
                    }
                    if held.len() > 20 {
                        held.swap_remove(rng.below(20) as usize);
                    }
                }
            });
        }
    });
    assert!(cache.stats().weight <= 64 << 10);
    drop(cache);
    assert_eq!(freed.load(SeqCst), given.into_inner(), "each adopted value once");
}

static ALL: [[u8; 256]; 256] = {
    let mut all = [[0; 256]; 256];
    let mut byte = 0;
    while byte < 256 {
        all[byte] = [byte as u8; 256];
        byte += 1;
    }
    all
};

#[test]
fn g01_g04_without_weight_an_entry_is_still_one_where_entries_are_counted() {
    let cache = create(&pinyon_options { capacity: 10, ..options() });
    let weightless = pinyon_entry_options { flags: PINYON_WEIGHTLESS, ..entry() };
    for number in 0..100_u8 {
        assert_eq!(cache.set_with(&[number], b"v", &weightless), PINYON_OK);
        assert!(cache.stats().entries <= 10);
    }
    assert_eq!(cache.stats().weight, 10);
}
