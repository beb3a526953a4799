//! The house rules that no compiler holds: which file may name which, where `unsafe` and the primitives of
//! `std::sync` may stand, and how long a file and a function may grow.
//!
//! The rules are the data below. The checker reads `src` as tokens (comments, literals and `#[cfg(test)]` items
//! left out), follows `use` trees, `super`, `self`, child modules and re-exports, and reports file and line. What
//! it cannot see: names made by macros, and what a glob import brings. That each rule can fail: checker.rs.

mod checker;
mod paths;
mod rules;
mod tokens;

use std::path::{Path, PathBuf};

use rules::{Files, Rules, breaches};

/// Who may name whom: a module may name every module of a lower level. A name covers the modules below it
/// unless they are listed themselves. A file of `src` that is not here must be given its place.
const LEVELS: &[&[&str]] = &[
    // The doors to the machine, and words without behaviour.
    &["sync", "error", "hash", "weight", "pages"],
    // One mechanism each, which knows nothing of entries.
    &["expiry::ticker", "policy::sketch", "policy::queue", "reclaim", "listener", "stats"],
    // What an entry is, where it lies, when it ends.
    &["expiry", "expiry::wheel", "policy::adapt", "shard::slab", "shard::entry"],
    // Finding entries, and choosing those to give up. Neither knows the other, nor the policies each other.
    &["shard::table", "policy", "policy::clock", "policy::tinylfu", "policy::replay"],
    // The one place that knows table, slab, policy and wheel together.
    &["shard", "shard::garbage", "shard::write"],
    // What users see.
    &["cache", "builder", "compute", "iter", "pin", "guard", "exclusive", "lib"],
];

/// Modules of one level that may name each other, from the first to the second, and why.
const PEERS: &[(&str, &str, &str)] = &[];

/// Paths, the one module that may name each, and why.
const HOMES: &[(&str, &str, &str)] = &[
    ("std::sync", "sync", ONE_DOOR),
    ("core::sync", "sync", ONE_DOOR),
    ("std::thread_local", "sync", ONE_DOOR),
    ("thread_local", "sync", ONE_DOOR),
    ("parking_lot", "sync", ONE_DOOR),
    ("loom", "sync", ONE_DOOR),
];
const ONE_DOOR: &str = "one door to the primitives: real, or under the model checker";

/// Modules that may switch off `clippy::disallowed_methods` or `disallowed_types` (see clippy.toml), and why.
const MAY_ALLOW: &[(&str, &str)] = &[
    ("sync", "the door to locks"),
    ("expiry::ticker", "reads the system's clocks"),
    ("reclaim", "frees what readers could see"),
    ("shard::slab", "allocates the rows of entries"),
    ("shard::table", "allocates and frees tables"),
];

/// The rules of this house.
const HOUSE: Rules<'static> = Rules {
    levels: LEVELS,
    peers: PEERS,
    homes: HOMES,
    may_allow: MAY_ALLOW,
    most_lines: 600,
    most_lines_of_a_function: 80,
};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file in a folder, by its path from there.
fn read(folder: &Path, prefix: &str, files: &mut Files) {
    let entries = std::fs::read_dir(folder).expect("a folder of the source");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file of the source").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().expect("an entry of a folder has a name");
        let name = format!("{prefix}{}", name.to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}/"), files);
        } else if name.ends_with(".rs") {
            files.push((name, std::fs::read_to_string(&path).expect("source is text")));
        }
    }
}

#[test]
fn the_source_keeps_the_rules() {
    let mut files = Files::new();
    read(&source(), "", &mut files);
    assert!(files.iter().any(|(file, _)| file == "lib.rs"), "no source was found");
    let found = breaches(&files, &HOUSE);
    assert!(found.is_empty(), "{} breaches:\n{}\n", found.len(), found.join("\n"));
}

/// clippy.toml's rules are off by default and on in the library.
#[test]
fn the_library_turns_its_lints_on() {
    let lib = std::fs::read_to_string(source().join("lib.rs")).expect("source is text");
    let text: String = tokens::tokens(&lib).into_iter().map(|token| token.text).collect();
    let start =
        text.find("#![cfg_attr(not(test),deny(").expect("lib.rs needs #![cfg_attr(not(test), deny(...))]");
    let list = text[start..].split(']').next().unwrap_or_default();
    for lint in ["disallowed_methods", "disallowed_types", "print_stdout", "print_stderr", "unwrap_used"] {
        assert!(
            list.contains(&format!("clippy::{lint}")),
            "src/lib.rs does not deny clippy::{lint} outside tests"
        );
    }
}
