//! The command line.

use crate::{peers, workloads};
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "\
Measures Pinyon beside other caches. Prints one JSON object a line, and the progress on stderr.

peers [WORKLOAD ...] [--quick] [--runs N] [--peers A,B,...] [--threads 1,2,...] [--seconds N] [--json FILE]

  WORKLOAD    some of the list below; all of them if none is named
  --quick     small sizes and few runs: does it work at all?
  --runs      timed runs of each peer, after one to warm up (5)
  --peers     some of the list below; all of them if none is named
  --threads   numbers of threads (1,2,4)
  --seconds   how long `churn` churns for each of its peers (60)
  --json      writes the lines into a file instead of printing them
";

#[derive(Clone)]
pub struct Args {
    pub workloads: Vec<String>,
    pub quick: bool,
    pub runs: usize,
    pub peers: Vec<String>,
    pub threads: Vec<usize>,
    pub seconds: u64,
    pub json: Option<PathBuf>,
    /// Set in a process that the program starts for one workload, or a part of one.
    pub child: bool,
    /// Which part of the workload.
    pub case: Option<usize>,
}

impl Args {
    /// The arguments, or what to print instead of running, with the exit code.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, (String, i32)> {
        let mut args = Args {
            workloads: Vec::new(),
            quick: false,
            runs: 0,
            peers: Vec::new(),
            threads: Vec::new(),
            seconds: 0,
            json: None,
            child: false,
            case: None,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| wrong(&format!("{word} needs a value")));
            match word.as_str() {
                "--quick" => args.quick = true,
                "--child" => args.child = true,
                "--case" => args.case = Some(number(&word, &value()?)? as usize),
                "--runs" => args.runs = number(&word, &value()?)? as usize,
                "--seconds" => args.seconds = number(&word, &value()?)?,
                "--json" => args.json = Some(value()?.into()),
                "--peers" => args.peers = known(&value()?, peers::NAMES, "peer")?,
                "--threads" => {
                    let list = value()?;
                    let each = list.split(',').map(|n| number(&word, n).map(|n| n as usize));
                    args.threads = each.collect::<Result<_, _>>()?;
                }
                "--help" | "-h" => return Err((help(), 0)),
                _ => args.workloads.extend(known(&word, workloads::NAMES, "workload")?),
            }
        }
        args.fill_in();
        Ok(args)
    }

    fn fill_in(&mut self) {
        let quick = self.quick;
        let or = |given: u64, full, small| {
            if given > 0 {
                given
            } else if quick {
                small
            } else {
                full
            }
        };
        self.runs = or(self.runs as u64, 5, 2) as usize;
        self.seconds = or(self.seconds, 60, 2);
        if self.threads.is_empty() {
            self.threads = if quick { vec![1, 2] } else { vec![1, 2, 4] };
        }
        if self.workloads.is_empty() {
            self.workloads = workloads::NAMES.iter().map(|&name| name.into()).collect();
        }
    }

    /// The arguments for a process of its own that runs one workload.
    pub fn child(&self, workload: &str, peers: &[String]) -> Vec<String> {
        let threads: Vec<String> = self.threads.iter().map(|n| n.to_string()).collect();
        let mut words = vec![workload.into(), "--child".into(), "--threads".into(), threads.join(",")];
        words.extend(["--runs".into(), self.runs.to_string(), "--seconds".into(), self.seconds.to_string()]);
        words.extend(self.quick.then(|| "--quick".into()));
        if !peers.is_empty() {
            words.extend(["--peers".into(), peers.join(",")]);
        }
        words
    }

    pub fn wants(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|name| name == peer)
    }

    /// One of two sizes.
    pub fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How long one run should take: what it does is chosen to fit.
    pub fn target(&self) -> Duration {
        Duration::from_millis(self.size(100, 10))
    }

    /// A run that takes longer is cut short, and its peer left out of the rest.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.size(20, 2))
    }
}

fn help() -> String {
    format!("{USAGE}\nworkloads: {}\npeers: {}\n", workloads::NAMES.join(" "), peers::NAMES.join(" "))
}

fn wrong(what: &str) -> (String, i32) {
    (format!("peers: {what}; --help lists what there is\n"), 2)
}

fn number(option: &str, text: &str) -> Result<u64, (String, i32)> {
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| wrong(&format!("{option} takes whole numbers from 1, not {text}")))
}

fn known(list: &str, names: &[&str], what: &str) -> Result<Vec<String>, (String, i32)> {
    let split = list.split(',').map(|name| {
        let is = names.contains(&name);
        is.then(|| name.into()).ok_or_else(|| wrong(&format!("there is no {what} {name}")))
    });
    split.collect()
}
