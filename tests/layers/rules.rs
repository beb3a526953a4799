//! The checker: files and rules in, breaches out.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Named, module_path, named_paths, root_of};
use crate::tokens::{Token, closing, tokens, without_tests};

/// Files by their path below `src`, with their text.
pub type Files = Vec<(String, String)>;

/// The rules as data, so that the checker can be tried on others. What each means: main.rs.
pub struct Rules<'r> {
    pub levels: &'r [&'r [&'r str]],
    pub peers: &'r [(&'r str, &'r str, &'r str)],
    pub strangers: &'r [(&'r str, &'r str, &'r str)],
    pub homes: &'r [(&'r str, &'r str, &'r str)],
    pub may_allow: &'r [(&'r str, &'r str)],
    pub most_lines: usize,
    pub most_lines_of_a_function: usize,
}

/// The section of lib.rs's documentation with a bullet for each file that may hold `unsafe`, in backticks.
pub const UNSAFE_SECTION: &str = "//! # Unsafe code";

/// Every breach of the rules, as lines to read.
pub fn breaches(files: &Files, rules: &Rules) -> Vec<String> {
    let modules = modules(files);
    let mut found = Vec::new();
    misplaced(&modules, rules, &mut found);
    upward(&modules, rules, &mut found);
    strayed(&modules, rules, &mut found);
    unlisted_unsafe(files, &mut found);
    overgrown(files, rules, &mut found);
    found
}

/// What one file says outside its tests.
struct Module {
    file: String,
    /// `shard::table` for `shard/table.rs`.
    path: String,
    tokens: Vec<Token>,
    named: Vec<Named>,
}

/// Reads the files; those that are modules of tests are left out.
fn modules(files: &Files) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut tests = BTreeSet::new();
    for (file, source) in files {
        let path = module_path(file);
        let (tokens, test_modules) = without_tests(&tokens(source));
        tests.extend(test_modules.into_iter().map(|name| [root_of(&path), vec![name]].concat().join("::")));
        let named = named_paths(&tokens, &root_of(&path));
        modules.push(Module { file: file.clone(), path: path.join("::"), tokens, named });
    }
    modules.retain(|module| !tests.iter().any(|test| below(&module.path, test)));
    modules
}

/// Whether `path` is `module` or lies below it.
fn below(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl Rules<'_> {
    fn listed(&self) -> impl Iterator<Item = (&str, usize)> {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(level, names)| names.iter().map(move |name| (*name, level)))
    }

    /// The listed module that a path belongs to, with its level: the longest that covers it.
    fn place(&self, path: &str) -> Option<(&str, usize)> {
        self.listed().filter(|(name, _)| below(path, name)).max_by_key(|(name, _)| name.len())
    }

    /// Whether a file has its place: its own, or that of a folder of which nothing else is listed.
    fn places(&self, file: &str) -> bool {
        self.place(file).is_some_and(|(name, _)| {
            name == file || !self.listed().any(|(other, _)| other != name && below(other, name))
        })
    }

    /// What a module may name, in words.
    fn allowed(&self, module: &str, level: usize) -> String {
        let peers = self.peers.iter().filter(|(from, ..)| *from == module).map(|(_, to, _)| *to);
        let all: Vec<&str> = self.levels[..level].concat().into_iter().chain(peers).collect();
        if all.is_empty() { "nothing".into() } else { all.join(", ") }
    }
}

/// Files without a place, and places without a file.
fn misplaced(modules: &[Module], rules: &Rules, found: &mut Vec<String>) {
    for Module { file, path, .. } in modules.iter().filter(|module| !rules.places(&module.path)) {
        found.push(format!("src/{file}: not in the table: give {path} a level in tests/layers/main.rs"));
    }
    for (name, _) in rules.listed().filter(|(name, _)| !modules.iter().any(|module| module.path == *name)) {
        found.push(format!("tests/layers/main.rs: the table lists {name}, and src has no such file"));
    }
}

/// Modules that name one which is not below them.
fn upward(modules: &[Module], rules: &Rules, found: &mut Vec<String>) {
    let exports = exports(modules);
    let mut used = BTreeSet::new();
    for module in modules {
        let Some((from, level)) = rules.place(&module.path) else { continue };
        for named in &module.named {
            let Some(shown) = named.inside() else { continue };
            // A folder's module, and the root, may offer what stands below them.
            if named.exported.is_some() && (below(&shown, &module.path) || module.path == "lib") {
                continue;
            }
            let origin = origin(&shown, &exports);
            if origin.starts_with("::") {
                continue;
            }
            // What no module covers stands in the crate's root.
            let (to, other) = rules.place(&origin).or(rules.place("lib")).unwrap_or((from, level));
            let peer = rules.peers.iter().position(|(one, two, _)| (*one, *two) == (from, to));
            used.extend(peer);
            let at =
                format!("src/{}:{}: {from} (level {level}) names crate::{shown}", module.file, named.line);
            for (_, _, why) in
                rules.strangers.iter().filter(|(one, two, _)| below(from, one) && below(to, two))
            {
                found.push(format!("{at}, of {to}, which it must not know: {why}"));
            }
            if to != from && other >= level && peer.is_none() {
                let allowed = rules.allowed(from, level);
                found.push(format!("{at}, of {to} (level {other}); it may name: {allowed}"));
            }
        }
    }
    for (_, (from, to, _)) in rules.peers.iter().enumerate().filter(|(i, _)| !used.contains(i)) {
        found.push(format!(
            "tests/layers/main.rs: PEERS lets {from} name {to}, and it does not: take the line out"
        ));
    }
}

/// What is re-exported, by its full name, and where it comes from: `::` if from another crate.
fn exports(modules: &[Module]) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for module in modules {
        let root = root_of(&module_path(&module.file));
        for named in &module.named {
            let Some(name) = &named.exported else { continue };
            let full = [&root[..], &named.scope, std::slice::from_ref(name)].concat().join("::");
            // A module that offers another crate's item answers for it; the root only passes it on.
            let foreign = (module.path == "lib").then(|| "::".to_string());
            if let Some(from) = named.inside().or(foreign) {
                exports.insert(full, from);
            }
        }
    }
    exports
}

/// Follows re-exports to where a path's item stands.
fn origin(path: &str, exports: &BTreeMap<String, String>) -> String {
    let mut path = path.to_string();
    // A re-export of a re-export, never more than a few deep; the bound stops a circle.
    for _ in 0..8 {
        let Some((name, from)) = exports.iter().find(|(name, from)| below(&path, name) && name != from)
        else {
            break;
        };
        path = format!("{from}{}", &path[name.len()..]);
    }
    path
}

/// Names away from home.
fn strayed(modules: &[Module], rules: &Rules, found: &mut Vec<String>) {
    for Module { file, path: own, tokens, named } in modules {
        for (line, path) in named.iter().filter_map(|named| Some((named.line, named.outside()?))) {
            for (name, home, why) in rules.homes.iter().filter(|(name, ..)| below(&path, name)) {
                if !below(own, home) {
                    found.push(format!("src/{file}:{line}: {path}: {name} is for {home} only ({why})"));
                }
            }
        }
        if own != "lib" && !rules.may_allow.iter().any(|(home, _)| below(own, home)) {
            for Token { line, text } in tokens.iter().filter(|token| token.text.starts_with("disallowed_")) {
                found.push(format!("src/{file}:{line}: {text} may not be touched here (MAY_ALLOW)"));
            }
        }
    }
}

/// `unsafe` in files that lib.rs does not list, their tests included, and files listed that hold none.
fn unlisted_unsafe(files: &Files, found: &mut Vec<String>) {
    let lib = files.iter().find(|(file, _)| file == "lib.rs").map_or("", |(_, source)| source.as_str());
    if !lib.lines().any(|line| line == UNSAFE_SECTION) {
        found.push(format!(
            "src/lib.rs: needs a section \"{UNSAFE_SECTION}\" with a bullet \"//! * `src/...`\" a file"
        ));
    }
    let section = lib.lines().skip_while(|line| *line != UNSAFE_SECTION).skip(1);
    let section = section.take_while(|line| line.starts_with("//!") && !line.starts_with("//! #"));
    let mut listed: BTreeSet<&str> =
        section.filter_map(|line| line.strip_prefix("//! * `src/")?.split('`').next()).collect();
    for (file, source) in files {
        let first = tokens(source).into_iter().find(|token| token.text == "unsafe");
        match (first, listed.remove(file.as_str())) {
            (Some(Token { line, .. }), false) => {
                found.push(format!(
                    "src/{file}:{line}: `unsafe`, and \"# Unsafe code\" in src/lib.rs does not list the file"
                ));
            }
            (None, true) => found.push(format!("src/lib.rs: lists src/{file}, which holds no `unsafe`")),
            _ => {}
        }
    }
    found.extend(listed.iter().map(|file| format!("src/lib.rs: lists src/{file}, which does not exist")));
}

/// Files and functions that are too long.
fn overgrown(files: &Files, rules: &Rules, found: &mut Vec<String>) {
    for (file, source) in files {
        let lines = source.lines().count();
        if lines > rules.most_lines {
            found.push(format!("src/{file}: {lines} lines; at most {}", rules.most_lines));
        }
        for (line, name, length) in functions(&tokens(source)) {
            if length > rules.most_lines_of_a_function {
                let most = rules.most_lines_of_a_function;
                found.push(format!("src/{file}:{line}: fn {name} has {length} lines; at most {most}"));
            }
        }
    }
}

/// Line, name and length of each function with a body.
fn functions(tokens: &[Token]) -> Vec<(usize, String, usize)> {
    let is = |i: usize, any: &[&str]| tokens.get(i).is_some_and(|token| any.contains(&token.text.as_str()));
    let mut found = Vec::new();
    for start in (0..tokens.len()).filter(|&i| is(i, &["fn"]) && !is(i + 1, &["("])) {
        let mut body = start + 1;
        while body < tokens.len() && !is(body, &["{", ";"]) {
            body = if is(body, &["(", "["]) { closing(tokens, body) + 1 } else { body + 1 };
        }
        if is(body, &["{"]) {
            let (first, last) = (tokens[start].line, tokens[closing(tokens, body)].line);
            found.push((first, tokens[start + 1].text.clone(), last - first + 1));
        }
    }
    found
}
