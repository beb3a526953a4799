//! Hits on entries that have an hour to live, beside hits on entries that live for ever.

use super::{filled, hit};
use crate::args::Args;
use crate::keys::{key, zipf};
use crate::peer::{Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Subject, alternate};
use std::time::Duration;

/// Marks the rows of entries that have a lifetime.
const LIVING: &str = " 1h";

struct Setup<'a> {
    args: &'a Args,
    size: Size,
    keys: &'a [u32],
    subjects: Vec<Subject<'a>>,
}

impl Visit<u64, u64> for Setup<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        let Some(living) = P::with_ttl(self.size, Duration::from_secs(3600)) else { return };
        for (peer, suffix) in [(P::new(self.size), ""), (living, LIVING)] {
            let (peer, over) = filled(self.args, peer, self.size, |number| (key(number), number));
            let keys = self.keys;
            let mut subject =
                Subject::new(&format!("{name}{suffix}"), move |plan| hit::reads(&peer, keys, plan));
            subject.over = over;
            self.subjects.push(subject);
        }
    }
}

pub fn run(args: &Args) {
    for resident in args.size([10_000, 1_000_000], [1_000, 50_000]) {
        let keys = zipf(resident as u64, 0.99, hit::DRAWN, 1);
        let size = Size { capacity: 2 * resident, resident };
        let mut setup = Setup { args, size, keys: &keys, subjects: Vec::new() };
        each(&|name| args.wants(name), &mut setup);
        let mut start = 0;
        for &threads in args.threads.iter().filter(|&&threads| threads <= 2) {
            eprintln!("ttl, {resident} resident");
            for mut row in alternate(&mut setup.subjects, args, threads, Amount::Timed(200_000), &mut start) {
                let living = row.name.ends_with(LIVING);
                let line =
                    Line::new("ttl").exact("resident", resident).number("theta", 0.99).exact("ttl", living);
                row.name.truncate(row.name.trim_end_matches(LIVING).len());
                row.print(line);
            }
        }
    }
}
