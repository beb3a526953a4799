//! What can go wrong before a replay starts: always the caller's input, always one line.

use std::fmt;
use std::path::{Path, PathBuf};

/// A refused input: what it is, what is wrong with it, and what to do instead.
///
/// Its `Display` form is a single line, whatever the names in it contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure about an option or its value.
    pub fn option(message: impl fmt::Display) -> Self {
        Self(one_line(&message.to_string()))
    }

    /// A failure about a file, which is named first.
    pub fn file(path: &Path, message: impl fmt::Display) -> Self {
        Self(one_line(&format!("{}: {message}", path.display())))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// File names may contain line breaks and terminal escapes; a message must not.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The file name of a path for titles and tables.
pub fn short_name(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| PathBuf::from(path), PathBuf::from);
    one_line(&name.to_string_lossy())
}
