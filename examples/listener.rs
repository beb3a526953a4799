//! Being told what leaves, and why: files on disk that follow their cache entries.
//!
//! ```text
//! cargo run --example listener
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pinyon::{BuildError, Cache, Cause, InsertOptions, ManualTicker};

/// What stands in for the disk: the files that exist.
type Disk = Arc<Mutex<BTreeMap<String, u64>>>;

/// The disk, whatever a thread that panicked may have left of it.
fn open(disk: &Disk) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> Result<(), BuildError> {
    let disk = Disk::default();
    let time = ManualTicker::new();

    // The listener runs on the thread whose call made the entry leave, before that call returns, and under no
    // lock of the cache: it may take its own lock, do slow work, or use the cache again. Each entry that leaves
    // is told once, in order for each key.
    let files = disk.clone();
    let thumbnails = Cache::builder()
        .capacity(3)
        .ticker(time.clone())
        .listener(move |name: &String, version: &u64, cause: Cause| {
            println!("  {name} version {version}: {cause}");
            let mut files = open(&files);
            // A replaced value's file has been written over already; every other cause means it can go.
            if cause != Cause::Replaced && files.get(name) == Some(version) {
                files.remove(name);
            }
        })
        .build()?;
    let save = |name: &str, version: u64, options: InsertOptions| {
        println!("save {name} version {version}");
        open(&disk).insert(name.to_owned(), version);
        thumbnails.insert_with(name.to_owned(), version, options);
    };

    let always = InsertOptions::new;
    save("cat", 1, always());
    save("cat", 2, always());
    save("dog", 1, always().ttl(Duration::from_secs(60)));
    save("fox", 1, always());
    save("owl", 1, always());
    println!("remove fox");
    thumbnails.invalidate("fox");
    println!("two minutes pass");
    time.advance(Duration::from_secs(120));
    while !thumbnails.maintain(100).done {}

    let cached = |name: &String| thumbnails.contains(name);
    let files = open(&disk).clone();
    println!("\nfiles left: {files:?}; every one of them is in the cache: {}", files.keys().all(cached));

    println!("clear");
    thumbnails.clear();
    assert!(open(&disk).is_empty());
    Ok(())
}
