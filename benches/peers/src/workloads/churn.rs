//! A minute of churn in a large cache, every single write timed: what is the longest that a writer is held up?
//!
//! The machine holds threads up as well. Two things tell its pauses from the cache's: a thread beside the writer that
//! does nothing but read the clock, and the time for which the writer's thread was not running at all.

use crate::args::Args;
use crate::cpu::thread_time;
use crate::histogram::Histogram;
use crate::keys::{Rng, key};
use crate::peer::{Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What counts as a pause.
const PAUSE: Duration = Duration::from_millis(2);

/// Writes between two looks at how long the thread has run.
const BATCH: u64 = 256;

struct Churn<'a> {
    args: &'a Args,
    capacity: usize,
}

#[derive(Default)]
struct Writer {
    latencies: Histogram,
    /// Writes that took longer than [`PAUSE`].
    pauses: u64,
    /// Those that did so even without the time in which the thread was not running.
    own: u64,
    /// The longest of these, in ns; else the longest that any write can have run.
    longest_run: u64,
}

impl Writer {
    /// Writes until there is no next pair. Each write is timed from the end of the one before, so nothing is between them.
    fn write(&mut self, mut insert: impl FnMut(u64), until: impl Fn(u64, Instant) -> bool) {
        let (mut last, mut nth) = (Instant::now(), 0);
        while !until(nth, last) {
            let (began, ran) = (last, thread_time());
            let mut longest = Duration::ZERO;
            for _ in 0..BATCH {
                insert(nth);
                nth += 1;
                let now = Instant::now();
                let took = now - last;
                self.latencies.add(took.as_nanos() as u64);
                self.pauses += u64::from(took > PAUSE);
                longest = longest.max(took);
                last = now;
            }
            let ran = thread_time() - ran;
            let away = began.elapsed().saturating_sub(ran);
            let run = longest.saturating_sub(away);
            self.own += u64::from(run > PAUSE);
            self.longest_run = self.longest_run.max(run.as_nanos() as u64);
            last = Instant::now();
        }
    }

    fn print(&self, line: Line, idle: &Histogram, name: &str, phase: &str) {
        let all = &self.latencies;
        let idle_pauses = idle.count();
        eprintln!(
            "  {name:<20} {phase:<6} {} writes: p50 {} p99 {} p99.9 {} ns, max {} us; over 2 ms: {}, of these the cache's {}; \
             a thread that does nothing: {} over 2 ms, max {} us",
            all.count(),
            all.quantile(0.5),
            all.quantile(0.99),
            all.quantile(0.999),
            all.max / 1000,
            self.pauses,
            self.own,
            idle_pauses,
            idle.max / 1000
        );
        let line =
            line.text("peer", name).text("phase", phase).latencies(all).exact("p9999", all.quantile(0.9999));
        let line = line
            .exact("pauses", self.pauses)
            .exact("pauses_own", self.own)
            .exact("longest_run", self.longest_run);
        line.exact("idle_pauses", idle_pauses).exact("idle_max", idle.max).print();
    }
}

/// Reads the clock until told to stop, and collects the gaps that are pauses.
fn idle(stop: &AtomicBool) -> Histogram {
    let (mut gaps, mut last) = (Histogram::default(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let gap = now - last;
        gaps.max = gaps.max.max(gap.as_nanos() as u64);
        if gap > PAUSE {
            gaps.add(gap.as_nanos() as u64);
        }
        last = now;
    }
    gaps
}

/// Does the work with an idle thread beside it.
fn watched(work: impl FnOnce(&mut Writer)) -> (Writer, Histogram) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let idler = scope.spawn(|| idle(&stop));
        let mut writer = Writer::default();
        work(&mut writer);
        stop.store(true, Ordering::Relaxed);
        (writer, idler.join().expect("reading the clock does not panic"))
    })
}

impl Visit<u64, u64> for Churn<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        let (capacity, limit) = (self.capacity as u64, self.args.limit());
        let peer = P::new(Size::full(self.capacity));
        let line = || Line::new("churn").exact("capacity", capacity);
        let start = Instant::now();
        let (writer, idle) = watched(|writer| {
            let until = |nth, now: Instant| nth >= capacity || now - start > limit;
            writer.write(|nth| peer.insert(key(nth), nth), until);
        });
        writer.print(line(), &idle, name, "growth");

        let (start, time, mut rng) = (Instant::now(), Duration::from_secs(self.args.seconds), Rng::new(5));
        let mut fresh = capacity;
        let (writer, idle) = watched(|writer| {
            // Three of four keys are new; the fourth was written among the last ones, and may be there still.
            let insert = |nth: u64| {
                let number = if nth % 4 == 3 { fresh - 1 - rng.below(capacity) } else { fresh };
                fresh += u64::from(number == fresh);
                peer.insert(key(number), nth);
            };
            writer.write(insert, |_, now| now - start > time);
        });
        writer.print(line().exact("seconds", self.args.seconds), &idle, name, "churn");
    }
}

pub fn run(args: &Args) {
    let capacity = args.size(4_000_000, 50_000);
    eprintln!("churn, capacity {capacity}");
    // A minute each: the one that is measured and the one that it is held against, unless others are named.
    let wanted = |name: &str| {
        args.wants(name) && (!args.peers.is_empty() || ["pinyon", "quick_cache"].contains(&name))
    };
    each(&wanted, &mut Churn { args, capacity });
}
