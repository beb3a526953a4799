//! Counts on a line of one's own and on the last one, which all share.

use super::*;
use crate::sync::Arc;
use crate::sync::checker;

#[test]
fn g29_no_count_is_lost() {
    checker::check(|| {
        let stripes = Arc::new(Stripes::new(1));
        let readers = [0, 7].map(|thread| {
            let stripes = stripes.clone();
            checker::spawn(move || (0..2).for_each(|_| stripes.line(thread).hit()))
        });
        stripes.line(8).hit();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        let mut stats = Stats::default();
        stripes.add_to(&mut stats);
        assert_eq!((stats.hits, stats.misses), (5, 0));
    });
}
