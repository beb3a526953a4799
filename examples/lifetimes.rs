//! Every entry its own lifetime: a rule that looks at what is stored.
//!
//! Answers of a name service come with a time to live, and failures should be tried again soon. A rule gives
//! each entry the lifetime it asks for; a write may still say otherwise.
//!
//! ```text
//! cargo run --example lifetimes
//! ```

use std::time::Duration;

use pinyon::{BuildError, Cache, Expiry, InsertOptions, Lifetime, ManualTicker};

/// What the name service said.
#[derive(Clone, Debug)]
enum Answer {
    /// An address and how long it may be kept.
    Address(&'static str, Duration),
    /// No such name.
    Unknown,
}

/// Addresses live as long as they say, failures for five seconds.
struct AsAnswered;

impl Expiry<&'static str, Answer> for AsAnswered {
    fn after_create(&self, _name: &&'static str, answer: &Answer) -> Lifetime {
        match answer {
            Answer::Address(_, ttl) => Lifetime::After(*ttl),
            Answer::Unknown => Lifetime::After(Duration::from_secs(5)),
        }
    }
}

fn main() -> Result<(), BuildError> {
    // The time is ours here, so that the example need not sleep. Leave `ticker` out for the system's.
    let time = ManualTicker::new();
    let names = Cache::builder().capacity(100).expiry(AsAnswered).ticker(time.clone()).build()?;

    let minutes = |n: u64| Duration::from_secs(60 * n);
    names.insert("web.example", Answer::Address("192.0.2.1", minutes(1)));
    names.insert("mail.example", Answer::Address("192.0.2.2", minutes(60)));
    names.insert("nope.example", Answer::Unknown);
    // What a write says comes before the rule: this one dies when nobody has asked for it for two minutes.
    let while_used = InsertOptions::new().forever().tti(minutes(2));
    names.insert_with("busy.example", Answer::Address("192.0.2.3", minutes(1)), while_used);

    println!("{:>8}  {:>14} {:>14} {:>14} {:>14}", "time", "nope", "web", "mail", "busy, asked");
    for step in [1, 9, 50, 61, 119, 119, 119, 3_600] {
        time.advance(Duration::from_secs(step));
        let remaining = |name| match names.metadata(name).map(|about| about.remaining) {
            // `remaining` is none for what does not expire.
            Some(Some(left)) => format!("{} s left", left.as_secs()),
            Some(None) => "for ever".to_owned(),
            None => "gone".to_owned(),
        };
        // `metadata` leaves no trace; `get` is a use and restarts the idle time.
        let busy = match names.get("busy.example") {
            Some(Answer::Address(address, _)) => address,
            Some(Answer::Unknown) => "unknown",
            None => "gone",
        };
        let now = format!("+{step} s");
        let [nope, web, mail] = ["nope.example", "web.example", "mail.example"].map(remaining);
        println!("{now:>8}  {nope:>14} {web:>14} {mail:>14} {busy:>14}");
    }

    // What has expired is never returned. Its memory comes back with later writes, or when asked for.
    let before = names.len();
    while !names.maintain(1_000).done {}
    println!("\nentries in memory: {before} before maintain, {} after", names.len());
    Ok(())
}
