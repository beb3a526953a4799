//! A trace being played at one capacity after another, with the baselines of each computed once.

use pinyon::Policy;

use crate::capacity::{Amount, Capacity};
use crate::engine::{self, Plan};
use crate::failure::Failure;
use crate::options::{Options, policy_name};
use crate::progress::Progress;
use crate::row::Row;
use crate::tally::Tally;
use crate::trace::{Times, Trace};
use crate::{lru, optimum};

/// The capacity if none is asked for.
const DEFAULT: Amount = Amount::Percent(10.0);

/// A decoded trace, the options, and what all runs share.
#[derive(Debug)]
pub struct Contest<'a> {
    /// What is played.
    pub trace: &'a Trace,
    options: &'a Options,
    next: Vec<u32>,
}

impl<'a> Contest<'a> {
    /// Prepares to play a trace; refuses options it cannot satisfy.
    pub fn new(trace: &'a Trace, options: &'a Options) -> Result<Self, Failure> {
        if options.ttl && trace.times.is_none() {
            let name = &trace.name;
            return Err(Failure::option(format_args!("--ttl: {name} has no TTLs; give a .kstt.zst trace")));
        }
        Ok(Self { trace, options, next: trace.next_uses() })
    }

    /// Plays the capacities asked for, or the default, and hands each result on.
    pub fn run(&self, amounts: &[Amount], mut show: impl FnMut(&Row<'a>)) -> Result<(), Failure> {
        let amounts = if amounts.is_empty() { &[DEFAULT] } else { amounts };
        let settle = |amount: &Amount| amount.of(self.trace, self.options.measure);
        let capacities: Vec<_> = amounts.iter().map(settle).collect::<Result<_, _>>()?;
        for capacity in capacities {
            for row in self.play(capacity, &[self.options.policy])? {
                show(&row);
            }
        }
        Ok(())
    }

    /// Plays one capacity with some policies. The cache goes first, while the process's memory is untouched.
    pub fn play(&self, capacity: Capacity, policies: &[Policy]) -> Result<Vec<Row<'a>>, Failure> {
        let (options, trace) = (self.options, self.trace);
        let weights = capacity.weights(trace);
        let requested = trace.ids.iter().map(|&id| u64::from(weights[id as usize])).sum();
        let mut rows = Vec::new();
        for &policy in policies {
            let progress = self.progress(policy_name(policy));
            let Options { shards, threads, ttl, .. } = *options;
            let plan = Plan { capacity, policy, shards, threads, ttl };
            let outcome = engine::play(trace, &weights, plan, progress.counter())?;
            let (lru, optimum) = (Tally::default(), Tally::default());
            rows.push(Row { trace, plan, outcome, lru, optimum, requested });
        }
        let (lru, optimum) = self.baselines(capacity, &weights);
        for row in &mut rows {
            (row.lru, row.optimum) = (lru, optimum);
        }
        Ok(rows)
    }

    /// The baselines at one capacity.
    fn baselines(&self, capacity: Capacity, weights: &[u32]) -> (Tally, Tally) {
        let trace = self.trace;
        let times: Option<&Times> = trace.times.as_ref().filter(|_| self.options.ttl);
        let progress = self.progress("LRU");
        let lru = lru::play(&trace.ids, weights, times, capacity.amount, progress.counter());
        drop(progress);
        let progress = self.progress("optimum");
        let optimum = optimum::play(trace, &self.next, weights, times, capacity.amount, progress.counter());
        (lru, optimum)
    }

    /// A progress line for one pass over the trace.
    fn progress(&self, who: &str) -> Progress {
        Progress::start(&format!("{}: {who}", self.trace.name), Some(self.trace.requests() as u64))
    }
}
