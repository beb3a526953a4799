//! A reader against the writer that brings a new chunk, and a new directory for it (S5).

use super::*;
use crate::sync::atomic::AtomicU32;
use crate::sync::checker;
use crate::sync::{Arc, Track};

/// An index in the second chunk, and one beyond the first directory, which is of four chunks.
const INDICES: [u32; 2] = [1 << Chunks::<Track>::BITS, 4 << Chunks::<Track>::BITS];

/// An index that is published leads to its row, through whichever directory; so do the older ones.
#[test]
#[allow(unsafe_code)]
fn an_index_leads_to_its_row() {
    checker::check(|| {
        let chunks = Arc::new(Chunks::<Track>::new(&Arc::default()));
        chunks.ensure(0, Some(Track::new));
        let slot = Arc::new(AtomicU32::new(0));
        let (writing, published) = (chunks.clone(), slot.clone());
        let writer = checker::spawn(move || {
            for index in INDICES {
                writing.ensure(index, Some(Track::new));
                // SAFETY: ensured.
                unsafe { writing.row(index).as_ref() }.write();
                published.store(index, Ordering::Release);
            }
        });
        for index in [slot.load(Ordering::Acquire), slot.load(Ordering::Acquire), 0] {
            // SAFETY: S5.
            unsafe { chunks.row(index).as_ref() }.read();
        }
        writer.join().unwrap();
    });
}
