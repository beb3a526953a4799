//! What is missing is made by one caller, and the others wait for it.
//!
//! ```text
//! cargo run --example loading
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pinyon::{BuildError, Cache, LoadError, LoadOptions, Loaded};

/// A slow table of names, which does not know everybody and is down at times.
#[derive(Default)]
struct Names {
    asked: AtomicU32,
}

impl Names {
    fn find(&self, number: u32) -> Result<Option<String>, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(20));
        match number {
            0..100 => Ok(Some(format!("name {number}"))),
            100..200 => Ok(None),
            _ => Err("the table is down".to_string()),
        }
    }
}

/// Names for an hour; that there is none, for a second only.
fn name(
    cache: &Cache<u32, Option<String>>,
    names: &Names,
    number: u32,
) -> Result<Option<String>, LoadError<String>> {
    // Do not wait for others longer than that, and if their load fails, do not try again.
    let options = LoadOptions::new().timeout(Duration::from_secs(2)).share_errors();
    cache.load(&number, options, |&number| {
        let found = names.find(number)?;
        Ok(match found {
            Some(name) => Loaded::new(Some(name)).ttl(Duration::from_secs(3600)),
            None => Loaded::nothing(Duration::from_secs(1)),
        })
    })
}

fn main() -> Result<(), BuildError> {
    let cache = Cache::builder().capacity(1000).build()?;
    let names = Names::default();

    // Twenty ask at once; one of them asks the table.
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(name(&cache, &names, 7), Ok(Some("name 7".to_string()))));
        }
    });
    println!("20 callers of one name asked the table {} time", names.asked.load(Ordering::Relaxed));

    // That there is nobody is remembered, too.
    assert_eq!(name(&cache, &names, 150), Ok(None));
    assert_eq!(name(&cache, &names, 150), Ok(None));
    println!("2 callers of nobody asked it {} time more", names.asked.load(Ordering::Relaxed) - 1);

    // A failure is told and not remembered.
    match name(&cache, &names, 300) {
        Err(LoadError::Failed(error)) => println!("300: {error}"),
        other => unreachable!("{other:?}"),
    }

    // What was removed while it was being loaded is not written: the next caller asks the table again.
    let old = cache.get_or_load(&8, || {
        cache.invalidate(&8);
        Some("an old name".to_string())
    });
    assert_eq!((old, cache.get(&8)), (Ok(Some("an old name".to_string())), None));
    println!("{}", cache.stats());
    Ok(())
}
