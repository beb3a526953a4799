//! The replay example: does it read what it should, refuse what it should, and compute the baselines right?
//!
//! The example's modules are compiled into this test; its binary is run too where cargo has built it, which a
//! plain `cargo test` does.

// The modules are compiled in whole and used in part.
#![allow(dead_code)]

#[path = "../examples/replay/capacity.rs"]
mod capacity;
#[path = "../examples/replay/chart.rs"]
mod chart;
#[path = "../examples/replay/contest.rs"]
mod contest;
#[path = "../examples/replay/engine.rs"]
mod engine;
#[path = "../examples/replay/failure.rs"]
mod failure;
#[path = "../examples/replay/json.rs"]
mod json;
#[path = "../examples/replay/lru.rs"]
mod lru;
#[path = "../examples/replay/memory.rs"]
mod memory;
#[path = "../examples/replay/optimum.rs"]
mod optimum;
#[path = "../examples/replay/options.rs"]
mod options;
#[path = "../examples/replay/progress.rs"]
mod progress;
#[path = "../examples/replay/report.rs"]
mod report;
#[path = "../examples/replay/row.rs"]
mod row;
#[path = "../examples/replay/sweep.rs"]
mod sweep;
#[path = "../examples/replay/tally.rs"]
mod tally;
#[path = "../examples/replay/trace.rs"]
mod trace;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use capacity::{Amount, Measure};
use contest::Contest;
use failure::Failure;
use options::Options;
use pinyon::Policy;
use progress::Counter;
use trace::{Times, Trace};

/// The trace that comes with the repository; a published package is without it.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/traces/source-tree.u64.zst");

/// A file of this test, below cargo's folder for them.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes bytes as they are.
fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch(name);
    std::fs::write(&path, bytes).expect("the test folder can be written");
    path
}

/// Writes bytes compressed.
fn compress(name: &str, records: &[u8]) -> PathBuf {
    write(name, &zstd::encode_all(records, 3).expect("compressing in memory"))
}

/// Reads a trace without a progress line.
fn read(path: &Path) -> Result<Trace, Failure> {
    Trace::read(path, &Counter::default())
}

/// Little-endian records of keys.
fn keys(keys: &[u64]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.to_le_bytes()).collect()
}

/// A trace made in memory.
fn trace_of(requests: &[u32]) -> Trace {
    let mut numbers = HashMap::new();
    let mut trace = Trace { name: "made".into(), ..Trace::default() };
    for &key in requests {
        let fresh = numbers.len() as u32;
        trace.ids.push(*numbers.entry(key).or_insert(fresh));
        trace.keys.push(u64::from(key));
    }
    trace.unique = numbers.len();
    trace
}

/// A stream of requests with reuse: `requests` draws below `keys`, the lower the likelier.
fn skewed(requests: usize, keys: u64, seed: u64) -> Vec<u32> {
    let mut state = seed | 1;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % keys
    };
    (0..requests).map(|_| draw().min(draw()) as u32).collect()
}

// Reading.

#[test]
fn keys_are_read_in_order_and_numbered_by_first_request() {
    let trace = read(&compress("order.u64.zst", &keys(&[9, 7, 9, u64::MAX]))).expect("a sound trace");
    assert_eq!((trace.name.as_str(), trace.unique), ("order", 3));
    assert_eq!((trace.keys, trace.ids), (vec![9, 7, 9, u64::MAX], vec![0, 1, 0, 2]));
    assert!(trace.sizes.is_none() && trace.times.is_none());
}

#[test]
fn a_size_is_the_largest_seen() {
    let mut records = Vec::new();
    for (key, size) in [(5u64, 10u32), (6, 1), (5, 30), (5, 20)] {
        records.extend(key.to_le_bytes());
        records.extend(size.to_le_bytes());
    }
    let trace = read(&compress("sizes.ks.zst", &records)).expect("a sound trace");
    assert_eq!((trace.sizes.as_deref(), trace.footprint()), (Some([30, 1].as_slice()), Some(31)));
}

#[test]
fn lifetimes_are_read_and_time_may_not_run_backwards() {
    let record = |time: u32| {
        let mut bytes = 1u64.to_le_bytes().to_vec();
        [100u32, 60, time].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        bytes
    };
    let rising = [record(7), record(7), record(9)].concat();
    let times = read(&compress("rising.kstt.zst", &rising)).expect("a sound trace").times.expect("times");
    assert_eq!((times.at, times.ttl), (vec![7, 7, 9], vec![60, 60, 60]));
    let failure =
        read(&compress("falling.kstt.zst", &[record(9), record(7)].concat())).expect_err("time falls");
    assert!(failure.to_string().contains("sort it by time"), "{failure}");
}

#[test]
fn a_trace_longer_than_a_block_is_whole() {
    let numbers: Vec<u64> = (0..100_000).collect();
    let trace = read(&compress("long.u64.zst", &keys(&numbers))).expect("a sound trace");
    assert_eq!(trace.keys, numbers);
}

#[test]
fn unsound_files_are_refused_in_one_line_that_says_what_to_do() {
    let sound = zstd::encode_all(keys(&(0..50_000).map(|n| n * n).collect::<Vec<_>>()).as_slice(), 3)
        .expect("memory");
    let cases = [
        (scratch("absent.u64.zst"), "no such file"),
        (write("foreign.u64.zst", b"these are the bytes of something else"), "not a sound zstd file"),
        (write("nothing.u64.zst", b""), "holds no requests"),
        (write("broken.u64.zst", &sound[..sound.len() / 2]), "breaks off"),
        (compress("empty.u64.zst", b""), "holds no requests"),
        (compress("partial.u64.zst", &keys(&[1, 2])[..13]), "5 bytes into a record of 8"),
        (compress("partial.ks.zst", &[0; 25]), "1 bytes into a record of 12"),
        (write("plain.txt", b"1 2 3"), "must end in"),
        (PathBuf::from(env!("CARGO_TARGET_TMPDIR")), "must end in"),
    ];
    for (path, reason) in cases {
        let message = read(&path).expect_err(reason).to_string();
        assert!(message.contains(reason), "{message}");
        assert!(message.contains(&path.display().to_string()) && !message.contains('\n'), "{message}");
    }
}

// The baselines.

#[test]
fn lru_agrees_with_a_list_kept_in_order() {
    for capacity in [1, 2, 7, 40] {
        let ids = skewed(5_000, 60, capacity);
        let (mut list, mut hits) = (Vec::new(), 0);
        for &id in &ids {
            let before = list.len();
            list.retain(|&held| held != id);
            hits += (before - list.len()) as u64;
            list.insert(0, id);
            list.truncate(capacity as usize);
        }
        let tally = lru::play(&ids, &[1; 60], None, capacity, &Counter::default());
        assert_eq!(tally.hits, hits, "capacity {capacity}");
    }
}

#[test]
fn lru_by_weight_never_holds_more_and_passes_over_what_cannot_fit() {
    // 0 and 1 fit together; 2 is too large for the cache and must not push them out.
    let tally = lru::play(&[0, 1, 2, 0, 1, 2], &[4, 6, 11], None, 10, &Counter::default());
    assert_eq!((tally.hits, tally.weight), (2, 10));
    assert_eq!(lru::play(&[0, 1, 0], &[4, 7], None, 10, &Counter::default()).hits, 0);
}

#[test]
fn lru_with_lifetimes_reloads_what_has_expired_at_its_deadline() {
    let times = Times { at: vec![0, 9, 10, 19, 20], ttl: vec![10; 5] };
    let tally = lru::play(&[0; 5], &[1], Some(&times), 1, &Counter::default());
    assert_eq!(tally.hits, 2, "9 and 19 hit; 10 and 20 are deadlines");
}

/// The hits of the best choice of evictions, by trying every one.
fn best_of_all(ids: &[u32], held: &HashSet<u32>, capacity: usize) -> u64 {
    let Some((&id, rest)) = ids.split_first() else { return 0 };
    if held.contains(&id) {
        return 1 + best_of_all(rest, held, capacity);
    }
    let mut with = held.clone();
    with.insert(id);
    if with.len() <= capacity {
        return best_of_all(rest, &with, capacity);
    }
    let without = |victim: &u32| {
        let mut left = with.clone();
        left.remove(victim);
        best_of_all(rest, &left, capacity)
    };
    with.iter().map(without).max().unwrap_or(0)
}

#[test]
fn the_optimum_is_the_best_of_all_choices() {
    for seed in 0..40 {
        let ids = skewed(12, 6, seed * 7 + 3);
        let trace = trace_of(&ids);
        for capacity in 1..4 {
            let weights = vec![1; trace.unique];
            let next = trace.next_uses();
            let tally = optimum::play(&trace, &next, &weights, None, capacity as u64, &Counter::default());
            assert_eq!(tally.hits, best_of_all(&ids, &HashSet::new(), capacity), "{ids:?} at {capacity}");
        }
    }
}

#[test]
fn no_cache_beats_the_optimum_and_a_cache_that_holds_all_meets_it() {
    let trace = trace_of(&skewed(30_000, 900, 11));
    let options = Options::default();
    let contest = Contest::new(&trace, &options).expect("sound options");
    for percent in [1.0, 10.0, 50.0, 100.0] {
        let capacity = Amount::Percent(percent).of(&trace, Measure::Entries).expect("a sound capacity");
        for row in contest.play(capacity, &[Policy::ClockTinyLfu, Policy::Clock]).expect("a cache") {
            assert!(row.outcome.tally.hits <= row.optimum.hits, "{}", row.json());
            assert!(row.lru.hits <= row.optimum.hits && row.lru.hits > 0);
            assert!(row.outcome.entries <= capacity.amount, "{}", row.json());
            if percent == 100.0 {
                assert_eq!(row.optimum.hits, (trace.requests() - trace.unique) as u64);
            }
        }
    }
}

#[test]
fn threads_share_the_requests_and_lose_none() {
    let trace = trace_of(&skewed(50_000, 500, 5));
    let options = Options { threads: 4, ..Options::default() };
    let contest = Contest::new(&trace, &options).expect("sound options");
    let capacity = Amount::Percent(100.0).of(&trace, Measure::Entries).expect("a sound capacity");
    let rows = contest.play(capacity, &[Policy::ClockTinyLfu]).expect("a cache");
    let stats: u64 = row::statistics(&rows[0].outcome).iter().take(2).map(|(_, count)| count).sum();
    assert_eq!(stats, 50_000, "{}", rows[0].json());
}

#[test]
fn the_recorded_trace_is_what_its_note_says() {
    if !Path::new(RECORDED).exists() {
        return eprintln!("skipped: the recorded trace is not part of the package");
    }
    let trace = read(Path::new(RECORDED)).expect("the recorded trace");
    assert_eq!((trace.requests(), trace.unique), (213_497, 9_215));
    let (weights, counter) = (vec![1; trace.unique], Counter::default());
    let ratio = |hits: u64| (1000.0 * hits as f64 / trace.requests() as f64).round() as u64;
    let lru = |capacity| ratio(lru::play(&trace.ids, &weights, None, capacity, &counter).hits);
    assert_eq!((lru(92), lru(461), lru(922)), (560, 697, 888));
    let next = trace.next_uses();
    let optimum = |capacity| ratio(optimum::play(&trace, &next, &weights, None, capacity, &counter).hits);
    assert_eq!((optimum(92), optimum(461), optimum(922)), (664, 832, 914));
}

// The command line.

/// Parses arguments and returns the message of the failure.
fn refusal(arguments: &[&str]) -> String {
    let parsed = options::parse(arguments.iter().map(OsString::from));
    parsed.expect_err("must be refused").to_string()
}

#[test]
fn wrong_options_are_named_with_their_remedy() {
    let cases: [(&[&str], &str); 15] = [
        (&[], "--trace"),
        (&["--trcae", "x"], "unknown option --trcae; see --help"),
        (&["stray"], "unknown option stray"),
        (&["--trace"], "--trace needs a value"),
        (&["--trace", "x", "--capacity", "0"], "--capacity 0: a cache holds at least 1"),
        (&["--trace", "x", "--capacity", "-5"], "--capacity -5: not a capacity"),
        (&["--trace", "x", "--capacity", "0%"], "above 0%"),
        (&["--trace", "x", "--capacity", "101%"], "at most 100%"),
        (&["--trace", "x", "--capacity", "NaN%"], "above 0%"),
        (&["--trace", "x", "--capacity=1%,many"], "--capacity many: not a capacity"),
        (&["--trace", "x", "--capacity", "5", "--capacity-bytes", "5"], "exclude each other"),
        (&["--trace", "x", "--policy", "arc"], "known are clock-tinylfu and clock"),
        (&["--trace", "x", "--threads", "0"], "--threads 0: give a whole number from 1 to"),
        (&["--trace", "x", "--ttl", "--threads", "2"], "use --threads 1"),
        (&["--trace", "x", "--json=yes"], "--json takes no value"),
    ];
    for (arguments, reason) in cases {
        let message = refusal(arguments);
        assert!(message.contains(reason) && !message.contains('\n'), "{arguments:?}: {message}");
    }
}

#[test]
fn capacities_are_numbers_or_shares_of_the_trace() {
    let trace = trace_of(&skewed(5_000, 200, 1));
    let of = |text| Amount::parse("--capacity", text).and_then(|amount| amount.of(&trace, Measure::Entries));
    assert_eq!(of("17").map(|capacity| capacity.amount), Ok(17));
    assert_eq!(of("10%").map(|capacity| capacity.amount), Ok((trace.unique as f64 / 10.0).round() as u64));
    assert_eq!(of("0.001%").map(|capacity| capacity.amount), Ok(1), "a share is at least one entry");
    let message = of("1000000").expect_err("far more than the trace").to_string();
    assert!(message.contains("over ten times the unique keys"), "{message}");
    let message = Amount::Exactly(5).of(&trace, Measure::Bytes).expect_err("no sizes").to_string();
    assert!(message.contains("no sizes; give a .ks.zst"), "{message}");
}

// What is printed.

#[test]
fn json_is_escaped_and_never_holds_what_json_cannot_say() {
    let inner = json::Object::default().count("n", 1);
    let object = json::Object::default()
        .text("na\"me", "a\\b\n\u{1}\u{e9}")
        .number("ratio", 0.5)
        .number("none", f64::NAN)
        .maybe("bytes", None)
        .object("stats", inner)
        .object("empty", json::Object::default());
    let expected = r#"{"na\"me":"a\\b\u000a\u0001é","ratio":0.500000,"none":null,"bytes":null,"stats":{"n":1},"empty":{}}"#;
    assert_eq!(object.finish(), expected);
}

#[test]
fn numbers_read_well() {
    assert_eq!(
        ["0", "999", "1,000", "12,345,678"],
        [0, 999, 1000, 12_345_678].map(report::grouped).map(|s| s.leak() as &str)
    );
    assert_eq!(
        ["0.1 %", "10 %", "12.35 %"],
        [0.1, 10.0, 12.345_6].map(report::percent).map(|s| s.leak() as &str)
    );
    assert_eq!(memory::parse("Name:\tx\nVmRSS:\t    1234 kB\nThreads: 1\n"), Some(1234 * 1024));
    for ratio in [0.0, 0.001, 0.5, 0.999, 1.0, 7.0] {
        assert_eq!(report::bar(ratio).chars().count(), 40, "{ratio}");
    }
    assert!(progress::line("x", 30, Some(20)).contains("100 %"));
}

#[test]
fn a_chart_has_every_line_within_the_picture_and_escapes_names() {
    let stop = |percent| chart::Stop { percent, words: "5 < 6".into() };
    let series = |pen, ratios: [f64; 2]| chart::Series { name: "a&b".into(), pen, ratios: ratios.into() };
    let chart = chart::Chart {
        title: "<title>".into(),
        subtitle: String::new(),
        axis: "capacity".into(),
        stops: vec![stop(0.1), stop(50.0)],
        ticks: vec![stop(1.0)],
        series: vec![series(chart::Pen::Hero, [0.0, 1.0]), series(chart::Pen::Plain, [0.0, 0.3])],
        ceiling: Some(1.0),
    };
    let svg = chart.svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("a&amp;b") && svg.contains("&lt;title&gt;") && !svg.contains("NaN"));
    assert_eq!(svg.matches("<circle").count(), 4);
    assert!(svg.contains("+70.0 points over"), "the lead is marked");
    for circle in svg.split("<circle cx=\"").skip(1) {
        let x: f64 = circle.split('"').next().and_then(|x| x.parse().ok()).expect("a number");
        assert!((0.0..=960.0).contains(&x));
    }
}

#[test]
fn a_chart_of_a_single_point_is_a_chart() {
    let trace = trace_of(&[0, 0, 0]);
    let options = Options::default();
    let contest = Contest::new(&trace, &options).expect("sound options");
    let (path, mut said) = (scratch("single.svg"), Vec::new());
    sweep::run(&contest, &options, &path, |line| said.push(line.to_owned())).expect("a sweep");
    let svg = std::fs::read_to_string(&path).expect("the chart");
    assert!(svg.contains("66.67 %") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert_eq!(said.len(), 3, "a heading, one capacity, where the chart is: {said:?}");
}

// The program.

/// Runs the example's binary, where cargo has built it: beside the tests, two folders up.
fn run(arguments: &[&str]) -> Option<Output> {
    let tests = std::env::current_exe().expect("the test's own path");
    let program =
        tests.parent()?.parent()?.join("examples").join(format!("replay{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() || !Path::new(RECORDED).exists() {
        eprintln!("skipped: {} is not built, or the recorded trace is missing", program.display());
        return None;
    }
    Some(Command::new(program).args(arguments).output().expect("the example runs"))
}

#[test]
fn the_program_prints_one_json_object() {
    let Some(output) = run(&["--trace", RECORDED, "--capacity", "5%", "--json"]) else { return };
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(text.lines().count(), 1);
    for part in [
        "{\"trace\":\"source-tree\",\"requests\":213497,\"unique\":9215,\"capacity\":461,",
        "\"stats\":{\"hits\":",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_program_refuses_with_exit_code_2_and_one_line() {
    let broken = write("refused.u64.zst", b"not zstd");
    let broken = broken.to_str().expect("a name in UTF-8");
    let cases: [&[&str]; 6] = [
        &["--trace", broken],
        &["--trace", "absent.u64.zst"],
        &["--bogus"],
        &["--trace", RECORDED, "--ttl"],
        &["--trace", RECORDED, "--capacity-bytes", "1%"],
        &["--trace", RECORDED, "--sweep", "absent/folder/x.svg"],
    ];
    for arguments in cases {
        let Some(output) = run(arguments) else { return };
        let message = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {message}");
        assert!(message.starts_with("replay: ") && message.lines().count() == 1, "{arguments:?}: {message}");
    }
}

#[test]
fn the_program_helps() {
    let Some(output) = run(&["--help"]) else { return };
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("--capacity-bytes"));
}
