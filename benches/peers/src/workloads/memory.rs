//! Memory: what one entry costs, and whether a budget of bytes holds. Each peer and case in a process of its own.

use super::filled;
use crate::args::Args;
use crate::heap::{Heap, resident};
use crate::keys::{Rng, key};
use crate::peer::{Key, Peer, Size, Value};
use crate::peers::{Fold, NAMES, Visit, each};
use crate::report::Line;
use std::hint::black_box;
use std::process::Command;

/// The cases: two kinds of pairs, and the budget, which only Pinyon has.
const PAIRS: [&str; 2] = ["u64 -> u64", "[u8; 16] -> Box<[u8]> of 100 bytes"];
const BUDGET: usize = 3;

struct Filled<'a> {
    args: &'a Args,
    case: &'static str,
    entries: usize,
}

impl Filled<'_> {
    fn measure<K: Key, V: Value, P: Peer<K, V>>(&self, name: &str, pair: impl Fn(u64) -> (K, V)) {
        let (heap, rss) = (Heap::now(), resident().0);
        let size = Size::full(self.entries);
        let (peer, over) = filled(self.args, P::new(size), size, pair);
        peer.settle();
        let (after, (rss_after, peak), held) = (Heap::now(), resident(), peer.held());
        let per = |bytes: i64| bytes as f64 / held as f64;
        let (heap_bytes, rss_bytes) = (per(after.taken - heap.taken), per(rss_after as i64 - rss as i64));
        eprintln!("  {name:<20} {}: {heap_bytes:.1} on the heap, {rss_bytes:.1} resident", self.case);
        let line = Line::new("memory").text("case", self.case).text("peer", name).exact("entries", held);
        let line = line.number("heap", heap_bytes).number("asked", per(after.asked - heap.asked));
        let line = line.number("rss", rss_bytes).number("rss_peak", per(peak as i64 - rss as i64));
        line.number("blocks", per(after.blocks - heap.blocks)).exact("over", over).print();
        black_box(&peer);
    }
}

impl Visit<u64, u64> for Filled<'_> {
    fn visit<P: Peer<u64, u64>>(&mut self, name: &'static str) {
        self.measure::<_, _, P>(name, |number| (key(number), number));
    }
}

impl Visit<[u8; 16], Box<[u8]>> for Filled<'_> {
    fn visit<P: Peer<[u8; 16], Box<[u8]>>>(&mut self, name: &'static str) {
        let pair = |number: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&key(number).to_le_bytes());
            bytes[8..].copy_from_slice(&key(!number).to_le_bytes());
            (bytes, vec![number as u8; 100].into_boxed_slice())
        };
        self.measure::<_, _, P>(name, pair);
    }
}

/// Four times the budget goes through, in values of 64 bytes to 4 KiB.
fn budget(args: &Args) {
    let budget: u64 = args.size(256, 16) << 20;
    let rss = resident().0;
    let builder = pinyon::Cache::builder().capacity_bytes(budget).hasher(Fold::default());
    let cache = builder.build().expect("the settings are fine");
    let (mut rng, mut through, mut number) = (Rng::new(4), 0, 0u64);
    while through < 4 * budget {
        let size = 64 + rng.below(4096 - 64 + 1);
        cache.insert(key(number), vec![number as u8; size as usize].into_boxed_slice());
        (through, number) = (through + size, number + 1);
    }
    let (after, peak) = resident();
    let (over, most) = ((after - rss) as f64 / budget as f64, (peak - rss) as f64 / budget as f64);
    eprintln!(
        "  pinyon               {} MiB: resident {over:.3}, at most {most:.3} of the budget",
        budget >> 20
    );
    let line =
        Line::new("budget").text("peer", "pinyon").exact("budget", budget).exact("weight", cache.weight());
    line.exact("entries", cache.len()).number("ratio", over).number("ratio_peak", most).print();
}

pub fn run(args: &Args) {
    let entries = args.size(1_000_000, 20_000);
    let wanted = |name: &str| args.wants(name);
    match args.case {
        Some(1) => each::<u64, u64>(&wanted, &mut Filled { args, case: PAIRS[0], entries }),
        Some(2) => each::<[u8; 16], Box<[u8]>>(&wanted, &mut Filled { args, case: PAIRS[1], entries }),
        Some(BUDGET) => budget(args),
        _ => start_all(args),
    }
}

fn start_all(args: &Args) {
    eprintln!("memory, bytes for one entry");
    // Readers of a cache that is in the list already have nothing of their own to show.
    let same = ["pinyon-default", "pinyon-pinned", "pinyon-with", "quick_cache-default", "papaya-pinned"];
    for case in 1..=BUDGET {
        let own =
            |name: &&&str| args.wants(name) && !same.contains(name) && (case != BUDGET || **name == "pinyon");
        for name in NAMES.iter().filter(own) {
            let mut child = Command::new(std::env::current_exe().expect("this program has a path"));
            child.args(args.child("memory", &[name.to_string()])).args(["--case", &case.to_string()]);
            let status = child.status().expect("this program can be started again");
            assert!(status.success(), "{name} failed in case {case}: {status}");
        }
    }
}
