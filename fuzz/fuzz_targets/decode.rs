//! What the bytes of an input mean to `ops`: a few describe the cache, each of the others begins or continues an
//! operation. Every input means something, and short ones mean a lot.

use crate::ops::{Answer, Op, SPANS, Setting, Terms, Unit, lifetime};
use crate::run::Door;
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use pinyon::Policy;
use std::time::Duration;

/// More operations than this are ignored: each is compared in full.
const MOST: usize = 300;

/// Bits of the hash that are left: all, a few, some of those that choose the shard, none.
const MASKS: [u64; 6] = [u64::MAX, 7 | 1 << 63, 3 << 62, 1 << 31 | 1, 0, u64::MAX];

#[derive(Debug)]
pub struct Program {
    pub setting: Setting,
    pub door: Door,
    pub ops: Vec<Op>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut bytes = Bytes(u);
        let setting = bytes.setting()?;
        let door = bytes.pick([Door::Shared, Door::Shared, Door::Exclusive, Door::NonReentrant])?;
        let mut ops = Vec::new();
        while !bytes.0.is_empty() && ops.len() < MOST {
            ops.push(bytes.op()?);
        }
        Ok(Program { setting, door, ops })
    }
}

struct Bytes<'u, 'a>(&'u mut Unstructured<'a>);

impl Bytes<'_, '_> {
    fn byte(&mut self) -> Result<u8> {
        self.0.arbitrary()
    }

    fn below(&mut self, bound: u8) -> Result<u64> {
        Ok(u64::from(self.byte()? % bound))
    }

    fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> Result<T> {
        Ok(choices[self.byte()? as usize % N])
    }

    fn setting(&mut self) -> Result<Setting> {
        let (flags, shards) = (self.byte()?, self.pick([1, 2, 3])?);
        let (unit, capacity) = self.capacity()?;
        let life = |bytes: &mut Self, is_set| if is_set { bytes.span().map(Some) } else { Ok(None) };
        Ok(Setting {
            shards,
            unit,
            capacity,
            policy: if flags & 1 == 0 { Policy::ClockTinyLfu } else { Policy::Clock },
            listener: flags & 2 == 0,
            dated: flags & 4 != 0,
            rule: flags & 24 == 24,
            ttl: life(self, flags & 96 == 96)?,
            tti: life(self, flags & 160 == 160)?,
            mask: self.pick(MASKS)?,
        })
    }

    fn capacity(&mut self) -> Result<(Unit, u64)> {
        Ok(match self.below(8)? {
            0 | 1 => (Unit::Entries, 1 + self.below(8)?),
            2 | 3 => (Unit::Entries, 1 + self.below(40)?),
            4 => (Unit::Entries, 200 + self.below(100)?),
            5 => (Unit::Weight, 1 + self.below(80)?),
            6 => (Unit::Weight, 1000 + 4 * self.below(255)?),
            _ => (Unit::Bytes, 1024 + 32 * self.below(255)?),
        })
    }

    fn key(&mut self) -> Result<u8> {
        let byte = self.byte()?;
        Ok(if byte < 240 { byte % 16 } else { byte })
    }

    fn size(&mut self) -> Result<u64> {
        let byte = self.byte()?;
        Ok(match byte {
            0..=199 => u64::from(byte % 8),
            200..=253 => u64::from(byte - 194),
            _ => 60_000,
        })
    }

    fn span(&mut self) -> Result<Duration> {
        self.pick(SPANS)
    }

    fn terms(&mut self) -> Result<Terms> {
        let flags = self.byte()?;
        let mut terms = Terms { forever: flags & 3 == 3, ..Terms::default() };
        if flags & 4 != 0 {
            terms.ttl = Some(self.span()?);
        }
        if flags & 8 != 0 {
            terms.tti = Some(self.span()?);
        }
        if flags & 48 == 48 {
            let weight = self.byte()?;
            terms.weight = Some(if weight == 255 { u64::MAX } else { u64::from(weight % 40) });
        }
        if flags & 64 != 0 {
            terms.tags = self.byte()? % 8;
        }
        Ok(terms)
    }

    fn answer(&mut self) -> Result<Answer> {
        Ok(match self.below(4)? {
            0 => Answer::Put,
            1 => Answer::PutWith(self.terms()?),
            2 => Answer::Remove,
            _ => Answer::Keep,
        })
    }

    fn op(&mut self) -> Result<Op> {
        match self.byte()? % 64 {
            code @ 0..24 => self.write(code),
            code @ 24..44 => self.read(code - 24),
            code => self.other(code - 44),
        }
    }

    fn write(&mut self, code: u8) -> Result<Op> {
        let key = self.key()?;
        let size = self.size()?;
        Ok(match code {
            0..6 => Op::Insert(key, size),
            6..12 => Op::InsertWith(key, size, self.terms()?),
            12 | 13 => Op::InsertIfAbsent(key, size),
            14 | 15 => Op::Replace(key, size),
            16 => Op::ReplaceIf(key, size, self.below(3)?),
            17 | 18 => Op::GetOrInsert(key, size),
            19 => Op::Fill(key, 1 + self.byte()? % 80, size % 4),
            _ => Op::Compute(key, size, self.answer()?, self.answer()?),
        })
    }

    fn read(&mut self, code: u8) -> Result<Op> {
        Ok(match code {
            0..6 => Op::Get(self.key()?),
            6..9 => Op::Hold(self.key()?),
            9 => Op::LetGo,
            10 => Op::Pin,
            11 => Op::Unpin,
            12 => Op::With(self.key()?),
            13 => Op::Peek(self.key()?),
            14 => Op::Contains(self.key()?),
            15 => {
                let count = self.below(5)?;
                Op::GetMany((0..count).map(|_| self.key()).collect::<Result<_>>()?)
            }
            16 => Op::Metadata(self.key()?),
            17 => Op::Iterate,
            _ => Op::IterateFurther(1 + self.byte()? % 40),
        })
    }

    fn other(&mut self, code: u8) -> Result<Op> {
        Ok(match code {
            0..3 => Op::Remove(self.key()?),
            3 => Op::RemoveIf(self.key()?, self.below(3)?),
            4 | 5 => Op::Invalidate(self.key()?),
            6 | 7 => Op::Touch(self.key()?),
            8 | 9 => Op::SetLifetime(self.key()?, lifetime(u64::from(self.byte()?))),
            10 => Op::Retain(self.below(3)?),
            11 => Op::Clear,
            12 => Op::SetCapacity(5 * self.below(240)?),
            13..16 => Op::Maintain(match self.byte()? {
                255 => usize::MAX,
                254 => 1000,
                few => usize::from(few % 20),
            }),
            16 => Op::Advance(SPANS[7] * 64),
            17 => Op::InvalidateAll,
            18 => Op::InvalidateTag(self.byte()? % 4),
            _ => Op::Advance(self.span()?),
        })
    }
}
