//! The mailbox of sampled hits: readers and a writer who races them for its one index. It may lose hits, no more.

use super::*;
use crate::sync::Arc;
use crate::sync::checker;

/// Two readers leave hits while one writer empties the mailbox and another finds the shadows taken.
#[test]
fn the_mailbox_is_never_written_beyond_its_end() {
    checker::check(|| {
        let adapt = Arc::new(Adapt::new(Policy::ClockTinyLfu, 4, 1));
        assert!(adapt.samples(Hash::new(7)));
        let hits = |times| {
            let adapt = adapt.clone();
            checker::spawn(move || (0..times).for_each(|_| adapt.hit(Hash::new(7))))
        };
        let readers = [hits(2), hits(1)];
        adapt.miss(Hash::new(7), || Some(4));
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(adapt.next.load(Ordering::Relaxed) <= adapt.mailbox.len());
        // What is left is read as it stands, an older hit perhaps: a hash all the same.
        assert!(adapt.mailbox.iter().all(|place| [0, 7].contains(&place.load(Ordering::Relaxed))));
        adapt.miss(Hash::new(7), || None);
        assert_eq!(adapt.next.load(Ordering::Relaxed), 0);
    });
}
