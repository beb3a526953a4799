//! Values that are renewed before they expire, so that nobody waits for them, and kept while their source is down.
//!
//! ```text
//! cargo run --example refresh
//! ```

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use pinyon::{Cache, LoadError, LoadOptions, Loaded, ManualTicker};

const MINUTE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Good for an hour, due to be renewed after a minute.
    let ticker = ManualTicker::new();
    let cache: Cache<String, u32> = Cache::builder()
        .capacity(100)
        .ticker(ticker.clone())
        .time_to_live(60 * MINUTE)
        .refresh_after(MINUTE)
        .build()?;
    assert_eq!(cache.get_or_load("rate", || 100), Ok(100));

    // The first who asks after a minute loads; those who ask meanwhile get the old value.
    ticker.advance(MINUTE);
    let renewed = cache.get_or_load("rate", || {
        assert_eq!(cache.get("rate"), Some(100));
        101
    });
    println!("a minute later: {renewed:?}");

    // Or nobody waits at all: the work goes to a thread of yours.
    let (jobs, queue) = channel::<Box<dyn FnOnce() + Send>>();
    let worker = thread::spawn(move || queue.into_iter().for_each(|job| job()));
    ticker.advance(MINUTE);
    let spawn = |job| jobs.send(job).expect("the worker is there");
    let old =
        cache.load_spawning("rate", LoadOptions::new(), |_| Ok::<_, LoadError>(Loaded::new(102)), spawn);
    drop(jobs);
    worker.join().expect("no panic");
    println!("two minutes later: {old:?} at once, then {:?}", cache.get("rate"));

    // The source is down: the old value will do until it expires.
    let down = |_: &String| Err::<Loaded<u32>, _>("down");
    ticker.advance(MINUTE);
    let served = cache.load("rate", LoadOptions::new().stale_if_error(), down);
    println!("while the source is down: {served:?}");
    ticker.advance(60 * MINUTE);
    let expired = cache.load("rate", LoadOptions::new().stale_if_error(), down);
    println!("an hour later: {expired:?}");
    assert_eq!((served, expired), (Ok(102), Err(LoadError::Failed("down"))));
    Ok(())
}
