//! What the bytes of an input mean to `threads`: the cache, how often the lists are run, and the operations, dealt out
//! to the threads in turn.

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use pinyon::Policy;

/// More operations than this are ignored.
const MOST: usize = 120;

#[derive(Debug)]
pub struct Program {
    pub plain: bool,
    pub weighted: bool,
    pub listener: bool,
    pub policy: Policy,
    pub shards: usize,
    pub capacity: u64,
    /// The bits of the hash that are left.
    pub mask: u64,
    pub rounds: usize,
    pub lists: Vec<Vec<Op>>,
}

/// The key comes first; there are few.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Insert(u8),
    InsertFor(u8, u8),
    InsertIfAbsent(u8),
    Replace(u8),
    GetOrInsert(u8),
    /// By the second: put, remove, keep, or what depends on the value found.
    Compute(u8, u8),
    Fill(u8),
    Get(u8),
    /// Holds the value over the operations to come.
    Hold(u8),
    LetGo,
    /// Reads some keys through a pin, and keeps both until the next `Unpin`.
    Pin(u8),
    Unpin,
    With(u8),
    Peek(u8),
    GetMany(u8),
    Iterate,
    Remove(u8),
    Invalidate(u8),
    RemoveIf(u8),
    Retain(u8),
    Clear,
    SetLifetime(u8, u8),
    Touch(u8),
    SetCapacity(u8),
    Maintain(u8),
    Advance(u8),
    /// Everything, or what has a tag.
    Outdate(u8),
    Yield,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (flags, capacity, rounds): (u8, u8, u8) = u.arbitrary()?;
        let mut lists = vec![Vec::new(); 2 + usize::from(flags >> 6 == 3)];
        for turn in 0..MOST {
            if u.is_empty() {
                break;
            }
            let thread = turn % lists.len();
            lists[thread].push(op(u)?);
        }
        Ok(Program {
            plain: flags & 3 == 3,
            weighted: flags & 12 == 12,
            listener: flags & 16 != 0,
            policy: if flags & 32 == 0 { Policy::ClockTinyLfu } else { Policy::Clock },
            shards: 1 + usize::from(capacity >> 7),
            capacity: 1 + u64::from(capacity % 12),
            mask: [u64::MAX, u64::MAX, 1 << 63 | 1, 0][usize::from(capacity / 12 % 4)],
            rounds: 1 + usize::from(rounds % 48),
            lists,
        })
    }
}

fn op(u: &mut Unstructured) -> Result<Op> {
    let (code, byte): (u8, u8) = u.arbitrary()?;
    let (key, more) = (byte % 5, byte / 5);
    Ok(match code % 48 {
        0..8 => Op::Insert(key),
        8 | 9 => Op::InsertFor(key, more),
        10 => Op::InsertIfAbsent(key),
        11 => Op::Replace(key),
        12 => Op::GetOrInsert(key),
        13..16 => Op::Compute(key, more),
        16 => Op::Fill(byte),
        17..20 => Op::Get(key),
        20..24 => Op::Hold(key),
        24 => Op::LetGo,
        25 | 26 => Op::Pin(key),
        27 => Op::Unpin,
        28 => Op::With(key),
        29 => Op::Peek(key),
        30 => Op::GetMany(key),
        31 => Op::Iterate,
        32..35 => Op::Remove(key),
        35 => Op::Invalidate(key),
        36 => Op::RemoveIf(key),
        37 => Op::Retain(more),
        38 => Op::Clear,
        39 => Op::SetLifetime(key, more),
        40 => Op::Touch(key),
        41 => Op::SetCapacity(byte),
        42 | 43 => Op::Maintain(byte),
        44 | 45 => Op::Advance(byte),
        46 => Op::Outdate(more),
        _ => Op::Yield,
    })
}
