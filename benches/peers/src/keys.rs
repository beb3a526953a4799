//! Keys: zipf-distributed numbers, drawn beforehand, and how a number becomes a key.

/// A small generator (splitmix64): the same numbers for every peer.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly from 0 until `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

/// The key of a number. Odd, so one to one; spreads the bits, as real keys' are.
#[inline]
pub fn key(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Zipf ranks by rejection-inversion (Hörmann and Derflinger, 1996).
struct Zipf {
    n: f64,
    theta: f64,
    /// The integral of the hat from the first rank's left edge to the last's right.
    low: f64,
    high: f64,
    /// Below this distance a draw is accepted without a look at the hat.
    sure: f64,
}

impl Zipf {
    fn new(n: u64, theta: f64) -> Self {
        let mut zipf = Zipf { n: n as f64, theta, low: 0.0, high: 0.0, sure: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(n as f64 + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - 2f64.powf(-theta));
        zipf
    }

    /// The integral of x^-theta, without its constant.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let power = (1.0 - self.theta) * log;
        if power.abs() < 1e-8 { log * (1.0 + power / 2.0) } else { log * power.exp_m1() / power }
    }

    fn inverse(&self, area: f64) -> f64 {
        let power = ((1.0 - self.theta) * area).max(-1.0);
        let log = if power.abs() < 1e-8 { area * (1.0 - power / 2.0) } else { area * power.ln_1p() / power };
        log.exp()
    }

    /// A rank from 1 to n.
    fn draw(&self, rng: &mut Rng) -> u64 {
        loop {
            let area = self.high + rng.unit() * (self.low - self.high);
            let x = self.inverse(area);
            let rank = x.round().clamp(1.0, self.n);
            if rank - x <= self.sure || area >= self.integral(rank + 0.5) - rank.powf(-self.theta) {
                return rank as u64;
            }
        }
    }
}

/// Draws `count` numbers below `n`, zipf-distributed; the popular ones are strewn over the whole range, so that they
/// do not lie side by side in a cache that was filled in order.
pub fn zipf(n: u64, theta: f64, count: usize, seed: u64) -> Vec<u32> {
    // A prime that divides no size in use, so that the map is one to one.
    const STRIDE: u64 = 7_368_787;
    assert!(!n.is_multiple_of(STRIDE) && n <= 1 << 32);
    let (zipf, mut rng) = (Zipf::new(n, theta), Rng::new(seed));
    (0..count).map(|_| (zipf.draw(&mut rng) * STRIDE % n) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_as_frequent_as_they_should_be() {
        for theta in [0.9, 0.99, 1.0] {
            let (zipf, mut rng) = (Zipf::new(1000, theta), Rng::new(1));
            let mut seen = [0u32; 1001];
            (0..1_000_000).for_each(|_| seen[zipf.draw(&mut rng) as usize] += 1);
            let sum: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-theta)).sum();
            for rank in [1, 2, 3, 10, 100] {
                let expected = 1e6 * f64::from(rank).powf(-theta) / sum;
                let off = (f64::from(seen[rank as usize]) / expected - 1.0).abs();
                assert!(off < 4.0 / expected.sqrt(), "rank {rank} at {theta}: off by {off}");
            }
        }
    }
}
