//! `Meta`: the first two words of a bucket: what its slots hold, at a glance.
//!
//! ```text
//!       63                          32 31     24       8 7       0
//! low:  [ tag 7  | ...               |  ...  | ...     | tag 0   ]
//! high: [ passed                     | tag 11 | ...    | tag 8   ]
//! ```
//!
//! * **tag**: 0 for an empty slot, else the low eight bits of the entry's hash, which did not choose the bucket (1 for those
//!   that are 0). All are compared at once. A slot that has the tag of a hash may hold another hash, once in 255 times: the
//!   entry decides.
//! * **passed**: how many entries went past this bucket, because it was full, to a later one.
//!
//! Readers load one word after the other. That they are not of one moment does not matter, see the module above.

use super::SLOTS;

/// Tags of the low word; the model, which has two slots, has one in each word.
const LOW: usize = if crate::sync::MODEL { 1 } else { 8 };
const PASSED: u64 = 1 << 32;
/// A bit for each slot.
const ALL: u32 = (1 << SLOTS) - 1;

/// See the module's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) low: u64,
    pub(super) high: u64,
}

/// Slots, the lowest first.
#[derive(Clone, Copy)]
pub(super) struct Slots(u32);

impl Iterator for Slots {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let slot = (self.0 != 0).then(|| self.0.trailing_zeros() as usize);
        self.0 &= self.0.wrapping_sub(1);
        slot
    }
}

#[inline(always)]
fn tag(hash: u32) -> u8 {
    (hash as u8).max(1)
}

/// Which bytes of the words are equal to `byte`, a bit each.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
#[allow(unsafe_code)]
fn equal_bytes(low: u64, high: u64, byte: u8) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    // SAFETY: the build is for processors that have SSE2.
    unsafe {
        let words = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
        _mm_movemask_epi8(_mm_cmpeq_epi8(words, _mm_set1_epi8(byte.cast_signed()))).cast_unsigned()
    }
}

/// Which bytes of the words are equal to `byte`, a bit each.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[inline(always)]
fn equal_bytes(low: u64, high: u64, byte: u8) -> u32 {
    equal_bytes_of(low, byte) | equal_bytes_of(high, byte) << 8
}

/// As [`equal_bytes`], of one word, by arithmetic.
#[cfg(any(all(test, not(any(loom, shuttle))), not(all(target_arch = "x86_64", target_feature = "sse2"))))]
#[inline(always)]
fn equal_bytes_of(word: u64, byte: u8) -> u32 {
    const ONES: u64 = u64::MAX / 0xFF;
    const SEVENS: u64 = ONES * 0x7F;
    let differing = word ^ (ONES * u64::from(byte));
    // The highest bit of each byte that is 0; no carry leaves a byte.
    let equal = !(((differing & SEVENS) + SEVENS) | differing | SEVENS);
    // Eight bits that are eight apart, brought together in the highest byte.
    ((equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

impl Meta {
    #[inline(always)]
    fn slots_with(self, tag: u8) -> Slots {
        let equal = equal_bytes(self.low, self.high, tag);
        Slots((equal & ((1 << LOW) - 1) | equal >> 8 << LOW) & ALL)
    }

    /// The slots that may hold this hash.
    #[inline(always)]
    pub(super) fn candidates(self, hash: u32) -> Slots {
        self.slots_with(tag(hash))
    }

    /// The slots in use.
    pub(super) fn used(self) -> Slots {
        Slots(self.slots_with(0).0 ^ ALL)
    }

    /// An empty slot.
    #[inline(always)]
    pub(super) fn free(self) -> Option<usize> {
        self.slots_with(0).next()
    }

    /// With another tag, 0 for none, in place of one.
    #[inline(always)]
    fn set(self, slot: usize, tag: u8) -> Self {
        let put = |word: u64, shift: usize| word & !(0xFF << shift) | u64::from(tag) << shift;
        if slot < LOW {
            Meta { low: put(self.low, 8 * slot), ..self }
        } else {
            Meta { high: put(self.high, 8 * (slot - LOW)), ..self }
        }
    }

    pub(super) fn fill(self, slot: usize, hash: u32) -> Self {
        self.set(slot, tag(hash))
    }

    pub(super) fn empty(self, slot: usize) -> Self {
        self.set(slot, 0)
    }

    /// Entries that went past.
    #[inline(always)]
    pub(super) fn passed(self) -> u64 {
        self.high / PASSED
    }

    /// One entry more went past.
    pub(super) fn pass(self) -> Self {
        Meta { high: self.high + PASSED, ..self }
    }

    /// One of those that went past is gone.
    pub(super) fn unpass(self) -> Self {
        Meta { high: self.high - PASSED, ..self }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tags_match_an_array(ops in prop::collection::vec((0..SLOTS, any::<Option<u32>>(), any::<bool>()), 0..60)) {
            let mut meta = Meta::default();
            let mut model: [Option<u32>; SLOTS] = [None; SLOTS];
            let mut passed = 0;
            for (slot, hash, up) in ops {
                match (model[slot], hash) {
                    (None, Some(hash)) => meta = meta.fill(slot, hash),
                    (Some(_), None) => meta = meta.empty(slot),
                    _ if up => { meta = meta.pass(); passed += 1; continue }
                    _ if passed > 0 => { meta = meta.unpass(); passed -= 1; continue }
                    _ => continue,
                }
                model[slot] = hash;
                let used: Vec<usize> = (0..SLOTS).filter(|&at| model[at].is_some()).collect();
                prop_assert!(meta.used().eq(used));
                prop_assert_eq!(meta.free(), model.iter().position(Option::is_none));
                prop_assert_eq!(meta.passed(), passed);
                for hash in model.iter().flatten() {
                    let same = (0..SLOTS).filter(|&at| model[at].is_some_and(|other| tag(other) == tag(*hash)));
                    prop_assert!(meta.candidates(*hash).eq(same));
                }
            }
        }

        #[test]
        fn bytes_are_compared_one_by_one(bytes in prop::array::uniform16(0u8..4), byte in 0u8..4, far: bool) {
            let shift = |byte: u8| if far { byte.wrapping_mul(0x7F) } else { byte };
            let (bytes, byte) = (bytes.map(shift), shift(byte));
            let words = bytes.as_chunks::<8>().0;
            let (low, high) = (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]));
            let expected: u32 = (0..16).filter(|&at| bytes[at] == byte).map(|at| 1 << at).sum();
            prop_assert_eq!(equal_bytes(low, high, byte), expected);
            prop_assert_eq!(equal_bytes_of(low, byte) | equal_bytes_of(high, byte) << 8, expected);
        }
    }

    #[test]
    fn no_hash_has_the_tag_of_an_empty_slot() {
        assert!((0..=u32::from(u8::MAX)).all(|hash| tag(hash) != 0));
        assert_eq!((tag(0x100), tag(0x101), tag(0x1FF)), (1, 1, 0xFF));
    }
}
