//! Plays a recorded trace through a Pinyon cache and tells how well it did.
//!
//! ```text
//! cargo run --release --example replay -- --trace examples/traces/source-tree.u64.zst --capacity 10%
//! cargo run --release --example replay -- --trace examples/traces/source-tree.u64.zst --sweep target/replay.svg
//! ```
//!
//! `--help` lists the options; `examples/traces/README.md` tells how to record a trace of your own.

mod capacity;
mod chart;
mod contest;
mod engine;
mod failure;
mod json;
mod lru;
mod memory;
mod optimum;
mod options;
mod progress;
mod report;
mod row;
mod sweep;
mod tally;
mod trace;

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use contest::Contest;
use failure::Failure;
use options::{Command, HELP, Options};
use progress::Progress;
use trace::Trace;

fn main() -> ExitCode {
    let command = options::parse(std::env::args_os().skip(1));
    match command.and_then(|command| match command {
        Command::Help => {
            say(HELP.trim_end());
            Ok(())
        }
        Command::Replay(options) => replay(&options),
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error gone the exit code alone must do.
            let _ = writeln!(stderr(), "replay: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Plays every trace at every capacity.
fn replay(options: &Options) -> Result<(), Failure> {
    for path in &options.traces {
        let progress = Progress::start("decoding", None);
        let trace = Trace::read(path, progress.counter())?;
        drop(progress);
        let contest = Contest::new(&trace, options)?;
        match &options.sweep {
            // The chart is wanted even if nobody reads the table.
            Some(path) => sweep::run(&contest, options, path, |line| {
                say(line);
            })?,
            None => contest.run(&options.capacities, |row| {
                if say(&if options.json { row.json() } else { report::page(row) }) == Reader::Gone {
                    std::process::exit(0);
                }
            })?,
        }
    }
    Ok(())
}

/// Who reads standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Someone, or a file.
    There,
    /// Nobody any more, as with `| head`.
    Gone,
}

/// Writes a line to standard output.
fn say(line: &str) -> Reader {
    match writeln!(stdout(), "{line}") {
        Ok(()) => Reader::There,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Reader::Gone,
        Err(error) => {
            let _ = writeln!(stderr(), "replay: the results cannot be written ({error})");
            std::process::exit(1);
        }
    }
}
