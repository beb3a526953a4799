//! Who might wait for ever: behind tickers and wakers that panic, tasks that are kept and not polled, jobs that do not begin, forks,
//! and themselves (G18, G19, G21, G22, G25).

#![allow(unsafe_code)]

mod common;

use common::{Fate, in_child};
use pinyon::{
    Acquired, Cache, Completed, LeaseOptions, LoadError, LoadOptions, Loaded, ManualTicker, Ticker, Waited,
};
use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

type Numbers = Cache<u32, u64>;
type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

const PATIENT: Duration = Duration::from_secs(20);

fn numbers() -> Numbers {
    Cache::builder().capacity(100).shards(1).build().unwrap()
}

fn poll<T>(task: &mut Task<'_, T>, waker: &Waker) -> Poll<T> {
    task.as_mut().poll(&mut Context::from_waker(waker))
}

/// A task that asks for the key 1, polled once.
fn asks<'a>(
    cache: &'a Numbers,
    loader: impl Future<Output = u64> + 'a,
    waker: &Waker,
) -> Task<'a, Result<u64, LoadError>> {
    let mut task: Task<'a, _> = Box::pin(cache.get_or_load_async(&1, loader));
    assert!(poll(&mut task, waker).is_pending());
    task
}

/// Fails instead of hanging.
fn ends<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, result) = channel();
    thread::spawn(move || send.send(work()));
    match result.recv_timeout(PATIENT) {
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        result => result.unwrap(),
    }
}

/// A call of the key 1 that does not wait for long.
fn impatient(cache: &Numbers) -> Result<u64, LoadError<()>> {
    let options = LoadOptions::new().timeout(Duration::from_millis(200));
    cache.load(&1, options, |_| Ok(Loaded::new(77)))
}

fn until_waiting(cache: &Numbers, calls: u64) {
    while cache.stats().waiting != calls {
        thread::yield_now();
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn g21_a_ticket_of_ones_own_key_is_no_way_around() {
    ends("a wait for oneself", || {
        let cache = numbers();
        // A ticket from before, and one asked for inside.
        let Acquired::Lead(token) = cache.acquire(&1, LeaseOptions::new()) else {
            panic!("nothing is there")
        };
        let Acquired::Wait(ticket) = cache.acquire(&1, LeaseOptions::new()) else { panic!("one loads") };
        assert!(cache.abandon(token));
        let got = cache.get_or_load(&1, || {
            assert_eq!(cache.acquire(&1, LeaseOptions::new()), Acquired::OwnKey);
            assert_eq!(cache.wait(ticket, None), Waited::OwnKey);
            1
        });
        assert_eq!(got, Ok(1));
        cache.validate();
    });
}

#[test]
fn g21_the_answer_of_a_bulk_loader_that_is_made_while_it_is_read_asks_for_its_own_key() {
    let cache = numbers();
    let asked = AtomicUsize::new(0);
    let got = cache.get_many_or_load([&1], LoadOptions::<()>::new(), |keys| {
        let (cache, asked) = (&cache, &asked);
        let keys: Vec<u32> = keys.to_vec();
        Ok(keys.into_iter().map(move |key| {
            asked.fetch_add(usize::from(impatient(cache) == Err(LoadError::OwnKey)), SeqCst);
            u64::from(key)
        }))
    });
    assert_eq!((got, asked.into_inner()), (Ok(vec![1]), 1));
}

#[test]
fn g21_g24_a_weigher_that_asks_for_the_key_that_is_landing_gets_an_error() {
    let (home, seen) = (Arc::new(Mutex::new(None::<Numbers>)), Arc::new(Mutex::new(None)));
    let (there, told) = (home.clone(), seen.clone());
    let weigher = move |_: &u32, _: &u64| {
        let cache = there.lock().unwrap().take();
        if let Some(cache) = cache {
            *told.lock().unwrap() = Some(impatient(&cache));
        }
        1
    };
    let cache = Cache::builder().capacity_weight(10).weigher(weigher).build().unwrap();
    *home.lock().unwrap() = Some(cache.clone());
    assert_eq!(cache.get_or_load(&1, || 100), Ok(100));
    assert_eq!(*seen.lock().unwrap(), Some(Err(LoadError::OwnKey)));
    cache.validate();
}

type Asked = Arc<Mutex<Vec<Result<u64, LoadError<()>>>>>;

/// What asks a cache for the key 1, the first time after it was armed.
#[derive(Clone, Default)]
struct Asks(Arc<Mutex<Option<Numbers>>>, Asked);

impl Asks {
    fn arm(&self, cache: &Numbers) {
        *self.0.lock().unwrap() = Some(cache.clone());
    }

    fn ask(&self) {
        let cache = self.0.lock().unwrap().take();
        if let Some(cache) = cache {
            let got = impatient(&cache);
            self.1.lock().unwrap().push(got);
        }
    }

    fn was_refused(&self) -> bool {
        *self.1.lock().unwrap() == [Err(LoadError::OwnKey)]
    }
}

impl Ticker for Asks {
    fn now(&self) -> Duration {
        self.ask();
        Duration::from_secs(1)
    }
}

#[test]
fn g21_g24_a_ticker_that_asks_for_the_key_whose_load_ends_gets_an_error() {
    let asks = Asks::default();
    let cache: Numbers = Cache::builder().capacity(10).ticker(asks.clone()).build().unwrap();
    let load = || {
        asks.arm(&cache);
        5
    };
    assert_eq!((cache.get_or_load(&1, load), asks.was_refused()), (Ok(5), true));
    cache.validate();
}

#[test]
fn g21_g24_an_error_that_is_cloned_for_others_and_asks_for_its_key_gets_an_error() {
    struct Down(Asks);
    impl Clone for Down {
        fn clone(&self) -> Self {
            self.0.ask();
            Down(self.0.clone())
        }
    }
    let (cache, asks) = (numbers(), Asks::default());
    asks.arm(&cache);
    let got = cache.load(&1, LoadOptions::new().share_errors(), |_| Err(Down(asks.clone())));
    assert!(matches!(got, Err(LoadError::Failed(_))) && asks.was_refused());
    cache.validate();
}

/// A ticker that panics: once, on the thread that armed it; or from then on, on all.
struct Faulty {
    armed: Armed,
    for_good: bool,
}

type Armed = Arc<Mutex<Option<ThreadId>>>;

impl Ticker for Faulty {
    fn now(&self) -> Duration {
        let mut armed = self.armed.lock().unwrap();
        let faulty = armed.is_some_and(|by| self.for_good || by == thread::current().id());
        if faulty && !self.for_good {
            *armed = None;
        }
        drop(armed);
        assert!(!faulty, "ticker");
        Duration::from_secs(1)
    }
}

fn arm(armed: &Armed) {
    *armed.lock().unwrap() = Some(thread::current().id());
}

fn faulty(for_good: bool) -> (Numbers, Armed) {
    let armed = Armed::default();
    let ticker = Faulty { armed: armed.clone(), for_good };
    (Cache::builder().capacity(10).shards(1).ticker(ticker).build().unwrap(), armed)
}

#[test]
fn g19_g25_a_load_ends_though_the_ticker_panics() {
    for (for_good, share) in [(false, false), (false, true), (true, false), (true, true)] {
        let (cache, armed) = faulty(for_good);
        let (tell, waited) = channel();
        let other = cache.clone();
        let options = if share { LoadOptions::<u8>::new().share_errors() } else { LoadOptions::new() };
        let failed = catch_unwind(AssertUnwindSafe(|| {
            cache.load(&1, options, |_| {
                thread::spawn(move || tell.send(other.load(&1, options, |_| Ok(Loaded::new(2)))));
                until_waiting(&cache, 1);
                arm(&armed);
                Err(1)
            })
        }));
        assert!(failed.is_err() || matches!(failed, Ok(Err(LoadError::Failed(1)))));
        *armed.lock().unwrap() = None;
        let got = waited.recv_timeout(PATIENT);
        let expected = if share { Err(LoadError::Failed(1)) } else { Ok(2) };
        // For good, it panics in the call that waits as well.
        assert!(for_good || got == Ok(expected), "{got:?}");
        cache.validate();
    }
    // Nor does one panic make another while it unwinds.
    let fate = in_child(|| {
        let (cache, armed) = faulty(true);
        _ = catch_unwind(AssertUnwindSafe(|| {
            cache.get_or_load(&1, || {
                arm(&armed);
                panic!("loader")
            })
        }));
    });
    assert_eq!(fate, Fate::Exited(0));
}

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("waker");
    }
}

#[test]
fn g19_g25_all_are_woken_when_a_leader_goes_though_a_waker_panics() {
    let cache = numbers();
    let woken = Arc::new(Flag::default());
    let leader = asks(&cache, pending(), Waker::noop());
    let _first = asks(&cache, pending(), &Waker::from(Arc::new(Bomb)));
    let mut second = asks(&cache, ready(2), &Waker::from(woken.clone()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(leader))).is_err());
    assert!(woken.0.load(SeqCst));
    assert_eq!(poll(&mut second, Waker::noop()), Poll::Ready(Ok(2)));
}

#[test]
fn g19_g25_a_waker_that_panics_when_a_loader_has_panicked_does_not_end_the_process() {
    let fate = in_child(|| {
        let (cache, fails, woken) = (numbers(), AtomicBool::new(false), Arc::new(Flag::default()));
        let loader = poll_fn(|_| {
            assert!(!fails.load(SeqCst), "loader");
            Poll::Pending
        });
        let mut leader = asks(&cache, loader, Waker::noop());
        let first = asks(&cache, pending(), &Waker::from(Arc::new(Bomb)));
        let mut second = asks(&cache, ready(2), &Waker::from(woken.clone()));
        fails.store(true, SeqCst);
        let panic = catch_unwind(AssertUnwindSafe(|| poll(&mut leader, Waker::noop()))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"loader"));
        assert!(woken.0.load(SeqCst));
        assert_eq!(poll(&mut second, Waker::noop()), Poll::Ready(Ok(2)));
        drop(first);
        cache.validate();
    });
    assert_eq!(fate, Fate::Exited(0));
}

#[test]
fn g19_g25_upkeep_ends_every_lease_that_is_over_though_a_waker_panics() {
    ends("one who asks after a waker panicked", || {
        let cache = numbers();
        let bomb = Waker::from(Arc::new(Bomb));
        let mut tasks: Vec<Task<'_, _>> = Vec::new();
        for key in [&1, &2, &3] {
            let lease = cache.acquire(key, LeaseOptions::new().lasting(Duration::from_millis(50)));
            assert!(matches!(lease, Acquired::Lead(_)));
            let mut task: Task<'_, _> = Box::pin(cache.get_or_load_async(key, pending()));
            assert!(poll(&mut task, &bomb).is_pending());
            tasks.push(task);
        }
        thread::sleep(Duration::from_millis(60));
        assert!(catch_unwind(AssertUnwindSafe(|| cache.maintain(1000))).is_err());
        for (key, task) in [1, 2, 3].into_iter().zip(tasks) {
            assert_eq!(cache.get_or_load(&key, || key.into()), Ok(key.into()));
            drop(task);
        }
        cache.validate();
    });
}

thread_local! {
    static ON_COMPARE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A key whose comparison does something first.
#[derive(Clone, Debug)]
struct Compared(u32);

impl PartialEq for Compared {
    fn eq(&self, other: &Compared) -> bool {
        if let Some(act) = ON_COMPARE.take() {
            act();
        }
        self.0 == other.0
    }
}

impl Eq for Compared {}

impl Hash for Compared {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[test]
fn g21_g24_what_runs_while_a_key_of_a_bulk_call_is_entered_may_not_ask_for_another_of_them() {
    let cache: Cache<Compared, u64> = Cache::builder().capacity(10).build().unwrap();
    let asked = Arc::new(Mutex::new(None));
    let (same, tell) = (cache.clone(), asked.clone());
    ON_COMPARE.set(Some(Box::new(move || {
        let options = LoadOptions::<()>::new().timeout(Duration::from_millis(200));
        *tell.lock().unwrap() = Some(same.load(&Compared(1), options, |_| Ok(Loaded::new(77))));
    })));
    let both = [Compared(1), Compared(2)];
    let got = cache.get_many_or_load(&both, LoadOptions::<()>::new(), |_| Ok([10, 20]));
    assert_eq!((got, *asked.lock().unwrap()), (Ok(vec![10, 20]), Some(Err(LoadError::OwnKey))));
    cache.validate();
}

type Words = Cache<Compared, u64>;

fn words() -> Words {
    let cache = Cache::builder().capacity(10).shards(1).build().unwrap();
    assert!(cache.insert(Compared(2), 0).is_stored());
    cache
}

/// Asks for a lease of the key 1, while a task comes that waits for that with this waker: as the new leader looks again whether the
/// value is there. The task is given back.
fn acquire_before(cache: &Words, waker: Waker, look: impl FnOnce(&dyn Fn() -> Acquired<u64>)) {
    let waits = Arc::new(Mutex::new(None));
    let (theirs, put) = (cache.clone(), waits.clone());
    let come = move || {
        let came = thread::spawn(move || {
            let mut task = Box::pin(async move { theirs.get_or_load_async(&Compared(1), pending()).await });
            assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            *put.lock().unwrap() = Some(task);
        });
        came.join().unwrap();
    };
    // The first comparison is that of the look that misses.
    ON_COMPARE.set(Some(Box::new(move || ON_COMPARE.set(Some(Box::new(come))))));
    let long = LeaseOptions::new().lasting(Duration::from_secs(3600));
    look(&|| cache.acquire(&Compared(1), long));
    assert!(waits.lock().unwrap().take().is_some() && ON_COMPARE.take().is_none());
}

#[test]
fn g19_g25_a_lease_is_given_back_if_a_waker_panics_before_its_holder_has_the_token() {
    ends("one who asks after a waker panicked", || {
        let cache = words();
        acquire_before(&cache, Waker::from(Arc::new(Bomb)), |acquire| {
            assert!(catch_unwind(AssertUnwindSafe(acquire)).is_err());
            assert_eq!(cache.get_or_load(&Compared(1), || 5), Ok(5));
        });
        cache.validate();
    });
}

/// A waker that asks for the key 1.
struct AskingWaker(Words, Mutex<Option<Result<u64, LoadError<()>>>>);

impl Wake for AskingWaker {
    fn wake(self: Arc<Self>) {
        let options = LoadOptions::new().timeout(Duration::from_millis(200));
        *self.1.lock().unwrap() = Some(self.0.load(&Compared(1), options, |_| Ok(Loaded::new(7))));
    }
}

#[test]
fn g21_a_waker_that_asks_for_the_key_whose_lease_is_given_out_gets_an_error() {
    let cache = words();
    let asks = Arc::new(AskingWaker(cache.clone(), Mutex::new(None)));
    acquire_before(&cache, Waker::from(asks.clone()), |acquire| {
        let Acquired::Lead(token) = acquire() else { panic!("nobody leads") };
        assert_eq!(asks.1.lock().unwrap().take(), Some(Err(LoadError::OwnKey)));
        assert_eq!(cache.complete(token, 5), Completed::Stored);
    });
    cache.validate();
}

/// A waker whose drop panics, when it is armed.
struct Sticky(Arc<AtomicBool>);

impl Wake for Sticky {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Sticky {
    fn drop(&mut self) {
        assert!(!self.0.swap(false, SeqCst), "drop of a waker");
    }
}

#[test]
fn g19_g25_a_waker_whose_drop_panics_loses_no_lead_and_no_flight() {
    ends("one who asks after a waker's drop panicked", || {
        let (cache, armed) = (numbers(), Arc::new(AtomicBool::new(false)));
        // It takes over by a poll that puts its old waker out of use.
        let lost = cache.acquire(&1, LeaseOptions::new().lasting(Duration::from_millis(50)));
        assert!(matches!(lost, Acquired::Lead(_)));
        let waker = Waker::from(Arc::new(Sticky(armed.clone())));
        let mut next = asks(&cache, pending(), &waker);
        drop(waker);
        thread::sleep(Duration::from_millis(60));
        armed.store(true, SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut next, Waker::noop()))).is_err());
        assert_eq!(cache.get_or_load(&1, || 5), Ok(5));
        drop(next);
        // And one leaves with it, the last of all.
        cache.invalidate(&1);
        let leader = asks(&cache, pending(), Waker::noop());
        let waker = Waker::from(Arc::new(Sticky(armed.clone())));
        let last = asks(&cache, pending(), &waker);
        drop(waker);
        armed.store(true, SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(last))).is_err());
        drop(leader);
        assert_eq!(cache.get_or_load(&1, || 6), Ok(6));
        cache.validate();
    });
}

#[test]
fn g19_g25_who_looks_after_a_leader_is_woken_though_the_leaders_waker_cannot_be_cloned() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());
    fn clone(of: *const ()) -> RawWaker {
        assert!(!ARMED.load(SeqCst), "clone of a waker");
        RawWaker::new(of, &TABLE)
    }
    let (cache, slot, woken) = (numbers(), Arc::default(), Arc::new(Flag::default()));
    // SAFETY: the table looks at no data, and its functions may be called by any thread.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) };
    let leader = asks(&cache, tells_its_waker(&slot), &waker);
    let next = asks(&cache, ready(2), &Waker::from(woken.clone()));
    ARMED.store(true, SeqCst);
    let attendant = slot.lock().unwrap().take().unwrap();
    let _ = catch_unwind(AssertUnwindSafe(|| attendant.wake()));
    assert!(woken.0.load(SeqCst));
    drop((leader, next));
    cache.validate();
}

#[test]
fn g19_g25_a_waker_that_another_took_the_place_of_is_dropped_before_a_lead_is_taken() {
    ends("one who asks after an older waker's drop panicked", || {
        let (cache, armed) = (numbers(), Arc::new(AtomicBool::new(false)));
        let leader = asks(&cache, pending(), Waker::noop());
        let waker = Waker::from(Arc::new(Sticky(armed.clone())));
        let mut next = asks(&cache, pending(), &waker);
        drop(waker);
        assert!(poll(&mut next, Waker::noop()).is_pending());
        drop(leader);
        armed.store(true, SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut next, Waker::noop()))).is_err());
        drop(next);
        assert_eq!(cache.get_or_load(&1, || 5), Ok(5));
        cache.validate();
    });
}

#[test]
fn g19_a_task_that_was_woken_to_lead_and_is_kept_blocks_nobody_behind_it() {
    ends("the thread behind", || {
        let cache = numbers();
        let leader = asks(&cache, pending(), Waker::noop());
        let kept = asks(&cache, ready(1), Waker::noop());
        thread::scope(|scope| {
            let behind = scope.spawn(|| cache.get_or_load(&1, || 2));
            until_waiting(&cache, 2);
            drop(leader);
            assert_eq!(behind.join().unwrap(), Ok(2));
        });
        drop(kept);
        cache.validate();
    });
}

/// A loader that hands its waker out and is never done.
fn tells_its_waker(slot: &Arc<Mutex<Option<Waker>>>) -> impl Future<Output = u64> + use<> {
    let slot = slot.clone();
    poll_fn(move |cx| {
        *slot.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn g19_a_thread_behind_two_tasks_that_are_kept_leads() {
    ends("the thread behind", || {
        let (cache, slot) = (numbers(), Arc::default());
        let leader = asks(&cache, tells_its_waker(&slot), Waker::noop());
        let kept = asks(&cache, ready(1), Waker::noop());
        thread::scope(|scope| {
            let behind = scope.spawn(|| cache.get_or_load(&1, || 2));
            until_waiting(&cache, 2);
            slot.lock().unwrap().take().unwrap().wake();
            assert_eq!(behind.join().unwrap(), Ok(2));
        });
        drop((leader, kept));
        cache.validate();
    });
}

#[test]
fn g18_a_leader_that_runs_for_long_keeps_the_lead() {
    ends("the leader", || {
        let (cache, loads) = (numbers(), AtomicUsize::new(0));
        thread::scope(|scope| {
            let (cache, loads) = (&cache, &loads);
            let leader = scope.spawn(move || {
                let mut long = Some(());
                let loader = poll_fn(|cx| {
                    if long.take().is_some() {
                        loads.fetch_add(1, SeqCst);
                        until_waiting(cache, 1);
                        cx.waker().wake_by_ref();
                        thread::sleep(Duration::from_millis(150));
                    }
                    Poll::Ready(1)
                });
                let mut leader: Task<'_, _> = Box::pin(cache.get_or_load_async(&1, loader));
                poll(&mut leader, Waker::noop())
            });
            while loads.load(SeqCst) == 0 {
                thread::yield_now();
            }
            let got = cache.get_or_load(&1, || loads.fetch_add(1, SeqCst) as u64);
            assert_eq!((got, leader.join().unwrap()), (Ok(1), Poll::Ready(Ok(1))));
        });
        assert_eq!((loads.into_inner(), cache.stats().stale_loads), (1, 0));
    });
}

#[test]
fn g18_a_newcomer_goes_behind_a_leader_whose_executor_is_late() {
    let (cache, slot, done) = (numbers(), Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let (tell, is_done) = (slot.clone(), done.clone());
    let loader = poll_fn(move |cx| {
        *tell.lock().unwrap() = Some(cx.waker().clone());
        if is_done.load(SeqCst) { Poll::Ready(1) } else { Poll::Pending }
    });
    let mut leader = asks(&cache, loader, Waker::noop());
    done.store(true, SeqCst);
    let waker: Option<Waker> = slot.lock().unwrap().take();
    waker.unwrap().wake();
    thread::sleep(Duration::from_millis(60));
    let _newcomer = asks(&cache, pending(), Waker::noop());
    assert_eq!(poll(&mut leader, Waker::noop()), Poll::Ready(Ok(1)));
    assert_eq!((cache.get(&1), cache.stats().stale_loads), (Some(1), 0));
}

#[test]
fn g18_one_who_waits_for_an_old_load_goes_to_the_newer_one_when_that_fails() {
    let cache = numbers();
    let old = asks(&cache, pending(), Waker::noop());
    let mut waiting = asks(&cache, async { panic!("a third load") }, Waker::noop());
    cache.invalidate(&1);
    let _newer = asks(&cache, pending(), Waker::noop());
    drop(old);
    assert!(poll(&mut waiting, Waker::noop()).is_pending());
}

#[test]
fn g19_g28_those_who_waited_in_the_parent_are_no_part_of_the_queue_in_a_child() {
    let cache = numbers();
    let (end, ended) = channel::<()>();
    let (first, second) = (cache.clone(), cache.clone());
    let (running, runs) = channel();
    let leader = thread::spawn(move || {
        first.get_or_load(&1, || {
            running.send(()).unwrap();
            ended.recv().unwrap();
            1
        })
    });
    runs.recv().unwrap();
    let waiting = thread::spawn(move || second.get_or_load(&1, || 2));
    until_waiting(&cache, 1);
    let fate = in_child(|| {
        let other = cache.clone();
        thread::scope(|scope| {
            let failed = cache.try_get_or_load(&1, || {
                scope.spawn(move || assert_eq!(other.get_or_load(&1, || 3), Ok(3)));
                until_waiting(&cache, 1);
                Err::<u64, _>("down")
            });
            assert_eq!(failed, Err(LoadError::Failed("down")));
        });
        assert_eq!(cache.get(&1), Some(3));
    });
    end.send(()).unwrap();
    assert_eq!((leader.join().unwrap(), waiting.join().unwrap()), (Ok(1), Ok(1)));
    assert_eq!(fate, Fate::Exited(0));
}

fn renewed(ticker: &ManualTicker) -> Numbers {
    let builder = Cache::builder().capacity(10).ticker(ticker.clone());
    let cache =
        builder.time_to_live(Duration::from_secs(10)).refresh_after(Duration::from_secs(5)).build().unwrap();
    cache.insert(1, 1);
    ticker.advance(Duration::from_secs(6));
    cache
}

/// All threads of a pool find nothing, while the refresh is in the pool's queue.
#[test]
fn g19_g22_nobody_waits_for_ever_for_a_refresh_that_does_not_begin() {
    ends("a pool of one thread", || {
        let ticker = ManualTicker::new();
        let cache = renewed(&ticker);
        let mut queue = Vec::new();
        let load = |value| move |_: &u32| Ok::<_, ()>(Loaded::new(value));
        let first = cache.load_spawning(&1, LoadOptions::new(), load(2), |job| queue.push(job));
        assert_eq!(first, Ok(1));
        ticker.advance(Duration::from_secs(6));
        let second = cache.load_spawning(&1, LoadOptions::new(), load(3), |job| queue.push(job));
        assert_eq!((second, queue.len()), (Ok(3), 1));
        queue.into_iter().for_each(|job| job());
        assert_eq!(cache.get(&1), Some(3), "the job came too late, and did not load");
        cache.validate();
    });
}

#[test]
fn g22_an_old_value_is_not_served_when_it_has_expired_while_it_was_renewed() {
    let ticker = ManualTicker::new();
    let cache = renewed(&ticker);
    let down = |_: &u32| {
        ticker.advance(Duration::from_secs(3600));
        Err::<Loaded<u64>, _>("down")
    };
    let got = cache.load(&1, LoadOptions::new().stale_if_error(), down);
    assert_eq!(got, Err(LoadError::Failed("down")));
}

#[test]
fn g22_a_rule_of_a_call_leaves_the_caches_other_rule_in_place() {
    let ticker = ManualTicker::new();
    let cache = renewed(&ticker);
    let got = cache.load(&1, LoadOptions::<()>::new().refresh_early(0.0), |_| Ok(Loaded::new(2)));
    assert_eq!(got, Ok(2));
}

#[test]
fn g27_a_waker_that_somebody_keeps_keeps_no_value() {
    let cache: Cache<u32, Arc<u64>> = Cache::builder().capacity(10).build().unwrap();
    let (slot, value) = (Arc::new(Mutex::new(None)), Arc::new(7));
    let (tell, loaded) = (slot.clone(), value.clone());
    let loader = poll_fn(move |cx| match tell.lock().unwrap().replace(cx.waker().clone()) {
        None => Poll::Pending,
        Some(_) => Poll::Ready(loaded.clone()),
    });
    let key = 1;
    let mut task: Task<'_, _> = Box::pin(cache.get_or_load_async(&key, loader));
    assert!(poll(&mut task, Waker::noop()).is_pending() && poll(&mut task, Waker::noop()).is_ready());
    drop(task);
    cache.clear();
    while cache.stats().retired > 0 {
        cache.maintain(1000);
    }
    assert_eq!(Arc::strong_count(&value), 1);
    drop(slot.lock().unwrap().take());
}

#[test]
fn g29_what_is_got_from_another_is_counted_once() {
    let cache = numbers();
    let ((running, runs), (fail, fails)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        let (good, bad) = (&cache, &cache);
        let (end, ended) = channel::<()>();
        let told = running.clone();
        scope.spawn(move || {
            good.get_or_load(&1, || {
                told.send(()).unwrap();
                ended.recv().unwrap();
                1
            })
        });
        scope.spawn(move || {
            bad.try_get_or_load(&2, || {
                running.send(()).unwrap();
                fails.recv().unwrap();
                Err::<u64, _>(())
            })
        });
        runs.iter().take(2).for_each(drop);
        let load = |keys: &[u32]| Ok::<_, ()>(keys.iter().map(|&key| u64::from(key)).collect::<Vec<_>>());
        let many = scope.spawn(move || good.get_many_or_load(&[1, 2], LoadOptions::new(), load));
        until_waiting(&cache, 1);
        end.send(()).unwrap();
        while cache.get(&1).is_none() {
            thread::yield_now();
        }
        fail.send(()).unwrap();
        assert_eq!(many.join().unwrap(), Ok(vec![1, 2]));
    });
    assert_eq!(cache.stats().coalesced, 1);
}
