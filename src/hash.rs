//! Which bits of a hash go where.
//!
//! ```text
//! 63                    32 31                     0
//! [ shard                 | place in the shard      ]
//! ```
//!
//! The upper half chooses the shard: `upper * shards / 2^32`. The lower half is all a shard knows of a key:
//! its upper bits choose the bucket (`shard::table`), all of it is compared before the key is, and a mix of
//! it addresses the frequency sketch. The halves are independent, so keys of one shard spread over the
//! whole of its table.
//!
//! The hasher is seeded per cache (G13), so which keys collide cannot be known from outside.

/// The hash of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash {
    bits: u64,
}

impl Hash {
    #[inline(always)]
    pub(crate) fn new(bits: u64) -> Self {
        Hash { bits }
    }

    /// All bits.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.bits
    }

    /// The shard, of `shards`.
    #[inline(always)]
    pub(crate) fn shard(self, shards: usize) -> usize {
        (((self.bits >> 32) * shards as u64) >> 32) as usize
    }

    /// The place in the shard.
    #[inline(always)]
    pub(crate) fn place(self) -> u32 {
        self.bits as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_used_apart() {
        let hash = Hash::new(0xFFFF_FFFF_0000_0007);
        assert_eq!((hash.shard(1), hash.shard(13), hash.place()), (0, 12, 7));
        assert_eq!(Hash::new(0x0000_0000_FFFF_FFFF).shard(4096), 0);
    }
}
