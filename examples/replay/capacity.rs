//! How much a cache may hold: asked for as a number or as a share of the trace, counted in entries or in bytes.

use crate::failure::Failure;
use crate::trace::Trace;

/// What a capacity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// Entries, each counting 1.
    #[default]
    Entries,
    /// The sizes of the entries.
    Bytes,
}

impl Measure {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Bytes => "bytes",
        }
    }

    /// What a share in percent is a share of.
    pub fn whole(self) -> &'static str {
        match self {
            Self::Entries => "unique keys",
            Self::Bytes => "footprint",
        }
    }

    /// What a cache must hold to hold the whole trace.
    fn total(self, trace: &Trace) -> Result<u64, Failure> {
        match self {
            Self::Entries => Ok(trace.unique as u64),
            Self::Bytes => trace.footprint().ok_or_else(|| {
                Failure::option(format_args!(
                    "--capacity-bytes: {} has no sizes; give a .ks.zst or .kstt.zst trace",
                    trace.name
                ))
            }),
        }
    }
}

/// A capacity as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A number of entries or bytes.
    Exactly(u64),
    /// A share of the trace's unique keys or footprint.
    Percent(f64),
}

impl Amount {
    /// Parses `500` or `0.1%`, naming the option it stands at in the error.
    pub fn parse(option: &str, text: &str) -> Result<Self, Failure> {
        let refuse = |remedy: &str| Err(Failure::option(format_args!("{option} {text}: {remedy}")));
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.trim_end().parse::<f64>() {
                Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Self::Percent(percent)),
                Ok(_) => refuse("a share is above 0% and at most 100%"),
                Err(_) => refuse("not a share; write one like 10% or 0.1%"),
            };
        }
        match text.replace('_', "").parse::<u64>() {
            Ok(0) => refuse("a cache holds at least 1"),
            Ok(exactly) => Ok(Self::Exactly(exactly)),
            Err(_) => refuse("not a capacity; write a whole number or a share like 10%"),
        }
    }

    /// The capacity this means for a trace.
    pub fn of(self, trace: &Trace, measure: Measure) -> Result<Capacity, Failure> {
        let total = measure.total(trace)?;
        let amount = match self {
            Self::Exactly(amount) => amount,
            Self::Percent(percent) => ((total as f64 * percent / 100.0).round() as u64).max(1),
        };
        let most = total.saturating_mul(10).max(1);
        if amount > most {
            let (name, word, whole) = (&trace.name, measure.name(), measure.whole());
            return Err(Failure::option(format_args!(
                "capacity {amount} is over ten times the {whole} of {name}; {total} {word} hold all of it (100%)"
            )));
        }
        let percent = match self {
            Self::Exactly(_) => 100.0 * amount as f64 / total.max(1) as f64,
            Self::Percent(percent) => percent,
        };
        Ok(Capacity { amount, percent, measure })
    }
}

/// A capacity settled for one trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Entries or bytes, at least 1.
    pub amount: u64,
    /// The same as a share of the trace, in percent; as asked for, if it was asked for so.
    pub percent: f64,
    /// What `amount` counts.
    pub measure: Measure,
}

impl Capacity {
    /// What each distinct key of the trace takes of this capacity: at least 1, and for entries always 1.
    pub fn weights(self, trace: &Trace) -> Vec<u32> {
        match (&trace.sizes, self.measure) {
            (Some(sizes), Measure::Bytes) => sizes.iter().map(|&size| size.max(1)).collect(),
            _ => vec![1; trace.unique],
        }
    }
}
