//! The count of a block, at every interleaving.

use super::*;
use crate::sync::checker::{self, spawn};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

unsafe extern "C" fn count(_: *mut c_void, _: usize, user: *mut c_void) {
    // SAFETY: the model gives a counter, which it keeps.
    unsafe { &*user.cast::<AtomicU32>() }.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
}

/// Two threads clone and drop; the last of all frees, once, and sees what the other did before.
#[test]
fn g27_a_value_that_two_threads_let_go_of_is_freed_once() {
    checker::check(|| {
        let freed = Arc::new(AtomicU32::new(0));
        let user = Arc::as_ptr(&freed).cast_mut().cast();
        let foreign = Foreign { data: std::ptr::null_mut(), size: 0, free: Some(count), user };
        let (key, value) = Block::adopt(b"key", foreign).expect("small").into_pair();
        let other = value.clone();
        let thread = spawn(move || {
            let more = other.clone();
            drop(other);
            assert!(more.bytes().is_empty());
        });
        drop(key);
        drop(value);
        thread.join().expect("it does not panic");
        assert_eq!(freed.load(std::sync::atomic::Ordering::SeqCst), 1);
    });
}

/// The same of a small block, whose count is another.
#[test]
fn g27_a_small_block_is_read_before_it_is_freed() {
    checker::check(|| {
        let (key, value) = Block::new(b"key", b"value").expect("small").into_pair();
        let thread = spawn(move || assert_eq!(key.bytes(), b"key"));
        assert_eq!(value.bytes(), b"value");
        drop(value);
        thread.join().expect("it does not panic");
    });
}
