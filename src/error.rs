//! What can go wrong: only building. Everything else has an outcome that says what happened.

use std::fmt;

/// A setting that a cache cannot be built with, or changed to. It names the setting, what was given and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    setting: &'static str,
    given: String,
    allowed: &'static str,
}

impl BuildError {
    pub(crate) fn new(setting: &'static str, given: impl fmt::Display, allowed: &'static str) -> Self {
        BuildError { setting, given: given.to_string(), allowed }
    }

    /// The method it was given to: the builder's, or [`set_capacity`](crate::Cache::set_capacity).
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// What it was given.
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }

    /// What it takes.
    #[must_use]
    pub fn allowed(&self) -> &'static str {
        self.allowed
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.setting == "set_capacity" { "change" } else { "build" };
        write!(f, "cannot {what} a cache: {} was {}; allowed: {}", self.setting, self.given, self.allowed)
    }
}

impl std::error::Error for BuildError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_setting_given_and_allowed() {
        let error = BuildError::new("shards", 0, "1 to 4096");
        assert_eq!((error.setting(), error.given(), error.allowed()), ("shards", "0", "1 to 4096"));
        assert_eq!(error.to_string(), "cannot build a cache: shards was 0; allowed: 1 to 4096");
        let error = BuildError::new("set_capacity", 0, "1 or more");
        assert_eq!(error.to_string(), "cannot change a cache: set_capacity was 0; allowed: 1 or more");
    }
}
