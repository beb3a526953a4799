//! Blocks beside a naive account of what each holds.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;

thread_local! {
    /// What was freed of adopted memory: address and size.
    static FREED: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn note(data: *mut c_void, size: usize, user: *mut c_void) {
    assert_eq!(user.addr(), 7);
    FREED.with_borrow_mut(|freed| freed.push((data.addr(), size)));
}

fn foreign(bytes: &'static [u8]) -> Foreign {
    let user = std::ptr::without_provenance_mut(7);
    Foreign { data: bytes.as_ptr().cast_mut().cast(), size: bytes.len(), free: Some(note), user }
}

fn freed() -> Vec<(usize, usize)> {
    FREED.take()
}

const TEXT: &[u8] = b"what is not the library's own";

#[derive(Clone, Debug)]
enum Op {
    New(usize, usize),
    Zeroed(usize, usize),
    Adopt(usize, usize),
    Clone(usize),
    Drop(usize),
    Through(usize),
}

fn op() -> impl Strategy<Value = Op> {
    // Both sides of what fits into a small head, and odd sizes.
    let size = || prop_oneof![0..20usize, 250..260usize, Just(5000)];
    prop_oneof![
        3 => (size(), size()).prop_map(|(key, value)| Op::New(key, value)),
        1 => (size(), size()).prop_map(|(key, value)| Op::Zeroed(key, value)),
        1 => (size(), 0..TEXT.len()).prop_map(|(key, value)| Op::Adopt(key, value)),
        3 => any::<usize>().prop_map(Op::Clone),
        4 => any::<usize>().prop_map(Op::Drop),
        1 => any::<usize>().prop_map(Op::Through),
    ]
}

fn pattern(size: usize, first: u8) -> Vec<u8> {
    (0..size).map(|at| (at as u8).wrapping_mul(31).wrapping_add(first)).collect()
}

proptest! {
    #[test]
    fn a_block_keeps_its_bytes_until_the_last_of_it_is_gone(ops in proptest::collection::vec(op(), 0..80)) {
        let mut blocks: Vec<(Block, Vec<u8>, Vec<u8>)> = Vec::new();
        let mut adopted = Vec::new();
        drop(freed());
        for (op, first) in ops.into_iter().zip(0u8..) {
            match op {
                Op::New(key, value) => {
                    let (key, value) = (pattern(key, first), pattern(value, !first));
                    blocks.push((Block::new(&key, &value).expect("small"), key, value));
                }
                Op::Zeroed(key, value) => {
                    let (key, value) = (pattern(key, first), pattern(value, !first));
                    let mut block = Block::zeroed(&key, value.len()).expect("small");
                    prop_assert!(block.bytes_mut().iter().all(|&byte| byte == 0));
                    block.bytes_mut().copy_from_slice(&value);
                    blocks.push((block, key, value));
                }
                Op::Adopt(key, value) => {
                    let key = pattern(key, first);
                    let block = Block::adopt(&key, foreign(&TEXT[..value])).expect("small");
                    adopted.push((TEXT.as_ptr().addr(), value));
                    blocks.push((block, key, TEXT[..value].to_vec()));
                }
                Op::Clone(pick) if !blocks.is_empty() => {
                    let (block, key, value) = &blocks[pick % blocks.len()];
                    let more = (block.clone(), key.clone(), value.clone());
                    prop_assert_eq!(more.0.0, block.0, "the same bytes");
                    blocks.push(more);
                }
                Op::Drop(pick) if !blocks.is_empty() => {
                    let at = pick % blocks.len();
                    let (gone, _, value) = blocks.swap_remove(at);
                    let last = blocks.iter().all(|(block, ..)| block.0 != gone.0);
                    let expected = last && matches!(gone.head(), Head::Adopted(_));
                    drop(gone);
                    let told = freed();
                    prop_assert_eq!(told.len(), usize::from(expected));
                    if expected {
                        prop_assert_eq!(told[0].1, value.len());
                        let at = adopted.iter().position(|one| *one == told[0]);
                        adopted.swap_remove(at.expect("it was adopted, and not freed before"));
                    }
                }
                Op::Through(pick) if !blocks.is_empty() => {
                    let at = pick % blocks.len();
                    let (block, key, value) = blocks.swap_remove(at);
                    let raw = NonNull::new(block.into_raw()).expect("not null");
                    // SAFETY: just made, once.
                    blocks.push((unsafe { Block::from_raw(raw) }, key, value));
                }
                Op::Clone(_) | Op::Drop(_) | Op::Through(_) => {}
            }
            for (block, key, value) in &blocks {
                prop_assert_eq!(block.key(), &key[..]);
                prop_assert_eq!(block.value(), &value[..]);
                let own = !matches!(block.head(), Head::Adopted(_));
                prop_assert!(!own || block.view().0.addr().is_multiple_of(ALIGNMENT));
                prop_assert!(block.heap_bytes() >= key.len() + value.len() + 4);
            }
        }
        drop(blocks);
        let (mut told, mut rest) = (freed(), adopted);
        told.sort_unstable();
        rest.sort_unstable();
        prop_assert_eq!(told, rest);
    }
}

#[test]
fn sixteen_and_a_hundred_bytes_fit_into_a_chunk_of_128() {
    assert_eq!(Block::new(&[1; 16], &[2; 100]).expect("small").heap_bytes(), 128);
}

#[test]
fn a_crowded_block_is_copied_and_its_handles_are_as_good() {
    let block = Block::new(b"key", b"value").expect("small");
    let crowd: Vec<Block> = (1..CROWDED).map(|_| block.clone()).collect();
    assert!(crowd.iter().all(|one| one.0 == block.0), "as long as there is room to count");
    let more: Vec<Block> = (0..3).map(|_| block.clone()).collect();
    for (at, one) in more.iter().enumerate() {
        assert!(one.0 != block.0 && more[..at].iter().all(|other| other.0 != one.0));
        assert_eq!((one.key(), one.value()), (&b"key"[..], &b"value"[..]));
    }
    drop(crowd);
    let again = block.clone();
    assert!(again.0 == block.0, "there is room again");
    drop(block);
    assert_eq!(again.value(), b"value");
    assert!(again.is_unique());
}

#[test]
fn what_is_adopted_is_freed_though_there_is_no_memory_for_its_block() {
    drop(freed());
    // No slice is so long; its length alone is looked at before there is memory.
    assert!(layout::<Adopted>(0, usize::MAX / 2).is_err());
    drop(foreign(TEXT));
    assert_eq!(freed().len(), 1);
}

#[test]
fn what_does_not_fit_into_memory_is_an_error() {
    for size in [usize::MAX, usize::MAX - 8, usize::MAX / 2, isize::MAX as usize - 64, 1 << 60] {
        assert!(Block::zeroed(b"key", size).is_err(), "{size}");
    }
}

#[test]
fn a_pair_counts_a_shared_block_once() {
    let (key, value) = Block::new(&[1; 16], &[2; 100]).expect("small").into_pair();
    assert_eq!(pair_bytes(&key, &value), 128);
    let loaded = Value::of(Block::new(&[], &[2; 100]).expect("small"));
    assert_eq!(pair_bytes(&KeyBytes::of(&[1; 16]).to_owned(), &loaded), 32 + 112);
    assert!(value.bytes() == loaded.bytes() && key.bytes() == [1; 16]);
}

#[test]
fn g12_keys_are_the_same_if_all_their_bytes_are() {
    for size in 0..70 {
        let key = pattern(size, 3);
        let mut other = key.clone();
        assert!(KeyBytes::of(&key) == KeyBytes::of(&other));
        for at in 0..size {
            other[at] ^= 1 << (at % 8);
            assert!(KeyBytes::of(&key) != KeyBytes::of(&other), "{at} of {size}");
            other[at] = key[at];
        }
        assert!(size == 0 || KeyBytes::of(&key) != KeyBytes::of(&key[1..]));
        assert!(size == 0 || KeyBytes::of(&key) != KeyBytes::of(&key[..size - 1]));
    }
}
