//! Hit ratios over a ladder of capacities: every policy, and the baselines, as a table and as a chart.

use std::fs::OpenOptions;
use std::path::Path;

use crate::capacity::{Amount, Capacity, Measure};
use crate::chart::{Chart, Pen, Series, Stop};
use crate::contest::Contest;
use crate::failure::Failure;
use crate::options::{Options, POLICIES, policy_name};
use crate::report::{grouped, percent};
use crate::row::Row;
use crate::tally::ratio;

/// The capacities of a sweep, in percent.
const LADDER: [f64; 12] = [0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0];

/// The labels that may stand on the chart's axis, in percent.
const TICKS: [f64; 10] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// Refuses a chart's file now rather than after the work.
fn writable(path: &Path) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map(drop).map_err(|error| unwritable(path, &error))
}

/// The failure of writing a chart.
fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::file(
        path,
        format_args!("the chart cannot be written there ({error}); name another file with --sweep"),
    )
}

/// Plays the ladder, or the capacities asked for if there are several; says the results and draws the chart.
pub fn run(
    contest: &Contest<'_>,
    options: &Options,
    path: &Path,
    mut say: impl FnMut(&str),
) -> Result<(), Failure> {
    let policies: Vec<_> = POLICIES.iter().map(|known| known.1).collect();
    let capacities = ladder(contest, options)?;
    writable(path)?;
    let mut steps: Vec<Vec<Row<'_>>> = Vec::new();
    if !options.json {
        say(&heading(options));
    }
    for capacity in capacities {
        let step = contest.play(capacity, &policies)?;
        if options.json {
            step.iter().for_each(|row| say(&row.json()));
        } else {
            say(&line(&step));
        }
        steps.push(step);
    }
    std::fs::write(path, draw(&steps).svg()).map_err(|error| unwritable(path, &error))?;
    if !options.json {
        say(&format!("\nchart: {}", path.display()));
    }
    Ok(())
}

/// The capacities to play, rising, none twice.
fn ladder(contest: &Contest<'_>, options: &Options) -> Result<Vec<Capacity>, Failure> {
    let standard: Vec<_> = LADDER.map(Amount::Percent).into();
    let amounts = if options.capacities.len() > 1 { &options.capacities } else { &standard };
    let settle = |amount: &Amount| amount.of(contest.trace, options.measure);
    let mut capacities: Vec<_> = amounts.iter().map(settle).collect::<Result<_, _>>()?;
    capacities.sort_by_key(|capacity: &Capacity| capacity.amount);
    capacities.dedup_by_key(|capacity| capacity.amount);
    Ok(capacities)
}

/// The table's first line.
fn heading(options: &Options) -> String {
    let mut heading = format!("{:>15}  {:>8}", options.measure.name(), "share");
    for (name, _) in POLICIES {
        heading += &format!("  {name:>13}");
    }
    let bounded = options.measure == Measure::Entries && !options.ttl;
    heading + &format!("  {:>13}  {:>13}", "LRU", if bounded { "optimum" } else { "clairvoyant" })
}

/// The table's line for one capacity.
fn line(step: &[Row<'_>]) -> String {
    let capacity = step[0].capacity();
    let mut line = format!("{:>15}  {:>8}", grouped(capacity.amount), percent(capacity.percent));
    for ratio in ratios(step) {
        line += &format!("  {:>11.2} %", 100.0 * ratio);
    }
    line
}

/// The hit ratios at one capacity: each policy, LRU, the optimum.
fn ratios(step: &[Row<'_>]) -> Vec<f64> {
    let (first, policies) = (&step[0], step.iter().map(|row| row.hit_ratio(row.outcome.tally)));
    policies.chain([first.hit_ratio(first.lru), first.hit_ratio(first.optimum)]).collect()
}

/// The chart of a sweep of at least one step.
fn draw(steps: &[Vec<Row<'_>>]) -> Chart {
    let first = &steps[0][0];
    let Capacity { measure, .. } = first.capacity();
    let (trace, whole) = (first.trace, measure.whole());
    let requests = trace.requests() as u64;
    let total = match measure {
        Measure::Entries => trace.unique as u64,
        Measure::Bytes => trace.footprint().unwrap_or(0),
    } as f64;
    let last = if first.bounded() { "optimum (knows the future)" } else { "clairvoyant (no bound)" };
    let policies = steps[0].iter().map(|row| policy_name(row.plan.policy)).zip([Pen::Hero, Pen::Second]);
    let names = policies.chain([("LRU", Pen::Plain), (last, Pen::Dashed)]);
    let lines: Vec<Vec<f64>> = steps.iter().map(|step| ratios(step)).collect();
    let series = |(index, (name, pen)): (usize, (&str, Pen))| Series {
        name: name.to_owned(),
        pen,
        ratios: lines.iter().map(|line| line[index]).collect(),
    };
    let stop = |percent: f64| Stop { percent, words: short(percent * total / 100.0, measure) };
    let stops: Vec<_> = steps.iter().map(|step| stop(step[0].capacity().percent)).collect();
    let (low, high) = (stops[0].percent * 0.98, stops[stops.len() - 1].percent * 1.02);
    Chart {
        title: format!("How much of {} a cache can answer", trace.name),
        subtitle: format!("{} requests for {} unique keys", grouped(requests), grouped(trace.unique as u64)),
        axis: format!("capacity: share of the {whole} (above) and {} (below)", measure.name()),
        ticks: TICKS.iter().filter(|tick| (low..=high).contains(*tick)).map(|&tick| stop(tick)).collect(),
        series: names.enumerate().map(series).collect(),
        ceiling: (!first.plan.ttl).then(|| ratio(requests - trace.unique as u64, requests)),
        stops,
    }
}

/// A capacity in few characters: entries in full below a million, bytes always with a unit.
fn short(amount: f64, measure: Measure) -> String {
    let units = match measure {
        Measure::Entries if amount < 999_999.5 => return grouped(amount.round().max(1.0) as u64),
        Measure::Entries => ["", " k", " M", " G"],
        Measure::Bytes => [" B", " kB", " MB", " GB"],
    };
    let unit = ((amount.max(1.0).log10() / 3.0) as usize).min(units.len() - 1);
    let scaled = amount / 1000f64.powi(unit as i32);
    let digits = [2, 2, 1, 0][(scaled.max(1.0).log10() as usize + 1).min(3)];
    format!("{scaled:.digits$}{}", units[unit])
}
