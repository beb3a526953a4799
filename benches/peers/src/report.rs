//! Results: one JSON object a line, and one line for a person.

use crate::histogram::Histogram;
use std::fmt::{self, Write as _};

/// A JSON object that is being written.
pub struct Line(String);

impl Line {
    pub fn new(workload: &str) -> Self {
        Line(String::from("{")).text("workload", workload)
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        let escape = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => " ".into(),
            c => c.into(),
        };
        let value: String = value.chars().map(escape).collect();
        self.raw(name, format_args!("\"{value}\""))
    }

    /// A whole number or a truth value.
    pub fn exact(self, name: &str, value: impl fmt::Display) -> Self {
        self.raw(name, format_args!("{value}"))
    }

    pub fn number(self, name: &str, value: f64) -> Self {
        if value.is_finite() { self.raw(name, format_args!("{value:.4}")) } else { self }
    }

    pub fn numbers(self, name: &str, values: &[f64]) -> Self {
        let values: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
        self.raw(name, format_args!("[{}]", values.join(",")))
    }

    /// The quantiles, in nanoseconds.
    pub fn latencies(self, all: &Histogram) -> Self {
        let line = self.exact("samples", all.count()).exact("p50", all.quantile(0.5));
        line.exact("p99", all.quantile(0.99)).exact("p999", all.quantile(0.999)).exact("max", all.max)
    }

    fn raw(mut self, name: &str, value: fmt::Arguments<'_>) -> Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        write!(self.0, "{comma}\"{name}\":{value}").expect("a string takes everything");
        self
    }

    /// The whole object.
    pub fn finish(self) -> String {
        self.0 + "}"
    }

    /// Prints the object.
    pub fn print(self) {
        println!("{}", self.finish());
    }
}

/// The middle one; the mean of the two middle ones of an even number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}
