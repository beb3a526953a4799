//! Recording: what threads do to a cache, key by key.
//!
//! Shared are only atomics, parking_lot's locks and joined threads, so that the thread sanitizer can follow.

use crate::act::{CHOICES, FOR_EVER, HOT, Histories, act};
use crate::checker::{Event, History, Op, Out, Told};
use crate::user::{COLLIDING, Hashing, Key, Random, Slow, Value, mix, pause, set_pauses};
use parking_lot::Mutex;
use pinyon::{Acquired, Cache, Cause, Completed, LeaseOptions, ManualTicker, Policy, Ticker, Waited};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

thread_local! {
    static OWN: Cell<Option<Own>> = const { Cell::new(None) };
}

/// What kind of cache, and what is done to it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub threads: u64,
    /// Operations of each thread.
    pub ops: u64,
    pub keys: u64,
    pub shards: usize,
    pub policy: Policy,
    pub hashing: Hashing,
    /// `None`: more room than keys. Else entries, or weights of 1 and 2, and capacities up to twice that.
    pub tight: Option<(u64, Weights)>,
    /// How long a value lives. A thread moves the time on.
    pub life: Option<Life>,
    /// Other keys that come and go, for growth and for evictions.
    pub others: u64,
    /// Reads and overwrites only, as fast as they go, of which there are many in the moments between two stores.
    pub hot: bool,
    /// Every so many operations clear the cache; 0: none.
    pub clears: u64,
    /// Every so many operations load by lease; 0: none.
    pub loads: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub steps: u64,
    /// Nanoseconds. (The cache's timers know steps of 2^20, the entries' state steps of 2^30.)
    pub step: u64,
}

impl Life {
    fn nanos(self) -> u64 {
        self.steps * self.step
    }
    /// So many steps, about.
    fn some(self, steps: u64, random: &mut Random) -> Duration {
        Duration::from_nanos(random.below(steps * self.step + 1))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    Entries,
    OneOrTwo,
}

/// What all threads know.
struct Recorder {
    plan: Plan,
    /// Gives every begin, end and telling a stamp of its own.
    stamps: AtomicU64,
    /// For each thread, a stamp that was there just before the operation that it is in began; `IDLE` if it is in none.
    running: [AtomicU64; THREADS],
    ticker: ManualTicker,
    /// What the listener heard of each key.
    heard: Vec<Mutex<Vec<Told>>>,
    /// For each group of keys that the cache cannot tell apart by their hash.
    chains: Vec<Mutex<Chain>>,
}

/// Threads at work in one recording, at most.
const THREADS: usize = 6;
const IDLE: u64 = u64::MAX;

/// The operation that a thread is in.
#[derive(Clone, Copy)]
struct Own {
    thread: usize,
    mark: u64,
    begin: u64,
    /// The marks of all threads, just after its begin: what is done by operations that overlap with it was done
    /// after the lowest of them.
    marks: [u64; THREADS],
}

/// The last telling: the operation that did it, and since when what it told of can have happened.
#[derive(Default)]
struct Chain {
    last: Option<(Own, u64)>,
}

impl Recorder {
    fn new(plan: Plan) -> Self {
        Recorder {
            plan,
            stamps: AtomicU64::new(1),
            running: std::array::from_fn(|_| AtomicU64::new(IDLE)),
            ticker: ManualTicker::new(),
            heard: (0..plan.keys).map(|_| Mutex::default()).collect(),
            chains: (0..plan.keys.max(COLLIDING)).map(|_| Mutex::default()).collect(),
        }
    }

    fn stamp(&self) -> u64 {
        self.stamps.fetch_add(1, SeqCst)
    }

    fn time(&self) -> u64 {
        u64::try_from(self.ticker.now().as_nanos()).unwrap()
    }

    /// Does something that is one operation for the cache; when that was.
    fn during<T>(&self, thread: usize, act: impl FnOnce() -> T) -> (Span, T) {
        let before = self.time();
        // The mark before the stamp: who does not see the mark has the lower stamp.
        let mark = self.stamps.load(SeqCst);
        self.running[thread].store(mark, SeqCst);
        let begin = self.stamp();
        let marks = std::array::from_fn(|of| self.running[of].load(SeqCst));
        OWN.set(Some(Own { thread, mark, begin, marks }));
        let done = act();
        let end = self.stamp();
        self.running[thread].store(IDLE, SeqCst);
        (Span { begin, end, time: (before, self.time()) }, done)
    }

    /// The listener.
    fn hear(&self, key: u64, value: u64, cause: Cause) {
        pause();
        let collide = self.plan.hashing.collide;
        if key >= self.plan.keys && !collide {
            return;
        }
        let since = self.since(if collide { key % COLLIDING } else { key });
        if let Some(heard) = self.heard.get(key as usize) {
            let (at, time) = (self.stamp(), self.time());
            heard.lock().push(Told { value, cause, since, at, time });
        }
    }

    /// What is told now happened after this stamp.
    ///
    /// The operation that caused it tells of it before it ends, or ends while its key is being told of by another. That
    /// may be this telling or one before it: then from that one on each telling began while the operation that did the one before
    /// was running. So it overlaps with this operation, or with the first of such a chain.
    fn since(&self, chain: u64) -> u64 {
        let own = OWN.get().expect("within an operation");
        let lowest = own.marks.iter().copied().min().unwrap_or(IDLE);
        let mut chain = self.chains[chain as usize].lock();
        let since = match chain.last {
            Some((last, since)) if own.marks[last.thread] == last.mark || last.begin >= own.begin => {
                lowest.min(since)
            }
            _ => lowest,
        };
        chain.last = Some((own, since));
        since
    }
}

/// When an operation was.
struct Span {
    begin: u64,
    end: u64,
    time: (u64, u64),
}

/// Runs the plan; the history of each key. All of it is checked by what needs no search.
pub fn record(plan: Plan, seed: u64) -> Vec<History> {
    let recorder = Arc::new(Recorder::new(plan));
    let cache = build(plan, &recorder);
    let (ready, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let lists: Vec<Vec<(u64, Event)>> = thread::scope(|scope| {
        let (cache, recorder, ready, done) = (&cache, &*recorder, &ready, &done);
        let worker = |thread: usize| {
            scope.spawn(move || {
                let seed = mix(seed ^ thread as u64);
                set_pauses((!plan.hot).then(|| mix(seed)));
                ready.fetch_add(1, SeqCst);
                while ready.load(SeqCst) < plan.threads {
                    thread::yield_now();
                }
                Worker { cache, recorder, thread, random: Random(seed), list: Vec::new() }.run()
            })
        };
        let workers: Vec<_> = (0..plan.threads as usize).map(worker).collect();
        let time = plan.life.map(|life| scope.spawn(move || move_time(&recorder.ticker, life, done)));
        let lists: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, SeqCst);
        // By hand: the thread sanitizer knows a join, but not the end of a scope.
        time.into_iter().for_each(|time| time.join().expect("no panic"));
        lists.into_iter().map(|list| list.expect("no panic")).collect()
    });
    // What has a lifetime is told of now.
    recorder.ticker.advance(Duration::from_secs(3600));
    recorder.during(0, || while !cache.maintain(1000).done {});
    let histories = (0..plan.keys).map(|key| history(key, &lists, &recorder)).collect::<Vec<_>>();
    finish(&cache, &histories);
    histories
}

fn build(plan: Plan, recorder: &Arc<Recorder>) -> Histories {
    let mut builder = Cache::builder().shards(plan.shards).policy(plan.policy).hasher(plan.hashing);
    builder = match plan.tight {
        None => builder.capacity(1000),
        Some((capacity, Weights::Entries)) => builder.capacity(capacity),
        Some((capacity, Weights::OneOrTwo)) => builder.capacity_weight(capacity).weigher(|key: &Key, _| {
            pause();
            1 + key.0 % 2
        }),
    };
    if let Some(life) = plan.life {
        let ticker = Slow(recorder.ticker.clone());
        builder = builder.time_to_live(Duration::from_nanos(life.nanos())).ticker(ticker);
    }
    if plan.tight.is_some() {
        let recorder = recorder.clone();
        builder = builder.listener(move |key: &Key, value: &Value, cause| {
            recorder.hear(key.0, value.number(), cause);
        });
    }
    builder.build().unwrap()
}

fn move_time(ticker: &ManualTicker, life: Life, done: &AtomicBool) {
    let mut random = Random(1);
    while !done.load(SeqCst) {
        ticker.advance(life.some(8, &mut random));
        thread::yield_now();
    }
}

fn history(key: u64, lists: &[Vec<(u64, Event)>], recorder: &Recorder) -> History {
    let own = |list: &Vec<(u64, Event)>| {
        list.iter().filter(|(of, _)| *of == key || *of == ALL).map(|&(_, event)| event).collect()
    };
    let told = recorder.plan.tight.map(|_| recorder.heard[key as usize].lock().clone());
    History { threads: lists.iter().map(own).collect(), told }
}

fn finish(cache: &Histories, histories: &[History]) {
    cache.validate();
    for (key, history) in histories.iter().enumerate() {
        history.returns().unwrap_or_else(|error| panic!("key {key}: {error}"));
        history.fills().unwrap_or_else(|error| panic!("key {key}: {error}"));
        let there = cache.peek(&Key(key as u64)).map(|value| value.number());
        history.tells(there).unwrap_or_else(|error| panic!("key {key}: {error}"));
    }
}

/// Stands for every key, in an operation on all of them.
const ALL: u64 = u64::MAX;

/// One thread at work.
struct Worker<'a> {
    cache: &'a Histories,
    recorder: &'a Recorder,
    thread: usize,
    random: Random,
    list: Vec<(u64, Event)>,
}

impl Worker<'_> {
    fn run(mut self) -> Vec<(u64, Event)> {
        let plan = self.recorder.plan;
        for number in 0..plan.ops {
            if !plan.hot && self.random.one_in(4) {
                self.disturb();
            }
            if let Some(life) = plan.life {
                self.recorder.ticker.advance(life.some(4, &mut self.random));
            }
            if plan.clears > 0 && self.random.one_in(plan.clears) {
                let (span, ()) = self.recorder.during(self.thread, || self.cache.clear());
                self.note(ALL, span, Op::Clear, None);
            }
            let key = self.random.below(plan.keys);
            // No two writes write the same, so a value says which write it came from.
            let new = ((self.thread as u64 + 1) << 40) | number;
            if plan.loads > 0 && self.random.one_in(plan.loads) {
                self.load(Key(key), new);
                continue;
            }
            let choice = self.random.below(if plan.hot { HOT } else { CHOICES });
            let own_life = self.own_life();
            let act = || act(self.cache, Key(key), new, choice, own_life);
            let (span, (op, life)) = self.recorder.during(self.thread, act);
            self.note(key, span, op, life.or(plan.life.map(Life::nanos)).filter(|&life| life < FOR_EVER));
        }
        self.list
    }

    /// Asks for a lease, and loads with it, or waits for another who does.
    fn load(&mut self, key: Key, new: u64) {
        let (asked, acquired) =
            self.recorder.during(self.thread, || self.cache.acquire(&key, LeaseOptions::new()));
        let (span, got) = match acquired {
            Acquired::Hit(value) | Acquired::Stale(value, _) => (asked, Err(value)),
            Acquired::Lead(token) => (asked, Ok(token)),
            Acquired::OwnKey => unreachable!("no loader runs here"),
            Acquired::Wait(ticket) => {
                let (waited, got) = self.recorder.during(self.thread, || self.cache.wait(ticket, None));
                match got {
                    // It asked before it waited.
                    Waited::Value(value) => (Span { begin: asked.begin, ..waited }, Err(value)),
                    Waited::Lead(token) => (waited, Ok(token)),
                    other => panic!("{other:?} of a ticket that was just given"),
                }
            }
        };
        let token = match got {
            Ok(token) => token,
            Err(value) => return self.note(key.0, span, Op::Loaded(value.number()), None),
        };
        self.note(key.0, span, Op::Lead(new), None);
        if self.random.one_in(4) {
            self.disturb();
        }
        if self.random.one_in(8) {
            let (_, given) = self.recorder.during(self.thread, || self.cache.abandon(token));
            assert!(given, "a lease of a minute is over");
            return;
        }
        let complete = || self.cache.complete(token, Value::new(new));
        let (span, completed) = self.recorder.during(self.thread, complete);
        let out = match completed {
            Completed::Stored => Out::Added,
            Completed::Overtaken(_) => Out::Kept,
            Completed::Refused(_) => Out::Refused,
            Completed::Lapsed(_) => panic!("a lease of a minute is over"),
        };
        let life = self.recorder.plan.life.map(Life::nanos).filter(|&life| life < FOR_EVER);
        self.note(key.0, span, Op::Fill(new, out), life);
    }

    fn note(&mut self, key: u64, Span { begin, end, time }: Span, op: Op, life: Option<u64>) {
        self.list.push((key, Event { begin, end, time, life, op }));
    }

    /// A lifetime of its own for one write.
    fn own_life(&mut self) -> u64 {
        match self.recorder.plan.life {
            Some(life) if self.random.one_in(2) => self.random.below(life.nanos()),
            _ => FOR_EVER,
        }
    }

    /// Does something that is no operation on a key of the histories, but makes the cache move.
    fn disturb(&mut self) {
        let plan = self.recorder.plan;
        let (choice, at) = (self.random.below(8), self.random.next());
        let act = || {
            let other = Key(plan.keys + at % plan.others.max(1));
            match (choice, plan.tight) {
                (0, Some((capacity, _))) => self.cache.set_capacity(1 + at % (2 * capacity)).unwrap(),
                (0 | 1, _) => drop(self.cache.maintain(at as usize % 20)),
                (2, _) => drop(self.cache.remove(&other)),
                _ if plan.others > 0 => drop(self.cache.insert(other, Value::new(0))),
                _ => {}
            }
        };
        self.recorder.during(self.thread, act);
    }
}
