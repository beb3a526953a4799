//! The clairvoyant baseline: a cache that drops the entry whose next use is farthest away (Belady 1966).
//!
//! It may also turn a new entry away at once, as an admission policy does. The cache is then nothing but a set of
//! future requests, the next uses of what it holds: a request is a hit exactly if it is in the set; it leaves the
//! set, its own next use enters, and when the set is too heavy its latest members go. A key that is never used
//! again is never in the set.
//!
//! For entries of equal weight no cache can have more hits. It is no bound where weights differ (the next use
//! alone then decides, not the size), nor with lifetimes (an entry that will have expired by its next use is not
//! kept, but a later load might have lived longer).

use crate::progress::Counter;
use crate::tally::Tally;
use crate::trace::{Times, Trace};

/// Requests between two reports of progress.
const STRIDE: usize = 1 << 16;

/// Plays a trace; `next` are its next uses, `weights` by key number, `times` if lifetimes count.
pub fn play(
    trace: &Trace,
    next: &[u32],
    weights: &[u32],
    times: Option<&Times>,
    capacity: u64,
    counter: &Counter,
) -> Tally {
    let mut tally = Tally::default();
    let mut kept = Future::new(next.len());
    let mut expires = vec![u64::MAX; if times.is_some() { weights.len() } else { 0 }];
    let mut held = 0;
    for (request, &id) in trace.ids.iter().enumerate() {
        let (key, weight) = (id as usize, weights[id as usize]);
        if kept.remove(request) {
            tally.hit(weight);
            held -= u64::from(weight);
        } else if let Some(times) = times {
            expires[key] = u64::from(times.at[request]) + u64::from(times.ttl[request]);
        }
        let again = next[request] as usize;
        let useful =
            again < next.len() && times.is_none_or(|times| u64::from(times.at[again]) < expires[key]);
        if useful && u64::from(weight) <= capacity {
            kept.insert(again);
            held += u64::from(weight);
        }
        while held > capacity {
            let Some(farthest) = kept.pop_last() else { break };
            held -= u64::from(weights[trace.ids[farthest] as usize]);
        }
        if request % STRIDE == 0 {
            counter.add(STRIDE as u64);
        }
    }
    tally
}

/// A set of requests, as bits; each level above has a bit for every word below that is not zero.
///
/// Every operation touches one word a level: four levels for sixteen million requests.
struct Future(Vec<Vec<u64>>);

impl Future {
    /// An empty set of requests below `requests`.
    fn new(requests: usize) -> Self {
        let mut levels = Vec::new();
        let mut words = requests;
        loop {
            words = words.div_ceil(64);
            levels.push(vec![0; words]);
            if words <= 1 {
                return Self(levels);
            }
        }
    }

    fn insert(&mut self, request: usize) {
        let mut at = request;
        for level in &mut self.0 {
            let word = &mut level[at / 64];
            let marked_above = *word != 0;
            *word |= 1 << (at % 64);
            if marked_above {
                break;
            }
            at /= 64;
        }
    }

    /// Removes a request and says whether it was there.
    fn remove(&mut self, request: usize) -> bool {
        if self.0[0][request / 64] & (1 << (request % 64)) == 0 {
            return false;
        }
        let mut at = request;
        for level in &mut self.0 {
            let word = &mut level[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                break;
            }
            at /= 64;
        }
        true
    }

    /// Removes and returns the latest request.
    fn pop_last(&mut self) -> Option<usize> {
        let mut last = 0;
        for level in self.0.iter().rev() {
            last = last * 64 + level.get(last)?.checked_ilog2()? as usize;
        }
        self.remove(last);
        Some(last)
    }
}
