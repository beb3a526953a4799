//! Tasks load what is missing: one of them, while the others wait; here under tokio, but any executor will do.
//!
//! ```text
//! cargo run --features future --example async_loading
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pinyon::{Cache, LoadError};

/// Stands for a server that is far away.
async fn fetch(page: &str, asked: &AtomicU32) -> Result<Arc<str>, String> {
    asked.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
    if page.starts_with('/') {
        Ok(format!("the text of {page}").into())
    } else {
        Err(format!("no page {page}"))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_time().build()?.block_on(tasks())
}

async fn tasks() -> Result<(), Box<dyn std::error::Error>> {
    let cache: Cache<String, Arc<str>> = Cache::builder().capacity(1000).build()?;
    let asked = Arc::new(AtomicU32::new(0));

    // A handle for each task; they share the cache.
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (cache, asked) = (cache.clone(), asked.clone());
            tokio::spawn(async move { cache.try_get_or_load_async("/jay", fetch("/jay", &asked)).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await?.as_deref(), Ok("the text of /jay"));
    }
    println!("100 tasks asked for one page {} time", asked.load(Ordering::Relaxed));

    // Who gives up leaves no trace, and nobody waits in vain for it: the next one loads.
    let hurried = cache.try_get_or_load_async("/pinyon", fetch("/pinyon", &asked));
    let hurried = tokio::time::timeout(Duration::from_millis(1), hurried).await;
    assert!(hurried.is_err());
    let patient = cache.try_get_or_load_async("/pinyon", fetch("/pinyon", &asked)).await;
    assert_eq!(patient.as_deref(), Ok("the text of /pinyon"));

    // An error goes to its caller and is not cached.
    let missing = cache.try_get_or_load_async("seed", fetch("seed", &asked)).await;
    assert_eq!(missing, Err(LoadError::Failed("no page seed".to_string())));
    println!("{}", cache.stats());
    Ok(())
}
