//! The outcome of playing a trace through one cache.

use std::ops::AddAssign;

/// Hits, counted by requests and by what the capacity counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that found their key.
    pub hits: u64,
    /// The weights of these requests; bytes not loaded if the capacity is in bytes.
    pub weight: u64,
}

impl Tally {
    /// Counts one hit.
    #[inline]
    pub fn hit(&mut self, weight: u32) {
        self.hits += 1;
        self.weight += u64::from(weight);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.weight += other.weight;
    }
}

/// A part of a whole, 0 if there is no whole.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
