//! Hits only: everything that is asked for is there.

use super::{filled, window};
use crate::args::Args;
use crate::gang::{self, Run, Share};
use crate::keys::{key, zipf};
use crate::peer::{Kind, Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Plan, Subject, alternate};
use std::hint::black_box;

/// As many keys as are drawn beforehand; runs go around.
pub const DRAWN: usize = 1 << 20;

struct Setup<'a> {
    args: &'a Args,
    size: Size,
    keys: &'a [u32],
    subjects: Vec<Subject<'a>>,
}

impl Visit<u64, u64> for Setup<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        let (peer, over) = filled(self.args, P::new(self.size), self.size, |number| (key(number), number));
        let keys = self.keys;
        let mut subject = Subject::new(name, move |plan| reads(&peer, keys, plan));
        subject.most_threads = if P::KIND == Kind::Bare { 1 } else { usize::MAX };
        subject.over = over;
        self.subjects.push(subject);
    }
}

/// Reads by every thread, each from another place of the sequence.
pub fn reads<P: Peer<u64, u64>>(peer: &P, keys: &[u32], plan: Plan) -> Run {
    gang::run(plan.threads, plan.limit, |thread, deadline| {
        let start = plan.start + (thread * keys.len() / plan.threads) as u64;
        let (mut share, mut sum) = (Share::default(), 0u64);
        share.batches(plan.ops, deadline, |share, done, batch| {
            let reader = peer.reader();
            for piece in window(keys, start + done, batch) {
                for &number in piece {
                    if let Some(value) = P::look(&reader, &key(u64::from(number)), |&value| value) {
                        share.hits += 1;
                        sum = sum.wrapping_add(value);
                    }
                }
            }
        });
        black_box(sum);
        share
    })
}

pub fn run(args: &Args) {
    for resident in args.size([10_000, 1_000_000], [1_000, 50_000]) {
        let keys = zipf(resident as u64, 0.99, DRAWN, 1);
        let size = Size { capacity: 2 * resident, resident };
        let mut setup = Setup { args, size, keys: &keys, subjects: Vec::new() };
        each(&|name| args.wants(name), &mut setup);
        let mut start = 0;
        for &threads in &args.threads {
            eprintln!("hit, {resident} resident");
            for row in alternate(&mut setup.subjects, args, threads, Amount::Timed(200_000), &mut start) {
                row.print(Line::new("hit").exact("resident", resident).number("theta", 0.99));
            }
        }
    }
}
