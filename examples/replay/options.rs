//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use pinyon::Policy;

use crate::capacity::{Amount, Measure};
use crate::failure::Failure;

/// What `--help` prints.
pub const HELP: &str = "\
Plays a recorded trace through a Pinyon cache: for every request a get, and on a miss an insert.
Prints the hit ratio beside LRU and the clairvoyant optimum, the speed and the memory.

Usage: replay --trace FILE [--trace FILE ...] [OPTIONS]

  --trace FILE         a trace: .u64.zst (keys), .ks.zst (keys, sizes), .kstt.zst (keys, sizes, TTLs, times)
  --capacity N[,N...]  entries, or a share of the trace's unique keys like 10% or 0.1%      [default: 10%]
  --capacity-bytes N   count the capacity in bytes of the sized objects; N% is of all of them together
  --ttl                honour the TTLs of a .kstt.zst trace, in the trace's own time
  --policy P           clock-tinylfu or clock                                      [default: clock-tinylfu]
  --threads T          threads that share the requests, in runs of 64 from one queue           [default: 1]
  --shards S           independently locked parts of the cache                [default: the cache's choice]
  --sweep FILE.svg     play a ladder of capacities with every policy and draw the hit ratios
  --json               print one JSON object a line, one line for each trace, capacity and policy
  --help               print this

Wrong input ends with exit code 2 and one line on standard error.
";

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Print the help.
    Help,
    /// Play traces.
    Replay(Options),
}

/// What to play, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The traces, at least one.
    pub traces: Vec<PathBuf>,
    /// The capacities; none asks for the default.
    pub capacities: Vec<Amount>,
    /// What capacities count.
    pub measure: Measure,
    /// Whether TTLs count.
    pub ttl: bool,
    /// The policy, by its name on the command line.
    pub policy: Policy,
    /// Threads, at least 1.
    pub threads: usize,
    /// Shards, if not left to the cache.
    pub shards: Option<usize>,
    /// Where to draw a sweep.
    pub sweep: Option<PathBuf>,
    /// Whether to print JSON.
    pub json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            traces: Vec::new(),
            capacities: Vec::new(),
            measure: Measure::Entries,
            ttl: false,
            policy: POLICIES[0].1,
            threads: 1,
            shards: None,
            sweep: None,
            json: false,
        }
    }
}

/// The policies with their names on the command line, the default first.
pub const POLICIES: [(&str, Policy); 2] = [("clock-tinylfu", Policy::ClockTinyLfu), ("clock", Policy::Clock)];

/// The name of a policy.
pub fn policy_name(policy: Policy) -> &'static str {
    POLICIES.iter().find(|known| known.1 == policy).map_or("unnamed", |known| known.0)
}

/// Reads the arguments after the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, mut attached) = split(&argument);
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--json" if attached.is_none() => options.json = true,
            "--ttl" if attached.is_none() => options.ttl = true,
            "--json" | "--ttl" => {
                return Err(Failure::option(format_args!("{name} takes no value; leave it out")));
            }
            name if VALUED.contains(&name) => {
                let value = attached.take().or_else(|| arguments.next());
                let value =
                    value.ok_or_else(|| Failure::option(format_args!("{name} needs a value; see --help")))?;
                options.set(name, value)?;
            }
            _ => {
                let argument = argument.to_string_lossy();
                return Err(Failure::option(format_args!("unknown option {argument}; see --help")));
            }
        }
    }
    options.check().map(Command::Replay)
}

/// The options that take a value.
const VALUED: [&str; 7] =
    ["--trace", "--capacity", "--capacity-bytes", "--policy", "--threads", "--shards", "--sweep"];

/// The most threads worth starting.
const MOST_THREADS: usize = 1024;

/// The most shards a cache can have.
const MOST_SHARDS: usize = 4096;

impl Options {
    /// Takes in one of the options with a value.
    fn set(&mut self, option: &str, value: OsString) -> Result<(), Failure> {
        let text = value.to_string_lossy();
        match option {
            "--trace" => self.traces.push(value.into()),
            "--sweep" => self.sweep = Some(value.into()),
            "--policy" => self.policy = policy(&text)?,
            "--threads" => self.threads = count(option, &text, MOST_THREADS)?,
            "--shards" => self.shards = Some(count(option, &text, MOST_SHARDS)?),
            _ => {
                let measure = if option == "--capacity" { Measure::Entries } else { Measure::Bytes };
                if !self.capacities.is_empty() && measure != self.measure {
                    return Err(Failure::option(
                        "--capacity and --capacity-bytes exclude each other; give one",
                    ));
                }
                self.measure = measure;
                for amount in text.split(',') {
                    self.capacities.push(Amount::parse(option, amount.trim())?);
                }
            }
        }
        Ok(())
    }

    /// Refuses what cannot go together.
    fn check(self) -> Result<Self, Failure> {
        if self.traces.is_empty() {
            return Err(Failure::option("no trace given; name one with --trace FILE"));
        }
        if self.ttl && self.threads > 1 {
            return Err(Failure::option(
                "--ttl needs the requests in the order of their times; use --threads 1",
            ));
        }
        if self.sweep.is_some() && self.traces.len() > 1 {
            return Err(Failure::option("--sweep draws one trace; give --trace once"));
        }
        Ok(self)
    }
}

/// Splits `--name=value`; the value may be any bytes, an option's name is always text.
fn split(argument: &OsStr) -> (String, Option<OsString>) {
    let bytes = argument.as_encoded_bytes();
    let text = argument.to_string_lossy().into_owned();
    match (bytes.iter().position(|&byte| byte == b'='), argument.to_str()) {
        (Some(at), Some(whole)) if whole.starts_with("--") => {
            (whole[..at].into(), Some(whole[at + 1..].into()))
        }
        _ => (text, None),
    }
}

/// A policy by its name.
fn policy(name: &str) -> Result<Policy, Failure> {
    let known = POLICIES.iter().find(|known| known.0 == name);
    known.map(|known| known.1).ok_or_else(|| {
        let names: Vec<_> = POLICIES.iter().map(|known| known.0).collect();
        Failure::option(format_args!("--policy {name}: no such policy; known are {}", names.join(" and ")))
    })
}

/// A number from 1 to `most`.
fn count(option: &str, text: &str, most: usize) -> Result<usize, Failure> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(Failure::option(format_args!("{option} {text}: give a whole number from 1 to {most}"))),
    }
}
