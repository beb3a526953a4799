//! A progress line on the terminal, kept out of what is measured.
//!
//! The work counts its steps in a shared [`Counter`]; a thread of its own reads the counter ten times a second
//! and draws. Where standard error is not a terminal there is no thread and nothing is written.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Steps done so far; add in portions of a thousand or so, each addition is a write to a shared line.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds steps.
    pub fn add(&self, steps: u64) {
        self.0.fetch_add(steps, Ordering::Relaxed);
    }

    /// Takes the next `steps` steps for the caller alone and returns the first of them.
    pub fn claim(&self, steps: u64) -> u64 {
        self.0.fetch_add(steps, Ordering::Relaxed)
    }

    /// Steps done so far.
    pub fn done(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A progress line for one piece of work; erased when dropped.
#[derive(Debug)]
pub struct Progress {
    counter: Counter,
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts a line that says what is done, out of how many steps if that is known.
    pub fn start(what: &str, total: Option<u64>) -> Self {
        let counter = Counter::default();
        let painter = stderr().is_terminal().then(|| {
            let (stop, stopped) = channel();
            let (what, counter) = (what.to_owned(), counter.clone());
            let paint = move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(100)) {
                    draw(&line(&what, counter.done(), total));
                }
                draw("");
            };
            (stop, std::thread::spawn(paint))
        });
        Self { counter, painter }
    }

    /// The counter to add steps to.
    pub fn counter(&self) -> &Counter {
        &self.counter
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, painter)) = self.painter.take() {
            drop(stop);
            // A panic of the painter is not worth more than its line.
            let _ = painter.join();
        }
    }
}

/// Replaces the terminal's current line; a terminal that cannot be written to is none of our business.
fn draw(text: &str) {
    let mut terminal = stderr().lock();
    let _ = write!(terminal, "\r\x1b[2K{text}");
    let _ = terminal.flush();
}

/// The words of a progress line.
pub fn line(what: &str, done: u64, total: Option<u64>) -> String {
    /// Cells of the bar.
    const WIDTH: u64 = 24;
    let Some(total) = total else {
        return format!("{what}  {:.1} M requests", done as f64 / 1e6);
    };
    let done = done.min(total);
    let full = done * WIDTH / total.max(1);
    let bar: String = (0..WIDTH).map(|cell| if cell < full { '\u{2588}' } else { '\u{2591}' }).collect();
    format!("{bar} {:3.0} %  {what}", 100.0 * done as f64 / total.max(1) as f64)
}
