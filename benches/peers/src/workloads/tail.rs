//! How long a single read takes beside a thread that overwrites entries as fast as it can.

use super::{filled, hit, window};
use crate::args::Args;
use crate::gang::{self, Run, Share};
use crate::keys::{key, zipf};
use crate::peer::{BATCH, Kind, Peer, Size};
use crate::peers::{Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Plan, Subject, alternate};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// One read in so many is timed by itself.
const STRIDE: u64 = 61;

struct Setup<'a> {
    args: &'a Args,
    size: Size,
    keys: &'a [u32],
    subjects: Vec<Subject<'a>>,
}

impl Visit<u64, u64> for Setup<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        if P::KIND == Kind::Bare {
            return;
        }
        let (peer, over) = filled(self.args, P::new(self.size), self.size, |number| (key(number), number));
        let keys = self.keys;
        let mut subject = Subject::new(name, move |plan| beside_a_writer(&peer, keys, plan));
        subject.over = over;
        self.subjects.push(subject);
    }
}

/// One reader that times reads, one writer until it has ended.
fn beside_a_writer<P: Peer<u64, u64>>(peer: &P, keys: &[u32], plan: Plan) -> Run {
    let (done, writing) = (AtomicBool::new(false), Barrier::new(2));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            writing.wait();
            let (mut written, start) = (0u64, Instant::now());
            loop {
                let from = plan.start + keys.len() as u64 / 2 + written;
                for &number in window(keys, from, BATCH / 8).flatten() {
                    peer.insert(key(u64::from(number)), u64::from(number));
                }
                written += BATCH as u64 / 8;
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            start.elapsed().as_nanos() as f64 / written as f64
        });
        writing.wait();
        let mut run = gang::run(1, plan.limit, |_, deadline| timed_reads(peer, keys, plan, deadline));
        done.store(true, Ordering::Relaxed);
        run.beside = Some(writer.join().expect("the writer does not panic"));
        run
    })
}

fn timed_reads<P: Peer<u64, u64>>(peer: &P, keys: &[u32], plan: Plan, deadline: Instant) -> Share {
    let (mut share, mut sum, mut next_timed) = (Share::default(), 0u64, 0);
    share.batches(plan.ops, deadline, |share, done, batch| {
        let reader = peer.reader();
        for (&number, nth) in window(keys, plan.start + done, batch).flatten().zip(done..) {
            let (key, timed) = (key(u64::from(number)), nth == next_timed);
            let start = timed.then(Instant::now);
            let value = P::look(&reader, &key, |&value| value);
            if let Some(start) = start {
                black_box(value);
                share.latencies.add(start.elapsed().as_nanos() as u64);
                next_timed += STRIDE;
            }
            share.hits += u64::from(value.is_some());
            sum = sum.wrapping_add(value.unwrap_or(0));
        }
    });
    black_box(sum);
    share
}

pub fn run(args: &Args) {
    let resident = args.size(1_000_000, 20_000);
    let keys = zipf(resident as u64, 0.99, hit::DRAWN, 3);
    let size = Size { capacity: 2 * resident, resident };
    let mut setup = Setup { args, size, keys: &keys, subjects: Vec::new() };
    each(&|name| args.wants(name), &mut setup);
    eprintln!("tail, {resident} resident, one writer beside one reader");
    for row in alternate(&mut setup.subjects, args, 1, Amount::Timed(50_000), &mut 0) {
        row.print(Line::new("tail").exact("resident", resident).number("theta", 0.99));
    }
}
