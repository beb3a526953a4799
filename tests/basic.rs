//! Does it work: reading, writing, looking, iterating.

use pinyon::{Cache, Inserted};

#[test]
fn what_is_written_is_read() {
    let cache: Cache<u64, u64> = Cache::builder().capacity(100).build().unwrap();
    for n in 0..1000 {
        assert_eq!(cache.insert(n, n + 1), Inserted::Added);
        assert_eq!(cache.get(&n), Some(n + 1));
        assert!(cache.len() <= 100);
        cache.validate();
    }
    assert_eq!(cache.len(), 100);
}
