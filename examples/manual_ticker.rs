//! Testing code that depends on time, without sleeping.
//!
//! The cache takes its time from a ticker. In production that is the system's monotonic clock; a test hands in
//! one that it moves itself, and an hour passes in a nanosecond.
//!
//! ```text
//! cargo run --example manual_ticker
//! ```

use std::time::Duration;

use pinyon::{BuildError, Cache, ManualTicker, Ticker};

/// The code under test: logins that end ten minutes after the last use, and eight hours after the login.
struct Logins {
    users: Cache<u64, String>,
}

impl Logins {
    /// Takes the ticker from outside; `CoarseTicker::new()` is what the service itself hands in.
    fn new(ticker: impl Ticker) -> Result<Self, BuildError> {
        let users = Cache::builder()
            .capacity(100_000)
            .time_to_idle(Duration::from_secs(600))
            .time_to_live(Duration::from_secs(8 * 3_600))
            .ticker(ticker)
            .build()?;
        Ok(Self { users })
    }

    fn log_in(&self, token: u64, user: &str) {
        self.users.insert(token, user.to_owned());
    }

    fn user(&self, token: u64) -> Option<String> {
        self.users.get(&token)
    }
}

fn main() -> Result<(), BuildError> {
    // Clones of a manual ticker show the same time: one for the code under test, one to move it with.
    let time = ManualTicker::new();
    let logins = Logins::new(time.clone())?;
    let minute = Duration::from_secs(60);

    logins.log_in(1, "ada");
    logins.log_in(2, "alan");

    time.advance(9 * minute);
    assert_eq!(logins.user(1).as_deref(), Some("ada"));
    println!("after  9 minutes: ada is back and starts another ten, alan stays away");

    // Deadlines are exact: alan's ten minutes are over at this tick and not one nanosecond earlier.
    time.advance(minute - Duration::from_nanos(1));
    assert!(logins.users.contains(&2));
    time.advance(Duration::from_nanos(1));
    assert_eq!((logins.user(1).as_deref(), logins.user(2)), (Some("ada"), None));
    println!("after 10 minutes: alan is out, ada is in");

    // Use prolongs the idle time but not the lifetime.
    let mut minutes = 10;
    while logins.user(1).is_some() {
        time.advance(5 * minute);
        minutes += 5;
    }
    println!("after {minutes} minutes: ada is out too, though she came by every five");
    assert_eq!(minutes, 480);
    Ok(())
}
