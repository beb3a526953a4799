//! Latencies: a histogram of 64 buckets to each doubling, so that no value is off by more than 1.6 %.

const BITS: u32 = 6;

#[derive(Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    /// In nanoseconds, exactly.
    pub max: u64,
}

impl Histogram {
    #[inline]
    pub fn add(&mut self, ns: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; bucket(u64::MAX) + 1];
        }
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max = self.max.max(ns);
    }

    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
        } else {
            self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    /// The value below which `share` of all lie.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return top(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(ns: u64) -> usize {
    if ns < 1 << BITS {
        return ns as usize;
    }
    let shift = 63 - ns.leading_zeros() - BITS;
    (((shift + 1) << BITS) as usize) + ((ns >> shift) as usize - (1 << BITS))
}

/// The largest value of a bucket.
fn top(bucket: usize) -> u64 {
    if bucket < 1 << BITS {
        return bucket as u64;
    }
    let shift = (bucket >> BITS) - 1;
    let low = ((bucket & ((1 << BITS) - 1)) as u64 + (1 << BITS)) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut all = Histogram::default();
        (1..=100_000u64).for_each(|ns| all.add(ns));
        for share in [0.5, 0.99, 0.999, 1.0] {
            let exact = 100_000.0 * share;
            assert!((all.quantile(share) as f64 / exact - 1.0).abs() < 0.02, "{share}");
        }
        assert!((0..200).chain([u64::MAX]).all(|ns| top(bucket(ns)) >= ns));
    }
}
