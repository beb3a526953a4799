//! Many entries at once, without a list of them: what belongs to a user goes with the user, and everything goes when
//! the templates change. Neither call touches the entries: they are misses from then on, and leave memory with the writes that follow.
//!
//! ```text
//! cargo run --example tags
//! ```

use pinyon::{BuildError, Cache, InsertOptions, LoadError, LoadOptions, Loaded};

type Pages = Cache<String, String>;

/// A page of a user, rendered if it is not there. What it is made from are its tags.
fn page(pages: &Pages, user: u32, name: &str) -> Result<String, LoadError> {
    pages.load(&format!("/{user}/{name}"), LoadOptions::new(), |path| {
        println!("render {path}");
        Ok(Loaded::new(format!("<h1>{name} of user {user}</h1>"))
            .tags([format!("user {user}"), name.to_owned()]))
    })
}

fn main() -> Result<(), BuildError> {
    let pages: Pages = Cache::builder().capacity(1000).build()?;
    let visit = || {
        for user in [1, 2] {
            for name in ["cart", "orders"] {
                page(&pages, user, name).expect("a loader that does not ask for its own page");
            }
        }
    };
    visit();
    visit();
    println!("user 2 changes the address");
    pages.invalidate_tag("user 2");
    visit();
    println!("all carts change");
    pages.invalidate_tag("cart");
    visit();

    // What was being rendered when its tag was invalidated is for its own caller, and not for the cache.
    let old = pages.load(&"/3/cart".to_owned(), LoadOptions::new(), |_| {
        pages.invalidate_tag("cart");
        Ok::<_, ()>(Loaded::new("an old cart".to_owned()).tags(["cart"]))
    });
    assert_eq!((old, pages.get("/3/cart")), (Ok("an old cart".to_owned()), None));

    // A write gives its tags, too.
    pages.insert_with("/about".to_owned(), "about us".to_owned(), InsertOptions::new().tags(["static"]));
    println!("the templates change");
    pages.invalidate_all();
    assert_eq!(pages.iter().count(), 0);
    println!("{} entries are still in memory", pages.len());
    while !pages.maintain(100).done {}
    assert_eq!(pages.len(), 0);
    println!("{}", pages.stats());
    Ok(())
}
