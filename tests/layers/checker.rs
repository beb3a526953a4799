//! Does the checker see what it should, and only that? Each rule is shown to fail on a small source.

use crate::rules::{Files, Rules, breaches};

const SMALL: Rules<'static> = Rules {
    levels: &[&["low"], &["folder", "folder::left", "folder::right"], &["lib"]],
    peers: &[],
    strangers: &[],
    homes: &[("std::sync", "low", "one door")],
    may_allow: &[("low", "the door")],
    most_lines: 8,
    most_lines_of_a_function: 3,
};

/// The small crate's files, with the given ones in place of or beside its own.
fn with(changed: &[(&str, &str)]) -> Files {
    let whole = [
        (
            "lib.rs",
            "//! # Unsafe code\n//!\n//! * `src/low.rs`: raw.\n\nmod folder;\nmod low;\npub use folder::Left;\n",
        ),
        ("low.rs", "use std::sync::Arc;\nfn f() { unsafe { g() } }\n"),
        ("folder/mod.rs", "mod left;\nmod right;\npub use left::Left;\n"),
        ("folder/left.rs", "use crate::low::X;\npub struct Left;\n"),
        ("folder/right.rs", ""),
    ];
    let kept = whole.iter().filter(|(file, _)| !changed.iter().any(|(other, _)| file == other));
    kept.chain(changed).map(|(file, text)| (file.to_string(), text.to_string())).collect()
}

/// What is found in the small crate with one file changed.
fn found(file: &str, text: &str) -> Vec<String> {
    breaches(&with(&[(file, text)]), &SMALL)
}

/// Exactly one breach, which begins and goes on like this.
#[track_caller]
fn one(file: &str, text: &str, begins: &str, has: &str) {
    let found = found(file, text);
    assert!(found.len() == 1 && found[0].starts_with(begins) && found[0].contains(has), "{found:#?}");
}

#[track_caller]
fn none(file: &str, text: &str) {
    let found = found(file, text);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_good_crate_passes() {
    assert_eq!(breaches(&with(&[]), &SMALL), Vec::<String>::new());
}

#[test]
fn naming_a_higher_module_fails_in_every_spelling() {
    for text in [
        "unsafe fn f() {}\nuse crate::folder::left::Left;",
        "unsafe fn f() {}\nuse crate::{folder::left, low::X};",
        "unsafe fn f() {}\npub use crate::folder::left::Left;",
        "unsafe fn f() {}\nuse super::folder::left::Left as Right;",
        "unsafe fn f() {}\nfn g(x: &crate::folder::left::Left) {}",
        "unsafe fn f() {}\nfn g() { super::folder::left::h() }",
        "unsafe fn f() {}\nmod inner { use super::super::folder::left::Left; }",
    ] {
        one("low.rs", text, "src/low.rs:2: low (level 0) names crate::folder::left", "it may name: nothing");
    }
    one(
        "folder/right.rs",
        "\nuse super::left::Left;",
        "src/folder/right.rs:2: folder::right (level 1)",
        "may name: low",
    );
}

#[test]
fn a_re_export_counts_as_its_origin() {
    one(
        "folder/right.rs",
        "use crate::Left;",
        "src/folder/right.rs:1:",
        "names crate::Left, of folder::left",
    );
    one(
        "folder/right.rs",
        "use super::Left;",
        "src/folder/right.rs:1:",
        "names crate::folder::Left, of folder::left",
    );
    none("folder/left.rs", "use crate::Left;");
    // Another crate's item that the root passes on is nobody's; what the root holds itself is the root's.
    let lib = "//! # Unsafe code\n//! * `src/low.rs`\npub use ahash::RandomState;\npub use folder::Left;\nmod folder;";
    let files = with(&[("lib.rs", lib), ("folder/right.rs", "use crate::RandomState;")]);
    assert_eq!(breaches(&files, &SMALL), Vec::<String>::new());
    one("folder/right.rs", "fn f() { crate::run() }", "src/folder/right.rs:1:", "names crate::run, of lib");
}

#[test]
fn a_folder_may_offer_its_children_and_not_use_its_peers() {
    none(
        "folder/mod.rs",
        "mod left;\nmod right;\npub(crate) use left::Left;\npub(crate) use self::right::*;",
    );
    one(
        "folder/mod.rs",
        "mod left;\nfn f() { left::g() }\npub use left::Left;",
        "src/folder/mod.rs:2:",
        "folder::left",
    );
    one(
        "folder/mod.rs",
        "mod left;\nuse left::g;\npub use left::Left;",
        "src/folder/mod.rs:2:",
        "folder::left",
    );
}

#[test]
fn a_listed_peer_may_be_named_and_a_stale_one_fails() {
    let peers = Rules { peers: &[("folder", "folder::left", "its children")], ..SMALL };
    let files = with(&[("folder/mod.rs", "mod left;\nuse left::g;\npub use left::Left;")]);
    assert_eq!(breaches(&files, &peers), Vec::<String>::new());
    let stale = breaches(&with(&[]), &peers);
    assert!(stale.len() == 1 && stale[0].contains("take the line out"), "{stale:#?}");
}

#[test]
fn strangers_do_not_know_each_other() {
    let strangers = Rules { strangers: &[("folder", "low", "apart")], ..SMALL };
    let found = breaches(&with(&[]), &strangers);
    assert!(found.len() == 1 && found[0].starts_with("src/folder/left.rs:1:"), "{found:#?}");
    assert!(found[0].ends_with("of low, which it must not know: apart"), "{found:#?}");
}

#[test]
fn every_file_has_a_place_and_every_place_a_file() {
    one("folder/new.rs", "", "src/folder/new.rs: not in the table", "give folder::new a level");
    one("new.rs", "", "src/new.rs: not in the table", "give new a level");
    // A folder that is listed as one thing covers what is in it.
    none("low/detail.rs", "use std::sync::Mutex;");
    let mut gone = with(&[]);
    gone.retain(|(file, _)| file != "folder/right.rs");
    assert_eq!(
        breaches(&gone, &SMALL),
        ["tests/layers/main.rs: the table lists folder::right, and src has no such file"]
    );
}

#[test]
fn the_primitives_stay_at_home() {
    for text in [
        "use std::sync::Arc;",
        "use std::{fmt, sync::atomic};",
        "fn f(x: std::sync::Arc<u8>) {}",
        "use std::sync as s;",
        "fn f(x: ::std::sync::Arc<u8>) {}",
        "fn f(x: Option<::std::sync::Arc<u8>>) {}",
    ] {
        one(
            "folder/right.rs",
            text,
            "src/folder/right.rs:1: std::sync",
            "std::sync is for low only (one door)",
        );
    }
    let lint = "#[allow(clippy::disallowed_methods)]\nfn f() {}";
    one("folder/right.rs", lint, "src/folder/right.rs:1: disallowed_methods", "MAY_ALLOW");
    none("low/detail.rs", lint);
    let root = "//! # Unsafe code\n//! * `src/low.rs`\n#![deny(clippy::disallowed_types)]\nmod folder;\npub use folder::Left;";
    none("lib.rs", root);
}

#[test]
fn text_that_is_no_code_does_not_count() {
    none(
        "folder/right.rs",
        "// use std::sync::Arc;\n/* /* crate::run() */ unsafe */\n/// [`crate::Cache`] unsafe",
    );
    none(
        "folder/right.rs",
        "const A: &str = \"\\\" std::sync::x unsafe\";\nconst B: &[u8] = br#\"\" unsafe { \"#;",
    );
    none(
        "folder/right.rs",
        "fn f<'a>(c: char) -> &'a str { if c == '\"' || c == '\\'' { \"unsafe\" } else { \"\" } }",
    );
    none("folder/right.rs", "fn f<'a>(x: &'a u8) -> impl Fn() + use<'a> { let y = 1; move || { y; } }");
    none("folder/right.rs", "pub(in crate::folder) struct X;");
    // And what follows it does.
    let capturing = "fn f<'a>() -> impl X + use<'a> { crate::run(); }";
    one("folder/right.rs", capturing, "src/folder/right.rs:1:", "crate::run");
    one(
        "folder/right.rs",
        "const A: char = '\\'';\nuse std::sync::Arc;",
        "src/folder/right.rs:2:",
        "std::sync",
    );
    one(
        "folder/right.rs",
        "const A: &str = r#\"a\"b\"#;\nuse std::sync::Arc;",
        "src/folder/right.rs:2:",
        "std::sync",
    );
    one(
        "folder/right.rs",
        "fn f(x: &'static str, y: std::sync::Arc<u8>) {}",
        "src/folder/right.rs:1:",
        "std::sync",
    );
    one(
        "folder/right.rs",
        "const A: &str = \"a\n\\\nb\";\nuse std::sync::Arc;",
        "src/folder/right.rs:4:",
        "std::sync",
    );
}

#[test]
fn tests_may_name_anything() {
    none(
        "folder/right.rs",
        "#[cfg(test)]\nmod tests {\n use super::super::left::Left;\n use std::sync::Arc;\n}",
    );
    none(
        "folder/right.rs",
        "#[cfg(all(test, not(loom)))]\n#[allow(dead_code)]\nfn f(x: [u8; 2]) { crate::run() }",
    );
    none("folder/right.rs", "#[cfg(test)]\nuse std::sync::Arc;");
    let files =
        [("folder/right.rs", "#[cfg(test)]\nmod proof;"), ("folder/right/proof.rs", "use std::sync::Arc;")];
    assert_eq!(breaches(&with(&files), &SMALL), Vec::<String>::new());
    // Only the item under the attribute is a test.
    one(
        "folder/right.rs",
        "#[cfg(test)]\nuse a::b;\nuse std::sync::Arc;",
        "src/folder/right.rs:3:",
        "std::sync",
    );
    one("folder/right.rs", "#[cfg(not(test))]\nuse std::sync::Arc;", "src/folder/right.rs:2:", "std::sync");
}

#[test]
fn unsafe_stands_where_the_root_says() {
    one(
        "folder/right.rs",
        "\nunsafe impl Send for X {}",
        "src/folder/right.rs:2: `unsafe`",
        "src/lib.rs does not list",
    );
    one("low.rs", "#![allow(unsafe_code)]", "src/lib.rs: lists src/low.rs", "holds no `unsafe`");
    let lib = |doc: &str| format!("{doc}mod folder;\nmod low;\npub use folder::Left;");
    let gone = lib("//! # Unsafe code\n//!\n//! * `src/low.rs`: a\n//! * `src/gone.rs`: b\n");
    one("lib.rs", &gone, "src/lib.rs: lists src/gone.rs", "does not exist");
    let found = found("lib.rs", &lib("//! # Safety\n//! * `src/low.rs`\n"));
    assert!(found.len() == 2 && found[0].contains("needs a section"), "{found:#?}");
    one(
        "folder/right.rs",
        "#[cfg(test)]\nmod tests { unsafe fn f() {} }",
        "src/folder/right.rs:2: `unsafe`",
        "",
    );
    // A list in another section does not count.
    one("lib.rs", &lib("//! # Unsafe code\n//! # Files\n//! * `src/low.rs`\n"), "src/low.rs:2: `unsafe`", "");
}

#[test]
fn files_and_functions_stay_short() {
    one("folder/right.rs", &"\n".repeat(9), "src/folder/right.rs: 9 lines; at most 8", "");
    none("folder/right.rs", &"\n".repeat(8));
    one("folder/right.rs", "\nfn f() {\n\n\n}\n", "src/folder/right.rs:2: fn f has 4 lines; at most 3", "");
    one(
        "folder/right.rs",
        "fn f(x: [u8; 2]) -> u8\nwhere\n A: B,\n{ 1 }\n",
        "src/folder/right.rs:1: fn f has 4",
        "",
    );
    none("folder/right.rs", "fn f() {\n\n}\nfn g(a: fn(u8)) {\n\n}");
    none("folder/right.rs", "struct S { f: fn() }\n\nfn g() {\n\n}");
}
