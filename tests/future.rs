//! The face for tasks, by hand and under tokio and smol (G18 to G23).

mod common;

use async_executor::Executor;
use common::{Rng, checked};
use futures_lite::future::block_on;
use pinyon::{Cache, LeaseOptions, LoadError, LoadOptions, Loaded, ManualTicker};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

type Numbers = common::Checked<u32, u64>;
type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

fn numbers() -> Numbers {
    checked(Cache::builder().capacity(100).shards(2))
}

/// Was it woken?
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

impl Flag {
    fn new() -> (Arc<Flag>, Waker) {
        let flag = Arc::new(Flag::default());
        (flag.clone(), flag.into())
    }

    fn take(&self) -> bool {
        self.0.swap(false, SeqCst)
    }
}

fn poll<T>(future: &mut Task<'_, T>, waker: &Waker) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Something a loader waits for, which the test brings about.
#[derive(Clone, Default)]
struct Io(Rc<RefCell<Awaited>>);

type Awaited = (Option<Result<u64, u64>>, Option<Waker>);

impl Io {
    fn end(&self, with: Result<u64, u64>) {
        self.0.borrow_mut().0 = Some(with);
        let waker = self.0.borrow_mut().1.take();
        waker.into_iter().for_each(Waker::wake);
    }

    async fn result(self) -> Result<u64, u64> {
        poll_fn(|cx| {
            let mut io = self.0.borrow_mut();
            match io.0 {
                Some(result) => Poll::Ready(result),
                None => {
                    io.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

type Asking<'a> = Task<'a, Result<u64, LoadError<u64>>>;

fn ask<'a>(cache: &'a Cache<u32, u64>, key: &'a u32, io: &Io) -> Asking<'a> {
    Box::pin(cache.try_get_or_load_async(key, io.clone().result()))
}

#[test]
fn g18_one_task_loads_and_the_others_get_its_value() {
    let (cache, io) = (numbers(), Io::default());
    let ((_, leading), (woken, waiting)) = (Flag::new(), Flag::new());
    let (mut leader, mut other) = (ask(&cache, &1, &io), ask(&cache, &1, &Io::default()));
    assert!(poll(&mut leader, &leading).is_pending() && poll(&mut other, &waiting).is_pending());
    io.end(Ok(7));
    assert_eq!(poll(&mut leader, &leading), Poll::Ready(Ok(7)));
    assert!(woken.take());
    assert_eq!(poll(&mut other, &waiting), Poll::Ready(Ok(7)));
    assert_eq!((cache.get(&1), cache.stats().loads, cache.stats().coalesced), (Some(7), 1, 1));
}

/// A future may move from task to task between its polls: the last one is woken.
#[test]
fn g18_a_loader_wakes_the_task_that_polled_last() {
    let (cache, io) = (numbers(), Io::default());
    let ((before, first), (now, second)) = (Flag::new(), Flag::new());
    let mut leader = ask(&cache, &1, &io);
    assert!(poll(&mut leader, &first).is_pending() && poll(&mut leader, &second).is_pending());
    io.end(Ok(7));
    assert!(!before.take() && now.take());
    assert_eq!(poll(&mut leader, &second), Poll::Ready(Ok(7)));
}

#[test]
fn g19_when_a_leader_is_dropped_one_who_waits_loads_at_once() {
    let (cache, io) = (numbers(), Io::default());
    let (woken, waiting) = Flag::new();
    let (mut leader, mut other) = (ask(&cache, &1, &Io::default()), ask(&cache, &1, &io));
    assert!(poll(&mut leader, Waker::noop()).is_pending() && poll(&mut other, &waiting).is_pending());
    drop(leader);
    assert!(woken.take());
    io.end(Ok(8));
    assert_eq!(poll(&mut other, &waiting), Poll::Ready(Ok(8)));
}

#[test]
fn g19_futures_dropped_before_their_first_poll_or_after_their_last_leave_nothing() {
    let (cache, io) = (numbers(), Io::default());
    drop(ask(&cache, &1, &io));
    let mut done = ask(&cache, &1, &io);
    io.end(Ok(1));
    assert!(poll(&mut done, Waker::noop()).is_ready());
    drop(done);
    assert_eq!((cache.stats().loads, cache.stats().load_failures, cache.stats().waiting), (1, 0, 0));
}

/// A branch of a `select` that is kept and not polled, a stream that buffers: the loader makes no progress, and those who
/// wait, perhaps in the very same task, take over when it could.
#[test]
fn g19_a_leader_that_is_not_polled_any_more_blocks_nobody() {
    let (cache, stuck, io) = (numbers(), Io::default(), Io::default());
    let (woken, waker) = Flag::new();
    let mut kept = ask(&cache, &1, &stuck);
    assert!(poll(&mut kept, &waker).is_pending());
    let mut other = ask(&cache, &1, &io);
    assert!(poll(&mut other, &waker).is_pending());
    woken.take();
    assert!(poll(&mut other, &waker).is_pending() && !woken.take(), "it sleeps as long as the loader works");
    stuck.end(Ok(1));
    io.end(Ok(2));
    let patience = Instant::now() + Duration::from_secs(60);
    let got = loop {
        assert!(woken.take(), "it is woken until it leads");
        match poll(&mut other, &waker) {
            Poll::Ready(got) => break got,
            Poll::Pending => assert!(Instant::now() < patience, "it waits for one who is gone"),
        }
    };
    assert_eq!((got, cache.get(&1)), (Ok(2), Some(2)));
    // It comes back after all: too late to be stored.
    assert_eq!(poll(&mut kept, &waker), Poll::Ready(Ok(1)));
    assert_eq!((cache.get(&1), cache.stats().stale_loads), (Some(2), 1));
}

#[test]
fn g19_g20_a_leader_that_goes_when_another_has_taken_over_leaves_its_load_alone() {
    let (cache, stuck, io) = (numbers(), Io::default(), Io::default());
    let (mut kept, mut other) = (ask(&cache, &1, &stuck), ask(&cache, &1, &io));
    assert!(poll(&mut kept, Waker::noop()).is_pending() && poll(&mut other, Waker::noop()).is_pending());
    stuck.end(Ok(1));
    let patience = Instant::now() + Duration::from_secs(60);
    while io.0.borrow().1.is_none() {
        assert!(poll(&mut other, Waker::noop()).is_pending());
        assert!(Instant::now() < patience, "it waits for one who is gone");
    }
    drop(kept);
    io.end(Ok(2));
    assert_eq!((poll(&mut other, Waker::noop()), cache.get(&1)), (Poll::Ready(Ok(2)), Some(2)));
    assert_eq!(cache.stats().stale_loads, 0);
}

/// It runs while its waker is still at work, in its thread or another's: that it ran is not forgotten.
#[test]
fn g19_a_leader_that_runs_at_once_when_it_is_woken_keeps_the_lead() {
    /// Polls the leader in the very call that wakes it.
    struct Runs(Mutex<Option<Asking<'static>>>);
    // SAFETY: used on one thread alone.
    #[allow(unsafe_code)]
    unsafe impl Send for Runs {}
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe impl Sync for Runs {}
    impl Wake for Runs {
        fn wake(self: Arc<Self>) {
            let mut task = self.0.lock().unwrap().take().unwrap();
            assert!(poll(&mut task, &Waker::from(self.clone())).is_pending());
            *self.0.lock().unwrap() = Some(task);
        }
    }
    let cache: Cache<u32, u64> = Cache::builder().capacity(10).build().unwrap();
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let runs = Arc::new(Runs(Mutex::new(None)));
    let leader: Asking<'static> = Box::pin({
        let (cache, wakers) = (cache.clone(), wakers.clone());
        async move {
            let never = poll_fn(|cx| {
                wakers.lock().unwrap().push(cx.waker().clone());
                Poll::<Result<u64, u64>>::Pending
            });
            cache.try_get_or_load_async(&1, never).await
        }
    });
    *runs.0.lock().unwrap() = Some(leader);
    runs.clone().wake();
    let (woken, waker) = Flag::new();
    let mut waiting = ask(&cache, &1, &Io::default());
    assert!(poll(&mut waiting, &waker).is_pending());
    let last = wakers.lock().unwrap().last().cloned().unwrap();
    last.wake();
    // Woken once to look after the leader, which has run; so it sleeps.
    woken.take();
    assert!(poll(&mut waiting, &waker).is_pending());
    assert!(!woken.take(), "it would go on to look after a leader that is well");
    drop(waiting);
    drop(runs.0.lock().unwrap().take());
    cache.validate();
}

#[test]
fn g19_a_thread_takes_over_from_a_task_that_is_not_polled() {
    let cache = numbers();
    let (send, wakers) = std::sync::mpsc::channel();
    let key = 1;
    let mut kept: Task<'_, _> = Box::pin(cache.get_or_load_async(&key, async {
        poll_fn(|cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        })
        .await;
        1
    }));
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| cache.get_or_load(&1, || 2));
        while cache.stats().waiting == 0 {
            thread::yield_now();
        }
        wakers.recv().unwrap().wake();
        assert_eq!(waiting.join().unwrap(), Ok(2));
    });
    drop(kept);
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn g18_g19_tasks_wait_for_threads_and_for_leases() {
    let cache = numbers();
    let ((running, runs), (tell, told)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let (woken, waker) = Flag::new();
    let mut waiting: Task<'_, _> = Box::pin(cache.get_or_load_async(&1, pending()));
    thread::scope(|scope| {
        scope.spawn({
            let cache = &cache;
            move || {
                let load = || {
                    running.send(()).unwrap();
                    told.recv().unwrap()
                };
                assert_eq!(cache.get_or_load(&1, load), Ok(5));
            }
        });
        runs.recv().unwrap();
        assert!(poll(&mut waiting, &waker).is_pending());
        tell.send(5).unwrap();
    });
    assert!(woken.take());
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(Ok(5)));
    // The upkeep ends a lease that is over, which wakes a task.
    let short = LeaseOptions::new().lasting(Duration::from_millis(20));
    assert!(matches!(cache.acquire(&2, short), pinyon::Acquired::Lead(_)));
    let mut waiting: Task<'_, _> = Box::pin(cache.get_or_load_async(&2, ready(6)));
    assert!(poll(&mut waiting, &waker).is_pending());
    thread::sleep(Duration::from_millis(20));
    cache.maintain(1000);
    assert!(woken.take());
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(Ok(6)));
}

#[test]
fn g19_a_panic_goes_to_its_task_and_the_next_one_loads() {
    let cache = numbers();
    let (woken, waker) = Flag::new();
    let go = Cell::new(false);
    let mut panicking: Task<'_, _> = Box::pin(cache.get_or_load_async(&1, async {
        poll_fn(|_| if go.get() { panic!("loader") } else { Poll::<u64>::Pending }).await
    }));
    let mut waiting: Task<'_, _> = Box::pin(cache.get_or_load_async(&1, ready(3)));
    assert!(poll(&mut panicking, Waker::noop()).is_pending() && poll(&mut waiting, &waker).is_pending());
    go.set(true);
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut panicking, Waker::noop())));
    assert!(caught.is_err() && woken.take());
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(Ok(3)));
}

/// A waker of the user's that panics.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("waker");
    }
}

#[test]
fn g19_a_waker_that_panics_keeps_no_other_from_being_woken() {
    let cache = numbers();
    let (woken, waker) = Flag::new();
    let io = Io::default();
    let mut leader = ask(&cache, &1, &io);
    assert!(poll(&mut leader, Waker::noop()).is_pending());
    let mut waiting = [ask(&cache, &1, &Io::default()), ask(&cache, &1, &Io::default())];
    assert!(poll(&mut waiting[0], &Waker::from(Arc::new(Bomb))).is_pending());
    assert!(poll(&mut waiting[1], &waker).is_pending());
    io.0.borrow_mut().0 = Some(Ok(4));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut leader, Waker::noop())));
    assert!(caught.is_err() && woken.take());
    assert_eq!(poll(&mut waiting[1], &waker), Poll::Ready(Ok(4)));
    assert_eq!(cache.get(&1), Some(4));
}

#[test]
fn g20_a_value_whose_key_was_written_meanwhile_is_not_stored() {
    let (cache, io) = (numbers(), Io::default());
    let mut leader = ask(&cache, &1, &io);
    assert!(poll(&mut leader, Waker::noop()).is_pending());
    cache.invalidate(&1);
    // Who asks from now on loads for itself.
    let fresh = Io::default();
    fresh.end(Ok(2));
    assert_eq!(poll(&mut ask(&cache, &1, &fresh), Waker::noop()), Poll::Ready(Ok(2)));
    io.end(Ok(1));
    assert_eq!(poll(&mut leader, Waker::noop()), Poll::Ready(Ok(1)));
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn g21_a_loader_that_asks_for_its_own_key_gets_an_error() {
    let cache = numbers();
    let got = block_on(cache.get_or_load_async(&1, async {
        assert_eq!(cache.get_or_load_async(&1, pending()).await, Err(LoadError::OwnKey));
        assert_eq!(
            cache.get_or_load(&1, || unreachable!("it would wait for itself")),
            Err(LoadError::OwnKey)
        );
        assert_eq!(cache.get_or_load_async(&2, ready(20)).await, Ok(20));
        10
    }));
    assert_eq!(got, Ok(10));
}

#[test]
fn g22_one_task_refreshes_and_the_others_read_the_old_value() {
    let ticker = ManualTicker::new();
    let soft = Duration::from_secs(60);
    let cache: Numbers = checked(Cache::builder().capacity(10).ticker(ticker.clone()).refresh_after(soft));
    cache.insert(1, 1);
    ticker.advance(soft);
    let io = Io::default();
    let mut refresher = ask(&cache, &1, &io);
    assert!(poll(&mut refresher, Waker::noop()).is_pending());
    assert_eq!(poll(&mut ask(&cache, &1, &Io::default()), Waker::noop()), Poll::Ready(Ok(1)));
    io.end(Ok(2));
    assert_eq!(poll(&mut refresher, Waker::noop()), Poll::Ready(Ok(2)));
    ticker.advance(soft);
    let down = || LoadOptions::new().stale_if_error();
    let got = block_on(cache.load_async(&1, down(), ready(Err::<Loaded<u64>, _>("down"))));
    assert_eq!(got, Ok(2));
}

#[test]
fn g19_g22_who_refreshes_takes_the_lead_that_one_who_waits_has_not_taken_yet() {
    let ticker = ManualTicker::new();
    let soft = Duration::from_secs(60);
    let cache: Numbers = checked(Cache::builder().capacity(10).ticker(ticker.clone()).refresh_after(soft));
    let io = Io::default();
    let (mut leader, mut other) = (ask(&cache, &1, &Io::default()), ask(&cache, &1, &io));
    assert!(poll(&mut leader, Waker::noop()).is_pending() && poll(&mut other, Waker::noop()).is_pending());
    cache.insert(1, 1);
    ticker.advance(soft);
    drop(leader);
    assert_eq!(cache.get_or_load(&1, || 2), Ok(2), "the other is woken, and was not polled since");
    assert_eq!((poll(&mut other, Waker::noop()), cache.get(&1)), (Poll::Ready(Ok(2)), Some(2)));
}

#[test]
fn g23_an_error_goes_to_its_task_alone_or_to_all_who_share_it() {
    let cache = numbers();
    let share = || LoadOptions::<u64>::new().share_errors();
    for shared in [false, true] {
        cache.clear();
        let io = Io::default();
        let (woken, waker) = Flag::new();
        let load = |io: &Io| {
            let result = io.clone().result();
            async { result.await.map(Loaded::new) }
        };
        let mut leader: Task<'_, _> = Box::pin(cache.load_async(&1, share(), load(&io)));
        let second = Io::default();
        second.end(Ok(5));
        let options = if shared { share() } else { LoadOptions::new() };
        let mut other: Task<'_, _> = Box::pin(cache.load_async(&1, options, load(&second)));
        assert!(poll(&mut leader, Waker::noop()).is_pending() && poll(&mut other, &waker).is_pending());
        io.end(Err(9));
        assert_eq!(poll(&mut leader, Waker::noop()), Poll::Ready(Err(LoadError::Failed(9))));
        assert!(woken.take());
        let expected = if shared { Err(LoadError::Failed(9)) } else { Ok(5) };
        assert_eq!(poll(&mut other, &waker), Poll::Ready(expected));
    }
}

#[test]
fn g18_the_time_to_wait_is_looked_at_when_the_task_is_polled() {
    let (cache, io) = (numbers(), Io::default());
    let mut leader = ask(&cache, &1, &io);
    assert!(poll(&mut leader, Waker::noop()).is_pending());
    let at_once = LoadOptions::<u64>::new().timeout(Duration::ZERO);
    let mut waiting: Task<'_, _> = Box::pin(cache.load_async(&1, at_once, pending()));
    assert_eq!(poll(&mut waiting, Waker::noop()), Poll::Ready(Err(LoadError::TimedOut)));
    drop(waiting);
    assert_eq!(cache.stats().waiting, 0);
}

#[test]
fn values_do_not_make_futures_larger() {
    fn size<V: Clone + Send + Sync + 'static>() -> usize {
        let cache: Cache<u32, V> = Cache::builder().capacity(10).build().unwrap();
        let options = LoadOptions::<()>::new();
        size_of_val(&cache.load_async(&1, options, pending::<Result<Loaded<V>, ()>>()))
    }
    assert_eq!(size::<[u64; 512]>(), size::<u8>());
    assert!(size::<u8>() <= 32 * size_of::<usize>(), "{} bytes", size::<u8>());
}

/// Ends after a while: a thread tells it.
async fn after(time: Duration) {
    let over = Arc::new(AtomicBool::new(false));
    let mut told = false;
    poll_fn(move |cx| {
        if !std::mem::replace(&mut told, true) {
            let (over, waker) = (over.clone(), cx.waker().clone());
            thread::spawn(move || {
                thread::sleep(time);
                over.store(true, SeqCst);
                waker.wake();
            });
        }
        if over.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A leader that is not polled in time loses the lead, and on a busy machine it may not be: of ten keys one must be loaded once.
async fn thousand_ask_once<T>(
    cache: &Arc<Cache<u32, u64>>,
    spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> T,
) where
    T: Future,
{
    for key in 0..10 {
        if thousand_ask(cache, key, &spawn).await == 1 {
            return;
        }
    }
    panic!("each of ten keys was loaded more than once");
}

/// How often they load it.
async fn thousand_ask<T>(
    cache: &Arc<Cache<u32, u64>>,
    key: u32,
    spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> T,
) -> u64
where
    T: Future,
{
    let before = cache.stats();
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, runs) = (cache.clone(), runs.clone());
            spawn(Box::pin(async move {
                let load = async {
                    runs.fetch_add(1, SeqCst);
                    after(Duration::from_millis(20)).await;
                    7
                };
                assert_eq!(cache.get_or_load_async(&key, load).await, Ok(7));
            }))
        })
        .collect();
    for task in tasks {
        task.await;
    }
    let (after, runs) = (cache.stats(), runs.load(SeqCst) as u64);
    assert_eq!(after.loads - before.loads, runs);
    assert_eq!((after.hits - before.hits) + (after.coalesced - before.coalesced), 1000 - runs);
    runs
}

#[test]
fn g18_a_thousand_tasks_of_tokio_run_the_loader_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let cache = Arc::new(Cache::builder().capacity(100).build().unwrap());
    runtime.block_on(async {
        thousand_ask_once(&cache, |task| {
            let handle = tokio::spawn(task);
            async move { handle.await.unwrap() }
        })
        .await;
    });
    cache.validate();
}

#[test]
fn g18_a_thousand_tasks_of_smol_run_the_loader_once() {
    let cache = Arc::new(Cache::builder().capacity(100).build().unwrap());
    let executor = Executor::new();
    thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let helper = scope.spawn(|| {
            let stopped = stopped;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                executor.try_tick();
            }
        });
        block_on(executor.run(thousand_ask_once(&cache, |task| executor.spawn(task))));
        drop(stop);
        helper.join().unwrap();
    });
    cache.validate();
}

/// Under tokio tasks load, give up, time out and remove, as it comes.
#[test]
fn g19_g20_tasks_of_tokio_that_time_out_strand_nobody() {
    let cache: Arc<Cache<u32, u64>> = Arc::new(Cache::builder().capacity(4).shards(1).build().unwrap());
    let all = async {
        let mut tasks = Vec::new();
        for seed in 0..64u64 {
            let cache = cache.clone();
            tasks.push(tokio::spawn(async move {
                let mut rng = Rng::new(seed);
                for _ in 0..100 {
                    let (key, chance) = (rng.below(6) as u32, rng.below(10));
                    let micros = Duration::from_micros(rng.below(300));
                    let load = async move {
                        tokio::time::sleep(micros).await;
                        if chance == 0 { Err("down") } else { Ok(u64::from(key)) }
                    };
                    let asked = cache.try_get_or_load_async(&key, load);
                    match tokio::time::timeout(Duration::from_micros(500), asked).await {
                        Ok(Ok(value)) => assert_eq!(value, u64::from(key)),
                        Ok(Err(error)) => assert_eq!(error, LoadError::Failed("down")),
                        Err(_elapsed) => _ = cache.invalidate(&key),
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    };
    common::finishes("tasks that time out", || {
        // Its threads must be of the process that it runs in.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(all);
        cache.validate();
    });
}

/// What is known of a key in the storm below.
#[derive(Clone, Default)]
struct Known {
    /// Loads begun before this event are of the past: the key was removed since.
    floor: Cell<u64>,
    /// Loaders that run.
    running: Rc<Cell<u32>>,
}

/// An executor that polls only what was woken, in an order of chance; drops tasks, or keeps them and never polls them again;
/// removes keys, and ends what loaders wait for, well or not.
#[test]
fn g18_g19_g20_whatever_an_executor_does_every_task_that_it_polls_ends_with_a_good_value() {
    for seed in 0..150 {
        storm(seed);
    }
}

fn storm(seed: u64) {
    const KEYS: usize = 3;
    let mut rng = Rng::new(seed);
    let cache = numbers();
    let (clock, known) = (Cell::new(0), vec![Known::default(); KEYS]);
    let known: Vec<Known> =
        known.iter().map(|_| Known { floor: Cell::new(0), running: Rc::default() }).collect();
    let ios: RefCell<VecDeque<Io>> = RefCell::default();
    let tick = || {
        clock.set(clock.get() + 1);
        clock.get()
    };
    // Kept ones may hold a key up for a while, and removals let a second load begin beside the first.
    let may_stall = seed.is_multiple_of(3);
    let mut removed = false;
    let (cache, known, ios, tick) = (&cache, &known, &ios, &tick);
    let task = |key: usize| -> Task<'_, ()> {
        Box::pin(async move {
            let floor = known[key].floor.get();
            let load = async move {
                struct Runs(Rc<Cell<u32>>);
                impl Drop for Runs {
                    fn drop(&mut self) {
                        self.0.set(self.0.get() - 1);
                    }
                }
                let began = tick();
                known[key].running.set(known[key].running.get() + 1);
                let _runs = Runs(known[key].running.clone());
                let io = Io::default();
                ios.borrow_mut().push_back(io.clone());
                io.result().await.map(|_| began * KEYS as u64 + key as u64)
            };
            if let Ok(value) = cache.try_get_or_load_async(&(key as u32), load).await {
                assert_eq!(value % KEYS as u64, key as u64, "a value of another key");
                assert!(value / KEYS as u64 >= floor, "a value from before the removal of its key");
            }
        })
    };
    let mut tasks: Vec<(Task<'_, ()>, Arc<Flag>, Waker)> = Vec::new();
    let mut stalled: Vec<Task<'_, ()>> = Vec::new();
    let spawn = |tasks: &mut Vec<_>, key| {
        let (flag, waker) = Flag::new();
        flag.0.store(true, SeqCst);
        tasks.push((task(key), flag, waker));
    };
    let patience = Instant::now() + Duration::from_secs(60);
    let mut steps = 0;
    while steps < 300 || !tasks.is_empty() {
        assert!(Instant::now() < patience, "seed {seed}: {} tasks never end", tasks.len());
        steps += 1;
        let calm = steps >= 300;
        match rng.below(if calm { 6 } else { 12 }) {
            // Those that were woken, from somewhere on.
            0..4 if !tasks.is_empty() => {
                let from = rng.below(tasks.len() as u64) as usize;
                let at = (0..tasks.len()).map(|n| (from + n) % tasks.len()).find(|&at| tasks[at].1.take());
                if let Some(at) = at {
                    let (task, _, waker) = &mut tasks[at];
                    if poll(task, waker).is_ready() {
                        drop(tasks.swap_remove(at));
                    }
                }
            }
            4..6 => {
                let io = ios.borrow_mut().pop_front();
                let end = if rng.below(4) == 0 { Err(0) } else { Ok(0) };
                io.into_iter().for_each(|io| io.end(end));
            }
            6..9 => spawn(&mut tasks, rng.below(KEYS as u64) as usize),
            9 if !tasks.is_empty() => drop(tasks.swap_remove(rng.below(tasks.len() as u64) as usize)),
            10 => {
                let key = rng.below(KEYS as u64) as usize;
                cache.invalidate(&(key as u32));
                known[key].floor.set(tick());
                removed = true;
            }
            11 if may_stall && !tasks.is_empty() && stalled.len() < 2 => {
                stalled.push(tasks.swap_remove(rng.below(tasks.len() as u64) as usize).0);
            }
            _ => {}
        }
        for known in known {
            assert!(removed || may_stall || known.running.get() <= 1, "seed {seed}: two load one key");
        }
    }
    drop(stalled);
    assert_eq!(cache.stats().waiting, 0);
    assert!(known.iter().all(|known| known.running.get() == 0));
}

/// Executors with many threads ask for it.
#[test]
fn futures_may_be_sent_between_threads() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let cache: Cache<String, Arc<Mutex<u64>>> = Cache::builder().capacity(10).build().unwrap();
    let load = sendable(cache.get_or_load_async("k", async { Arc::new(Mutex::new(1)) }));
    let mut load = pin!(load);
    assert!(load.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}
