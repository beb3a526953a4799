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

/// Who may name whom: a module may name every module of a lower level. A folder of which nothing else is listed
/// is one module. A file of `src` that is not here must be given its place.
const LEVELS: &[&[&str]] = &[
    // The door to the machine: atomics, locks, fences.
    &["sync"],
    // Words, numbers and single mechanisms that know nothing of entries.
    &["error", "hash", "weight", "pages", "arena", "listener", "expiry::ticker"],
    // What belongs together; when memory may go; when an entry ends; how often a key came, the order of indices, the window's plan.
    &[
        "tags",
        "reclaim",
        "stats",
        "expiry",
        "expiry::wheel",
        "policy::sketch",
        "policy::queue",
        "policy::plan",
    ],
    // How a queue finds its victim.
    &["policy::hand"],
    // What an entry is and where it lies; the two policies.
    &["shard::slab", "shard::entry", "shard::stamps", "policy::clock", "policy::tinylfu"],
    // Finding entries by their hash, and which of them are of the past; choosing one of the policies.
    &["shard::eras", "shard::table", "shard::weights", "policy"],
    // What waits for readers; the shadows.
    &["shard::garbage", "policy::adapt"],
    // The one place that knows table, slab, policy, wheel and garbage together; a policy run without a cache.
    &["shard", "shard::write", "policy::replay"],
    // What a write may say; how the shards' windows follow the shadows.
    &["options", "adapt"],
    // One load of one key, and which keys are being loaded; the right to do so, and who holds it.
    &["load::flight", "load::soft"],
    &["load::flights"],
    &["load::lead"],
    &["load::leases"],
    // What a loader may say, and what its caller is told.
    &["load"],
    // Shards under one budget, and what a call owes after its lock is gone.
    &["store", "settle"],
    // What users see: reading,
    &["cache", "builder", "guard"],
    // one write from the search to the debts,
    &["writer"],
    // and the other methods.
    &["insert", "compute", "iter", "exclusive", "load::leading"],
    &["load::blocking"],
    &["load::refresh"],
    &["load::future"],
    &["load::bulk", "load::lease"],
    // The C ABI: one module, over what users see.
    &["ffi"],
    // What only the fuzzer's build has: private parts beside naive ones.
    &["fuzzing"],
    &["lib"],
];

/// Where a module may name one that is not lower: from the first to the second, and why.
const PEERS: &[(&str, &str, &str)] = &[
    ("policy::queue", "policy", "the contract: `Residents`"),
    ("policy::hand", "policy", "the contract: `Residents`"),
    ("policy::clock", "policy", "the contract: `Residents`"),
    ("policy::tinylfu", "policy", "the contract: `Residents`"),
    ("shard", "shard::write", "one noun in two files: what readers see, and what is under the lock"),
    ("shard::write", "shard", "one noun in two files: what readers see, and what is under the lock"),
    ("store", "settle", "a call on the store ends in settling"),
    ("settle", "store", "settling frees and tells, shard by shard of the store"),
    ("cache", "builder", "`Cache::builder`"),
    ("builder", "cache", "`Builder::build`"),
    ("cache", "guard", "reads that do not clone"),
    ("guard", "cache", "a guard reads more of its cache"),
    ("exclusive", "compute", "the same answers"),
];

/// Modules that must not know each other although their levels would let them: from the first to the second.
const STRANGERS: &[(&str, &str, &str)] = &[
    ("policy", "expiry", POLICY_KNOWS),
    ("policy", "reclaim", POLICY_KNOWS),
    ("policy", "listener", POLICY_KNOWS),
    ("policy", "stats", POLICY_KNOWS),
    ("policy", "shard", POLICY_KNOWS),
    ("expiry", "policy", "a deadline does not depend on use"),
    ("expiry", "reclaim", "the wheel holds indices, not memory"),
    ("shard::table", "shard::entry", "the table holds indices; who compares keys is its caller"),
    ("shard::table", "policy", "the table holds indices"),
    ("shard::table", "expiry", "the table holds indices"),
    ("shard::slab", "expiry", "the slab holds rows of anything"),
];
const POLICY_KNOWS: &str = "a policy knows indices, hashes and weights, and can be run alone";

/// Paths, the one module that may name each, and why.
const HOMES: &[(&str, &str, &str)] = &[
    ("std::sync", "sync", ONE_DOOR),
    ("core::sync", "sync", ONE_DOOR),
    ("std::thread_local", "sync", ONE_DOOR),
    ("thread_local", "sync", ONE_DOOR),
    ("parking_lot", "sync", ONE_DOOR),
    ("loom", "sync", ONE_DOOR),
    ("shuttle", "sync", ONE_DOOR),
];
const ONE_DOOR: &str = "one door to the primitives: real, or under the model checker";

/// Modules that may switch off `clippy::disallowed_methods` or `disallowed_types` (see clippy.toml), and why.
const MAY_ALLOW: &[(&str, &str)] = &[
    ("sync", "the door to locks"),
    ("expiry::ticker", "reads the system's clocks"),
    ("reclaim", "frees what readers could see"),
    ("arena", "allocates the rows of entries"),
    ("shard::table", "allocates and frees tables"),
    ("ffi", "allocates what C may keep, and takes back what it gave"),
];

/// The rules of this house.
const HOUSE: Rules<'static> = Rules {
    levels: LEVELS,
    peers: PEERS,
    strangers: STRANGERS,
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

/// What the C ABI names of the crate, lib.rs offers to everybody; but for the door to the primitives.
#[test]
fn g34_the_c_abi_is_made_of_the_public_api() {
    let joined = |source: &str| -> String {
        tokens::tokens(source)
            .into_iter()
            .map(|token| token.text + " ")
            .collect::<String>()
            .replace(": :", "::")
    };
    let words = |text: &str| -> Vec<String> {
        let plain = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        text.split_whitespace().filter(|word| plain(word)).map(str::to_owned).collect()
    };
    let mut files = Files::new();
    read(&source(), "", &mut files);
    let lib = joined(&files.iter().find(|(file, _)| *file == "lib.rs").expect("there is a lib.rs").1);
    let public: Vec<String> = lib
        .split("pub use ")
        .skip(1)
        .flat_map(|rest| words(rest.split(';').next().unwrap_or_default()))
        .collect();
    let mut named = 0;
    for (file, source) in files.iter().filter(|(file, _)| file.starts_with("ffi/")) {
        for rest in joined(source).split("crate :: ").skip(1) {
            let list = rest.strip_prefix("{ ").and_then(|rest| rest.split('}').next());
            let first = || words(rest).into_iter().take(1).collect();
            for word in list.map_or_else(first, words) {
                named += 1;
                assert!(
                    word == "sync" || public.contains(&word),
                    "src/{file} names crate::{word}, which is not public"
                );
            }
        }
    }
    assert!(named > 20, "only {named} names were found");
}
