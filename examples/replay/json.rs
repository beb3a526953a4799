//! Just enough JSON to write one object on one line.

use std::fmt::Write;

/// A JSON object while it is written; fields keep their order.
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    /// Adds a text.
    pub fn text(self, name: &str, value: &str) -> Self {
        let mut quoted = String::new();
        quote(&mut quoted, value);
        self.field(name, &quoted)
    }

    /// Adds a whole number.
    pub fn count(self, name: &str, value: u64) -> Self {
        self.field(name, &value.to_string())
    }

    /// Adds a whole number, or null if there is none.
    pub fn maybe(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.count(name, value),
            None => self.field(name, "null"),
        }
    }

    /// Adds a number to six decimals; what JSON cannot say (not a number, infinite) becomes null.
    pub fn number(self, name: &str, value: f64) -> Self {
        if value.is_finite() { self.field(name, &format!("{value:.6}")) } else { self.field(name, "null") }
    }

    /// Adds an object.
    pub fn object(self, name: &str, value: Self) -> Self {
        let inner = value.finish();
        self.field(name, &inner)
    }

    /// The finished object.
    pub fn finish(self) -> String {
        if self.0.is_empty() { "{}".into() } else { self.0 + "}" }
    }

    /// Adds a field whose value is JSON already.
    fn field(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        quote(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(value);
        self
    }
}

/// Appends a text in quotes, with everything escaped that must be.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                // Control characters all lie in the first plane. Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
