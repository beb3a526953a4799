//! A bound in bytes, or in any unit of your own.
//!
//! ```text
//! cargo run --example weights
//! ```

use pinyon::{BuildError, Cache, InsertOptions, Inserted};

fn main() -> Result<(), BuildError> {
    bytes()?;
    units()
}

/// Bytes: keys, values and the cache's own part of each entry, measured for you.
fn bytes() -> Result<(), BuildError> {
    let pages: Cache<String, Vec<u8>> = Cache::builder().capacity_bytes(1 << 20).build()?;
    for page in 0..10_000 {
        pages.insert(format!("/page/{page}"), vec![b'.'; 100 + page % 900]);
        // The bound is never exceeded, not even for a moment.
        assert!(pages.weight() <= 1 << 20);
    }
    println!("bytes: {} pages in {} of {} bytes", pages.len(), pages.weight(), pages.capacity());
    if let Some(about) = pages.metadata("/page/9999") {
        println!(
            "bytes: a page of {} bytes weighs {} with its key and the cache's share",
            100 + 9_999 % 900,
            about.weight
        );
    }

    // What can never fit is given back and evicts nothing, and a stale value does not stay in its place.
    match pages.insert("/page/9999".into(), vec![0; 2 << 20]) {
        Inserted::Refused { key, value, weight } => {
            println!("bytes: {key} refused, {} bytes given back, it would weigh {weight}", value.len());
        }
        other => println!("bytes: {other:?}"),
    }
    assert!(!pages.contains("/page/9999"));
    Ok(())
}

/// Units of your own: here the seconds it takes to make a report again.
fn units() -> Result<(), BuildError> {
    /// A report and how many rows went into it.
    #[derive(Clone)]
    struct Report {
        rows: u64,
    }
    let reports =
        Cache::builder().capacity_weight(100).weigher(|_, report: &Report| report.rows / 1_000).build()?;
    for (name, rows) in [("daily", 9_000), ("weekly", 40_000), ("monthly", 45_000)] {
        reports.insert(name, Report { rows });
    }
    println!("units: {} reports of weight {} in {}", reports.len(), reports.weight(), reports.capacity());

    // Zero is a weight too: such an entry takes no room and is never evicted. A write may give its own.
    reports.insert_with("pinned", Report { rows: 1_000_000 }, InsertOptions::new().weight(0));
    reports.insert("yearly", Report { rows: 99_000 });
    let rows = |name| reports.with(name, |report| report.rows);
    println!(
        "units: after a heavy one: weekly {:?}, yearly {:?}, pinned {:?}",
        rows("weekly"),
        rows("yearly"),
        rows("pinned")
    );
    assert!(reports.weight() <= 100 && reports.contains("pinned"));
    Ok(())
}
