//! Threads that start together, each timing its own work.

use crate::histogram::Histogram;
use crate::peer::BATCH;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// What one thread did.
#[derive(Default)]
pub struct Share {
    pub ops: u64,
    pub hits: u64,
    /// Single calls, where they were timed.
    pub latencies: Histogram,
    /// The time limit cut it short.
    pub over: bool,
}

impl Share {
    /// Does `ops` calls of `step` in batches, and stops at the deadline. `step` is given the numbers of the calls in one batch.
    #[inline]
    pub fn batches(&mut self, ops: u64, deadline: Instant, mut step: impl FnMut(&mut Share, u64, usize)) {
        let mut done = 0;
        while done < ops {
            let batch = (ops - done).min(BATCH as u64);
            step(self, done, batch as usize);
            done += batch;
            if done < ops && Instant::now() > deadline {
                self.over = true;
                break;
            }
        }
        self.ops += done;
    }
}

/// What a gang did.
pub struct Run {
    /// Nanoseconds for one operation, on the mean of the threads.
    pub ns: f64,
    /// Million operations a second, all threads together.
    pub mops: f64,
    pub ops: u64,
    pub hits: u64,
    pub latencies: Histogram,
    /// Nanoseconds of one operation of a thread beside the gang, if there was one.
    pub beside: Option<f64>,
    pub over: bool,
}

/// Runs the work on so many threads at once. Each gets its number and the instant at which it must stop.
pub fn run(threads: usize, limit: Duration, work: impl Fn(usize, Instant) -> Share + Sync) -> Run {
    let barrier = Barrier::new(threads);
    let shares: Vec<(Instant, Instant, Share)> = std::thread::scope(|scope| {
        let thread = |number| {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
                let share = work(number, start + limit);
                (start, Instant::now(), share)
            })
        };
        let handles: Vec<_> = (0..threads).map(thread).collect();
        handles.into_iter().map(|handle| handle.join().expect("no thread panics")).collect()
    });
    let start = shares.iter().map(|share| share.0).min().expect("one thread at least");
    let end = shares.iter().map(|share| share.1).max().expect("one thread at least");
    let busy: Duration = shares.iter().map(|share| share.1 - share.0).sum();
    let ops: u64 = shares.iter().map(|share| share.2.ops).sum();
    let mut run = Run {
        ns: busy.as_nanos() as f64 / ops as f64,
        mops: ops as f64 / (end - start).as_secs_f64() / 1e6,
        ops,
        hits: 0,
        latencies: Histogram::default(),
        beside: None,
        over: false,
    };
    for (_, _, share) in shares {
        run.hits += share.hits;
        run.latencies.merge(&share.latencies);
        run.over |= share.over;
    }
    run
}
