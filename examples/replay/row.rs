//! One line of results: one trace, one capacity, one policy, and the baselines beside it.

use crate::capacity::{Capacity, Measure};
use crate::engine::{Outcome, Plan};
use crate::json::Object;
use crate::options::policy_name;
use crate::tally::{Tally, ratio};
use crate::trace::Trace;

/// Results of one run.
#[derive(Debug)]
pub struct Row<'a> {
    /// What was played.
    pub trace: &'a Trace,
    /// How it was played.
    pub plan: Plan,
    /// What the cache did.
    pub outcome: Outcome,
    /// What LRU would have done.
    pub lru: Tally,
    /// What a clairvoyant cache would have done.
    pub optimum: Tally,
    /// The weight of all requests together.
    pub requested: u64,
}

impl Row<'_> {
    /// How much the cache held.
    pub fn capacity(&self) -> Capacity {
        self.plan.capacity
    }

    /// Whether the optimum is a bound and not merely a good guess.
    pub fn bounded(&self) -> bool {
        self.plan.capacity.measure == Measure::Entries && !self.plan.ttl
    }

    /// The share of the requests that hit.
    pub fn hit_ratio(&self, tally: Tally) -> f64 {
        ratio(tally.hits, self.trace.requests() as u64)
    }

    /// The share of the requested weight that hit.
    pub fn weight_ratio(&self, tally: Tally) -> f64 {
        ratio(tally.weight, self.requested)
    }

    /// Wall time of the replay by request, in nanoseconds.
    pub fn ns_per_request(&self) -> f64 {
        self.outcome.elapsed.as_secs_f64() * 1e9 / self.trace.requests() as f64
    }

    /// The row as JSON.
    pub fn json(&self) -> String {
        let (plan, outcome) = (self.plan, &self.outcome);
        let mut object = Object::default()
            .text("trace", &self.trace.name)
            .count("requests", self.trace.requests() as u64)
            .count("unique", self.trace.unique as u64)
            .count("capacity", plan.capacity.amount)
            .text("capacity_unit", plan.capacity.measure.name())
            .number("capacity_percent", plan.capacity.percent)
            .text("policy", policy_name(plan.policy))
            .count("shards", outcome.shards)
            .count("threads", plan.threads as u64)
            .text("ttl", if plan.ttl { "honoured" } else { "ignored" })
            .count("hits", outcome.tally.hits)
            .number("hit_ratio", self.hit_ratio(outcome.tally))
            .number("lru_hit_ratio", self.hit_ratio(self.lru))
            .number("opt_hit_ratio", self.hit_ratio(self.optimum));
        if plan.capacity.measure == Measure::Bytes {
            object = object
                .number("byte_hit_ratio", self.weight_ratio(outcome.tally))
                .number("lru_byte_hit_ratio", self.weight_ratio(self.lru))
                .number("opt_byte_hit_ratio", self.weight_ratio(self.optimum));
        }
        object
            .number("ns_per_request", self.ns_per_request())
            .maybe("resident_bytes", outcome.grown)
            .count("entries", outcome.entries)
            .count("weight", outcome.weight)
            .object(
                "stats",
                statistics(outcome).into_iter().fold(Object::default(), |o, (n, v)| o.count(n, v)),
            )
            .finish()
    }
}

/// The cache's statistics, by name.
pub fn statistics(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    let stats = &outcome.stats;
    vec![
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("added", stats.added),
        ("replaced", stats.replaced),
        ("refused", stats.refused),
        ("evicted", stats.evicted),
        ("evicted_weight", stats.evicted_weight),
        ("expired", stats.expired),
        ("expired_weight", stats.expired_weight),
        ("retired", stats.retired),
        ("overhead_bytes", stats.overhead_bytes),
    ]
}
