//! Loading without closures: the right to load is a number, which goes through a queue, another thread, or another language.
//!
//! ```text
//! cargo run --example leases
//! ```

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use pinyon::{Acquired, BuildError, Cache, Completed, LeaseOptions, Loaded, Token, Waited};

fn main() -> Result<(), BuildError> {
    let cache: Cache<u32, String> = Cache::builder().capacity(1000).build()?;
    let options = LeaseOptions::new().lasting(Duration::from_secs(5));

    // A worker that is told keys and tokens as plain numbers.
    let (orders, queue) = channel::<(u32, u64)>();
    let worker = thread::spawn({
        let cache = cache.clone();
        move || {
            for (key, token) in queue {
                let loaded = Loaded::new(format!("seed {key}")).ttl(Duration::from_secs(60));
                assert_eq!(cache.complete(Token::from_bits(token), loaded), Completed::Stored);
            }
        }
    });
    let Acquired::Lead(token) = cache.acquire(&7, options) else { unreachable!("nothing is there") };
    // Who asks now is given a ticket to wait with.
    let Acquired::Wait(ticket) = cache.acquire(&7, options) else { unreachable!("another loads") };
    orders.send((7, token.to_bits())).expect("the worker is there");
    match cache.wait(ticket, Some(Duration::from_secs(5))) {
        Waited::Value(seed) => println!("7: {seed}"),
        other => unreachable!("{other:?}"),
    }

    // A holder that cannot do it gives the lease back, and one that never comes back loses it when its time is over.
    let Acquired::Lead(token) = cache.acquire(&8, options) else { unreachable!("nothing is there") };
    assert!(cache.abandon(token));
    let short = options.lasting(Duration::ZERO);
    let Acquired::Lead(lost) = cache.acquire(&8, short) else { unreachable!("it was given back") };
    let Acquired::Lead(token) = cache.acquire(&8, options) else { unreachable!("its time is over") };
    assert_eq!(cache.complete(lost, "late".to_string()), Completed::Lapsed("late".to_string()));

    // What was removed meanwhile is not stored.
    cache.invalidate(&8);
    assert_eq!(cache.complete(token, "old".to_string()), Completed::Overtaken("old".to_string()));
    assert_eq!(cache.get(&8), None);

    drop(orders);
    worker.join().expect("no panic");
    println!("{}", cache.stats());
    Ok(())
}
