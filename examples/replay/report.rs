//! Results for people: words, bars and tables.

use std::fmt::Write;

use crate::capacity::{Capacity, Measure};
use crate::options::policy_name;
use crate::row::Row;

/// The results of one run, as a page of text.
pub fn page(row: &Row<'_>) -> String {
    let (trace, plan) = (row.trace, row.plan);
    let mut lines = vec![
        String::new(),
        format!(
            "{}  {} requests for {} unique keys",
            trace.name,
            grouped(trace.requests() as u64),
            grouped(trace.unique as u64)
        ),
        format!(
            "{}; {}{}{}",
            capacity(plan.capacity),
            policy_name(plan.policy),
            counted(row.outcome.shards, "shard"),
            counted(plan.threads as u64, "thread")
        ),
        String::new(),
    ];
    lines.extend(bars(row));
    lines.push(String::new());
    lines.extend(facts(row));
    lines.join("\n")
}

/// `, 2 threads`.
fn counted(count: u64, word: &str) -> String {
    match count {
        1 => format!(", 1 {word}"),
        count => format!(", {} {word}s", grouped(count)),
    }
}

/// A capacity in words.
fn capacity(capacity: Capacity) -> String {
    let (amount, whole) = (grouped(capacity.amount), capacity.measure.whole());
    format!("{amount} {}, {} of the {whole}", capacity.measure.name(), percent(capacity.percent))
}

/// The hit ratios as bars.
fn bars(row: &Row<'_>) -> Vec<String> {
    let optimum = if row.bounded() { "optimum" } else { "clairvoyant" };
    let contenders =
        [("LRU", row.lru), (policy_name(row.plan.policy), row.outcome.tally), (optimum, row.optimum)];
    let mut lines = Vec::new();
    for (name, tally) in contenders {
        let ratio = row.hit_ratio(tally);
        let mut line = format!("  {name:<14}{}  {:6.2} % hits", bar(ratio), 100.0 * ratio);
        if row.capacity().measure == Measure::Bytes {
            // Writing to a String cannot fail.
            let _ = write!(line, "  {:6.2} % of the bytes", 100.0 * row.weight_ratio(tally));
        }
        lines.push(line);
    }
    if !row.bounded() {
        lines.push(
            "  (clairvoyant: farthest next use first; sizes and lifetimes make it a yardstick, not a bound)"
                .into(),
        );
    }
    lines
}

/// A bar of 40 cells, drawn to an eighth of a cell.
pub fn bar(ratio: f64) -> String {
    /// One to seven eighths of a block.
    const PARTS: [char; 7] =
        ['\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}'];
    let eighths = (ratio.clamp(0.0, 1.0) * 320.0).round() as usize;
    let mut bar = "\u{2588}".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(PARTS[part]);
    }
    let blank = 40 - bar.chars().count();
    bar + &"\u{b7}".repeat(blank)
}

/// Speed, memory and statistics.
fn facts(row: &Row<'_>) -> Vec<String> {
    let outcome = &row.outcome;
    let ns = row.ns_per_request();
    let mut lines =
        vec![format!("  speed       {ns:.1} ns per request, {:.1} million requests a second", 1e3 / ns)];
    let mut memory = format!("  memory      {} entries", grouped(outcome.entries));
    // Writing to a String cannot fail.
    if row.capacity().measure == Measure::Bytes {
        let _ = write!(memory, " of {} bytes", grouped(outcome.weight));
    }
    let overhead = outcome.stats.overhead_bytes;
    let each = overhead.checked_div(outcome.entries).unwrap_or(0);
    let _ = write!(memory, " in {} KiB of tables, {each} bytes an entry", grouped(overhead / 1024));
    if let Some(grown @ 1..) = outcome.grown {
        let _ = write!(memory, "; the process grew by {} KiB", grouped(grown / 1024));
    }
    lines.push(memory);
    lines.push(format!("  statistics  {}", outcome.stats.to_string().replace('\n', "\n              ")));
    lines
}

/// A number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share in percent, to no more digits than it needs.
pub fn percent(share: f64) -> String {
    let digits = format!("{share:.2}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits} %")
}
