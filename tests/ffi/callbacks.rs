//! What a function says that it calls back is what it calls: of each call the callbacks are noted that run inside of it, and
//! compared with the header.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use pinyon::ffi::*;

use super::common::Rng;

/// As the header names them.
const CALLBACKS: [&str; 5] = ["`clock`", "destructor", "`on_removed`", "`on_removed_free`", "`visitor`"];

/// What is called only if another thread acts at that very moment, or a lease ends then, or much was left undone.
const RARE: [(&str, &str); 8] = [
    ("pinyon_get_copy", "destructor"),
    ("pinyon_get_into", "destructor"),
    ("pinyon_next_page", "destructor"),
    ("pinyon_acquire", "destructor"),
    ("pinyon_wait", "destructor"),
    ("pinyon_get_stats", "destructor"),
    ("pinyon_invalidate_all", "destructor"),
    ("pinyon_invalidate_all", "`on_removed`"),
];

/// Functions by name, and what each calls back.
type Called = BTreeMap<String, BTreeSet<&'static str>>;

thread_local! {
    /// The function that this thread is inside of.
    static INSIDE: Cell<&'static str> = const { Cell::new("") };
}
static SEEN: Mutex<Called> = Mutex::new(Called::new());

fn note(callback: &'static str) {
    assert!(CALLBACKS.contains(&callback));
    SEEN.lock().expect("nobody panicked").entry(INSIDE.get().to_owned()).or_default().insert(callback);
}

static TIME: AtomicU64 = AtomicU64::new(1);
static FOREIGN: [u8; 100_000] = [7; 100_000];

unsafe extern "C" fn clock(_: *mut c_void) -> u64 {
    note("`clock`");
    TIME.fetch_add(100_000, SeqCst)
}

unsafe extern "C" fn destructor(_: *mut c_void, _: usize, _: *mut c_void) {
    note("destructor");
}

unsafe extern "C" fn on_removed(
    _: *mut c_void,
    _: *const c_void,
    _: usize,
    _: *const c_void,
    _: usize,
    _: i32,
) {
    note("`on_removed`");
}

unsafe extern "C" fn on_removed_free(_: *mut c_void) {
    note("`on_removed_free`");
}

unsafe extern "C" fn visitor(_: *mut c_void, _: *const c_void, _: usize) {
    note("`visitor`");
}

/// Calls a function of the ABI, so that what it calls back is noted.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {{
        INSIDE.set(stringify!($function));
        // SAFETY: all that is given is there.
        let result = unsafe { $function($($argument),*) };
        INSIDE.set("");
        result
    }};
}

struct Caller {
    cache: *mut pinyon_cache,
    rng: Rng,
    handles: Vec<*mut pinyon_handle>,
    items: Vec<pinyon_item>,
    tokens: Vec<u64>,
    tickets: Vec<u64>,
}

impl Caller {
    fn new(cache: &super::Cache, seed: u64) -> Self {
        let (handles, items, tokens, tickets) = Default::default();
        Caller { cache: cache.raw(), rng: Rng::new(seed), handles, items, tokens, tickets }
    }

    fn hold(&mut self, handle: *mut pinyon_handle) {
        self.handles.push(handle);
        if self.handles.len() > 10 {
            call!(pinyon_release(self.handles.swap_remove(self.rng.below(10) as usize)));
        }
    }

    /// One call, or some that belong together; which, the chance says.
    fn step(&mut self, buffer: &mut [u8]) {
        let cache = self.cache;
        let byte = self.rng.below(16) as u8;
        let (key, key_size) = ((&raw const byte).cast::<c_void>(), 1);
        let size = if self.rng.below(2) == 0 { 8 } else { FOREIGN.len() };
        let data = FOREIGN.as_ptr().cast_mut().cast::<c_void>();
        let tag = pinyon_bytes { data: key, size: usize::from(byte & 1) };
        let ttl_ms = [0, 1, 20][self.rng.below(3) as usize];
        let options = pinyon_entry_options { ttl_ms, tags: &tag, tag_count: 1, ..super::entry() };
        let (mut handle, mut length, mut number) = (null_mut(), 0, 0);
        let mut at = null();
        match self.rng.below(34) {
            0 => _ = call!(pinyon_set(cache, key, key_size, data, 8, &options)),
            1..=4 => {
                _ = call!(pinyon_adopt(
                    cache,
                    key,
                    key_size,
                    data,
                    size,
                    Some(destructor),
                    null_mut(),
                    &options
                ))
            }
            5 => _ = call!(pinyon_add(cache, key, key_size, data, 8, &options)),
            6 => _ = call!(pinyon_replace(cache, key, key_size, data, 8, &options)),
            7 => _ = call!(pinyon_compare_and_swap(cache, key, key_size, data, 8, data, 8, &options)),
            8 => {
                if call!(pinyon_counter_add(cache, key, key_size, 1, 0, &options, null_mut())) < 0 {
                    call!(pinyon_remove(cache, key, key_size));
                }
            }
            9 => {
                let (mut reservation, mut room) = (null_mut(), null_mut());
                call!(pinyon_reserve(cache, key, key_size, 8, &mut reservation, &mut room));
                if byte == 0 {
                    call!(pinyon_discard(reservation));
                } else {
                    call!(pinyon_commit(cache, reservation, &options));
                }
            }
            10 => {
                let pair = pinyon_pair {
                    key: pinyon_bytes { data: key, size: 1 },
                    value: pinyon_bytes { data, size },
                };
                call!(pinyon_set_many(cache, &pair, 1, &options, null_mut()));
                call!(pinyon_adopt_many(cache, &pair, 1, Some(destructor), null_mut(), &options, null_mut()));
                call!(pinyon_remove_many(cache, &pair.key, 1, null_mut()));
            }
            11 => _ = call!(pinyon_remove(cache, key, key_size)),
            12 => {
                call!(pinyon_take(cache, key, key_size, &mut handle, null_mut(), null_mut()));
                self.hold(handle);
            }
            13 => _ = call!(pinyon_touch(cache, key, key_size)),
            14 => _ = call!(pinyon_expire_after(cache, key, key_size, ttl_ms)),
            15 => {
                _ = call!(pinyon_get_copy(
                    cache,
                    key,
                    key_size,
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    &mut length
                ))
            }
            16 => {
                call!(pinyon_get(cache, key, key_size, &mut handle, &mut at, &mut length));
                self.hold(handle);
            }
            17 => {
                let room = buffer.as_mut_ptr().cast();
                call!(pinyon_get_into(cache, key, key_size, room, size, &mut handle, &mut at, &mut length));
                self.hold(handle);
            }
            18 => {
                // SAFETY: zeros are a value of it.
                let mut found: pinyon_found = unsafe { zeroed() };
                call!(pinyon_get_many(cache, &pinyon_bytes { data: key, size: 1 }, 1, &mut found));
                self.hold(found.handle);
            }
            19 => _ = call!(pinyon_visit(cache, key, key_size, Some(visitor), null_mut())),
            20 => _ = call!(pinyon_contains(cache, key, key_size)),
            21 => {
                // SAFETY: zeros are a value of it.
                let none: pinyon_metadata = unsafe { zeroed() };
                let mut known = pinyon_metadata { struct_size: size_of::<pinyon_metadata>(), ..none };
                call!(pinyon_get_metadata(cache, key, key_size, &mut known));
            }
            22..=24 => self.acquire(key),
            25 => {
                if let Some(token) = self.tokens.pop() {
                    let adopted: pinyon_free_value = Some(destructor);
                    match byte % 4 {
                        0 => _ = call!(pinyon_complete(cache, token, data, 8, &options)),
                        1 => _ = call!(pinyon_abandon(cache, token)),
                        _ => {
                            _ = call!(pinyon_complete_adopted(
                                cache,
                                token,
                                data,
                                size,
                                adopted,
                                null_mut(),
                                &options
                            ))
                        }
                    }
                }
            }
            26 => {
                if let Some(ticket) = self.tickets.pop() {
                    // SAFETY: zeros are a value of it.
                    let mut acquired: pinyon_acquired = unsafe { zeroed() };
                    if byte & 1 == 0 && call!(pinyon_wait(cache, ticket, 0, &mut acquired)) >= 0 {
                        self.hold(acquired.handle);
                        self.tokens.extend(Some(acquired.token).filter(|&token| token != 0));
                    }
                    call!(pinyon_leave(cache, ticket));
                }
            }
            27 => self.page(),
            28 => {
                for kept in std::mem::take(&mut self.items) {
                    let mut kept = kept;
                    let other = call!(pinyon_item_handle(&kept));
                    let again = call!(pinyon_retain(other));
                    call!(pinyon_handle_value(again, &mut at, &mut length));
                    call!(pinyon_release(again));
                    call!(pinyon_items_release(&mut kept, 1));
                    self.hold(other);
                }
            }
            29 => {
                // SAFETY: zeros are a value of it.
                let mut removal: pinyon_removal = unsafe { zeroed() };
                call!(pinyon_poll_removals(cache, &mut removal, 1, &mut length));
                self.items.extend(Some(removal.item).filter(|_| length > 0));
            }
            30 => _ = call!(pinyon_maintain(cache, 100)),
            31 if byte == 1 => _ = call!(pinyon_clear(cache)),
            31 if byte == 2 => _ = call!(pinyon_invalidate_all(cache)),
            31 => _ = call!(pinyon_invalidate_tag(cache, tag.data, tag.size)),
            32 => {
                if byte & 1 == 0 {
                    call!(pinyon_shrink(cache, u64::from(byte) / 2, &mut number));
                }
                call!(pinyon_set_capacity(cache, u64::from(byte) + 1));
            }
            _ => {
                // SAFETY: zeros are a value of it.
                let none: pinyon_stats = unsafe { zeroed() };
                let mut stats = pinyon_stats { struct_size: size_of::<pinyon_stats>(), ..none };
                call!(pinyon_get_stats(cache, &mut stats));
                call!(pinyon_count(cache));
            }
        }
    }

    fn acquire(&mut self, key: *const c_void) {
        // SAFETY: zeros are a value of it.
        let mut acquired: pinyon_acquired = unsafe { zeroed() };
        let size = size_of::<pinyon_lease_options>();
        let lasting_ms = [1, PINYON_NEVER][self.rng.below(2) as usize];
        let options = pinyon_lease_options { struct_size: size, lasting_ms, refresh_after_ms: 1 };
        call!(pinyon_acquire(self.cache, key, 1, &options, &mut acquired));
        self.hold(acquired.handle);
        self.tokens.extend(Some(acquired.token).filter(|&token| token != 0));
        self.tickets.extend(Some(acquired.ticket).filter(|&ticket| ticket != 0));
    }

    fn page(&mut self) {
        // SAFETY: zeros are a value of each.
        let mut items: [pinyon_item; 16] = unsafe { zeroed() };
        let (mut cursor, mut count, room) = (PINYON_START, 0, self.rng.below(2) as usize * 16);
        if call!(pinyon_next_page(self.cache, &mut cursor, items.as_mut_ptr(), room, &mut count))
            != PINYON_TOO_SMALL
        {
            self.items.extend_from_slice(&items[..count]);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        for handle in self.handles.drain(..) {
            call!(pinyon_release(handle));
        }
        call!(pinyon_items_release(self.items.as_mut_ptr(), self.items.len()));
    }
}

/// What each function says.
fn said() -> Called {
    let header = include_str!("../../include/pinyon.h");
    let mut said = Called::new();
    for part in header.split("/**").skip(1) {
        let (words, code) = part.split_once("*/").expect("a comment ends");
        let code = code.split(['(', ';']).next().unwrap_or_default();
        let Some(name) = code.rfind("pinyon_").map(|at| code[at..].to_owned()) else { continue };
        let words = words.split_whitespace().filter(|&word| word != "*").collect::<Vec<_>>().join(" ");
        let Some(at) = words.to_lowercase().rfind("calls back: ") else { continue };
        let sentence = words[at..].split(". ").next().unwrap_or_default();
        let mut own: BTreeSet<_> = CALLBACKS.into_iter().filter(|one| sentence.contains(one)).collect();
        own.extend(sentence.contains("`free_value`").then_some("destructor"));
        if sentence.contains(": as ") || sentence.contains(": also ") {
            let before = &words[..at + sentence.len()];
            let other = before.rfind("as `").map(|at| before[at + 4..].split('`').next().unwrap_or_default());
            own.extend(&said[other.expect("as another")]);
        }
        said.insert(name, own);
    }
    said
}

/// Two threads call everything, on a cache of their own, and free it.
fn round(seed: u64) {
    const STEPS: usize = 10_000;
    let options = pinyon_options {
        capacity: 10,
        shards: 1,
        flags: PINYON_TRACK_AGE,
        ttl_ms: 1000,
        idle_ms: 500,
        clock: Some(clock),
        on_removed: Some(on_removed),
        on_removed_free: Some(on_removed_free),
        removal_queue: 2,
        ..super::options()
    };
    let (refused, mut none) = (pinyon_options { policy: 9, ..options }, null_mut());
    assert_eq!(call!(pinyon_create(&refused, &mut none, null_mut(), 0)), PINYON_ERR_ARGUMENT);
    INSIDE.set("pinyon_create");
    let cache = super::create(&options);
    thread::scope(|scope| {
        for thread in 0..2 {
            let cache = &cache;
            scope.spawn(move || {
                let (mut caller, mut buffer) =
                    (Caller::new(cache, 2 * seed + thread), vec![0; FOREIGN.len()]);
                (0..STEPS).for_each(|_| caller.step(&mut buffer));
            });
        }
    });
    INSIDE.set("pinyon_free");
    drop(cache);
}

/// What is called and not said; and what is said and was not called.
fn differences(said: &Called) -> [Vec<String>; 2] {
    let seen = SEEN.lock().expect("nobody panicked");
    let mut differences = [vec![], vec![]];
    for (name, says) in said {
        for callback in CALLBACKS {
            let calls = seen.get(name).is_some_and(|called| called.contains(callback));
            let one = format!("{name}: {callback}");
            match (calls, says.contains(callback)) {
                (true, false) => differences[0].push(one),
                (false, true) if !RARE.contains(&(name, callback)) => differences[1].push(one),
                _ => {}
            }
        }
    }
    differences
}

#[test]
fn g33_what_a_function_says_it_calls_back_is_what_it_calls() {
    let said = said();
    assert!(said.len() > 40, "{said:?}");
    for seed in 0..50 {
        round(seed);
        let [unsaid, uncalled] = differences(&said);
        assert!(unsaid.is_empty(), "they say nothing of it: {unsaid:?}");
        if uncalled.is_empty() {
            return;
        }
    }
    panic!("they do not call, whatever they say: {:?}", differences(&said)[1]);
}
