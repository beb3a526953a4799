//! The verbs of a map, and a bound.
//!
//! ```text
//! cargo run --example basic
//! ```

use pinyon::{BuildError, Cache, Inserted};

fn main() -> Result<(), BuildError> {
    // The one setting that has no default is how much the cache may hold. A handle is cheap to clone, and every
    // method takes `&self`, so nothing has to be wrapped in an Arc or a Mutex.
    let capitals: Cache<String, &str> = Cache::builder().capacity(1_000).build()?;

    // Every write says what it did.
    assert_eq!(capitals.insert("Peru".into(), "Lima"), Inserted::Added);
    assert_eq!(capitals.insert("Chad".into(), "Fort-Lamy"), Inserted::Added);
    assert_eq!(capitals.insert("Chad".into(), "N'Djamena"), Inserted::Replaced);

    // `get` clones the value; a `String` key is looked up by `&str`.
    println!("Peru: {:?}", capitals.get("Peru"));
    println!("Oz:   {:?}", capitals.get("Oz"));

    // Without a clone: a guard that can be held as long as you like, or a closure.
    if let Some(capital) = capitals.get_ref("Chad") {
        capitals.invalidate("Chad");
        println!("Chad: {capital}, still readable although it has just been removed");
    }
    println!("Lima has {:?} letters", capitals.with("Peru", |capital| capital.len()));

    // Threads share the cache by reference or by a cloned handle.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let capitals = &capitals;
            scope.spawn(move || {
                for number in 0..1_000 {
                    capitals.insert(format!("country {thread}-{number}"), "somewhere");
                }
            });
        }
    });

    // 4,001 keys were written; the bound holds at every moment, not only in the end.
    assert!(capitals.len() <= 1_000);
    println!("\n{}", capitals.stats());
    Ok(())
}
