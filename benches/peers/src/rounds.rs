//! Rounds: every peer runs once, then every peer runs again. What disturbs the machine for a while then disturbs
//! all of them, and ratios within a process hold where absolute figures do not.

use crate::args::Args;
use crate::gang::Run;
use crate::histogram::Histogram;
use crate::report::{Line, median};
use std::time::Duration;

/// What one run is to do.
#[derive(Clone, Copy)]
pub struct Plan {
    pub threads: usize,
    /// For each thread.
    pub ops: u64,
    /// Where in the sequence of keys the run begins.
    pub start: u64,
    pub limit: Duration,
}

/// How much a run does.
#[derive(Clone, Copy)]
pub enum Amount {
    /// The same for every peer: where they must see the same requests.
    Fixed(u64),
    /// What takes about as long as wanted; the warm-up, of this many, tells how much that is.
    Timed(u64),
}

/// A peer, ready to run.
pub struct Subject<'a> {
    pub name: String,
    pub most_threads: usize,
    pub run: Box<dyn FnMut(Plan) -> Run + 'a>,
    /// It was over the limit, and is not asked again.
    pub over: bool,
}

impl<'a> Subject<'a> {
    pub fn new(name: &str, run: impl FnMut(Plan) -> Run + 'a) -> Self {
        Subject { name: name.into(), most_threads: usize::MAX, run: Box::new(run), over: false }
    }
}

/// What one peer showed.
pub struct Row {
    pub name: String,
    pub threads: usize,
    pub ns: Vec<f64>,
    pub mops: Vec<f64>,
    pub ops: u64,
    pub hits: u64,
    pub latencies: Histogram,
    /// Nanoseconds of one operation of the thread beside, where there is one.
    pub beside: Vec<f64>,
    pub over: bool,
}

impl Row {
    fn new(name: &str, threads: usize) -> Self {
        Row {
            name: name.into(),
            threads,
            ns: Vec::new(),
            mops: Vec::new(),
            ops: 0,
            hits: 0,
            latencies: Histogram::default(),
            beside: Vec::new(),
            over: false,
        }
    }

    fn add(&mut self, run: &Run) {
        self.ns.push(run.ns);
        self.mops.push(run.mops);
        self.ops += run.ops;
        self.hits += run.hits;
        self.latencies.merge(&run.latencies);
        self.beside.extend(run.beside);
    }

    /// The row for a person.
    fn tell(&self, low: f64, high: f64) {
        let threads = if self.threads == 1 { "thread " } else { "threads" };
        let (ns, mops) = (median(&self.ns), median(&self.mops));
        let hits = 100.0 * self.hits as f64 / self.ops as f64;
        eprint!("  {:<20} {} {threads}", self.name, self.threads);
        if !self.ns.is_empty() {
            eprint!("  {ns:>9.1} ns ({low:.1} to {high:.1})  {mops:>8.2} M/s  hits {hits:.2} %");
        }
        eprintln!("{}", if self.over { "  over the limit" } else { "" });
    }

    /// The row as an object: `line` says of which workload.
    pub fn print(&self, line: Line) {
        let (low, high) =
            self.ns.iter().fold((f64::NAN, f64::NAN), |(low, high), &ns| (ns.min(low), ns.max(high)));
        self.tell(low, high);
        let mut line =
            line.text("peer", &self.name).exact("threads", self.threads).exact("runs", self.ns.len());
        line = line.number("ns", median(&self.ns)).number("ns_min", low).number("ns_max", high);
        line = line
            .number("mops", median(&self.mops))
            .numbers("ns_runs", &self.ns)
            .numbers("mops_runs", &self.mops);
        line = line.exact("ops", self.ops).number("hit_ratio", self.hits as f64 / self.ops as f64);
        if self.latencies.count() > 0 {
            line = line.latencies(&self.latencies);
        }
        line = line.number("beside_ns", median(&self.beside));
        line.exact("over", self.over).print();
    }
}

/// One warm-up run of each, then so many rounds. `start` moves on over the sequence of keys, the same for every peer.
pub fn alternate(
    subjects: &mut [Subject<'_>],
    args: &Args,
    threads: usize,
    amount: Amount,
    start: &mut u64,
) -> Vec<Row> {
    let fits = |subject: &&mut Subject<'_>| subject.most_threads >= threads;
    let first = match amount {
        Amount::Fixed(ops) | Amount::Timed(ops) => ops,
    };
    let mut plan = Plan { threads, ops: first, start: *start, limit: args.limit() };
    let mut running = Vec::new();
    for subject in subjects.iter_mut().filter(fits) {
        let mut row = Row::new(&subject.name, threads);
        let mut ops = first;
        if !subject.over {
            let warm = (subject.run)(plan);
            subject.over = warm.over;
            if let Amount::Timed(_) = amount {
                ops = (args.target().as_nanos() as f64 / warm.ns).clamp(1000.0, 1e9) as u64;
            }
        }
        row.over = subject.over;
        running.push((subject, row, ops));
    }
    plan.start += first * threads as u64;
    for _ in 0..args.runs {
        for (subject, row, ops) in running.iter_mut().filter(|(subject, ..)| !subject.over) {
            let run = (subject.run)(Plan { ops: *ops, ..plan });
            subject.over = run.over;
            row.over = run.over;
            row.add(&run);
        }
        plan.start += first * threads as u64;
    }
    *start = plan.start;
    running.into_iter().map(|(_, row, _)| row).collect()
}
