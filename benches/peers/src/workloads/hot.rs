//! One key that every thread asks for: what readers do to each other.

use super::filled;
use crate::args::Args;
use crate::gang::{self, Run, Share};
use crate::keys::key;
use crate::peer::{Kind, Peer, Size, Value};
use crate::peers::{Visit, each};
use crate::report::Line;
use crate::rounds::{Amount, Plan, Subject, alternate};
use std::hint::black_box;
use std::sync::Arc;

/// Entries in the cache, of which one is asked for.
const RESIDENT: usize = 10_000;

/// What is read.
trait Payload: Value {
    const NAME: &'static str;
    fn make(number: u64) -> Self;
    fn read(&self) -> u64;
}

impl Payload for u64 {
    const NAME: &'static str = "u64";

    fn make(number: u64) -> Self {
        number
    }

    #[inline]
    fn read(&self) -> u64 {
        *self
    }
}

impl Payload for Arc<[u8; 1024]> {
    const NAME: &'static str = "Arc<[u8; 1024]>";

    fn make(number: u64) -> Self {
        Arc::new([number as u8; 1024])
    }

    #[inline]
    fn read(&self) -> u64 {
        u64::from(self[512])
    }
}

struct Setup<'a> {
    args: &'a Args,
    subjects: Vec<Subject<'a>>,
}

impl<V: Payload> Visit<u64, V> for Setup<'_> {
    fn visit<P: Peer<u64, V>>(&mut self, name: &'static str) {
        if P::KIND == Kind::Bare {
            return;
        }
        let size = Size { capacity: 2 * RESIDENT, resident: RESIDENT };
        let (peer, over) = filled(self.args, P::new(size), size, |number| (key(number), V::make(number)));
        let mut subject = Subject::new(name, move |plan| same(&peer, plan));
        subject.over = over;
        self.subjects.push(subject);
    }
}

/// The same key again and again, by every thread.
fn same<V: Payload, P: Peer<u64, V>>(peer: &P, plan: Plan) -> Run {
    gang::run(plan.threads, plan.limit, |_, deadline| {
        let (mut share, mut sum) = (Share::default(), 0u64);
        share.batches(plan.ops, deadline, |share, _, batch| {
            let reader = peer.reader();
            for _ in 0..batch {
                // Else its hash would be computed once.
                let key = black_box(key(7));
                if let Some(value) = P::look(&reader, &key, V::read) {
                    share.hits += 1;
                    sum = sum.wrapping_add(value);
                }
            }
        });
        black_box(sum);
        share
    })
}

fn of<V: Payload>(args: &Args) {
    let mut setup = Setup { args, subjects: Vec::new() };
    each::<u64, V>(&|name| args.wants(name), &mut setup);
    for &threads in &args.threads {
        eprintln!("hot, {}", V::NAME);
        for row in alternate(&mut setup.subjects, args, threads, Amount::Timed(200_000), &mut 0) {
            row.print(Line::new("hot").text("value", V::NAME));
        }
    }
}

pub fn run(args: &Args) {
    of::<u64>(args);
    of::<Arc<[u8; 1024]>>(args);
}
