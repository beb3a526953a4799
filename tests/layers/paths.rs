//! The paths that a file names, from the root of the crate.

use std::collections::BTreeSet;

use crate::tokens::{Token, closing};

/// A path that a file names.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    pub line: usize,
    /// Absolute: from the crate's root without `crate`, or `::` and the path from an external crate or a local name.
    pub path: Vec<String>,
    /// The name it is re-exported under, if it is.
    pub exported: Option<String>,
    /// The inline modules inside which it stands.
    pub scope: Vec<String>,
}

impl Named {
    /// From the crate's root, if it is a path of this crate.
    pub fn inside(&self) -> Option<String> {
        (self.path.first()? != "::").then(|| self.path.join("::"))
    }

    /// From an external crate's name, if it is a path out of this crate.
    pub fn outside(&self) -> Option<String> {
        (self.path.first()? == "::").then(|| self.path[1..].join("::"))
    }
}

/// The module's path of a file below `src`: `shard/table.rs` is `shard::table`.
pub fn module_path(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').map(String::from).collect()
}

/// The root of the crate is the file lib.rs, and the empty path.
pub fn root_of(path: &[String]) -> Vec<String> {
    if path == ["lib"] { Vec::new() } else { path.to_vec() }
}

/// Every path with at least two segments, with `use` trees taken apart.
pub fn named_paths(tokens: &[Token], module: &[String]) -> Vec<Named> {
    let children: BTreeSet<&str> =
        tokens.windows(2).filter(|two| two[0].text == "mod").map(|two| two[1].text.as_str()).collect();
    let (mut found, mut scopes, mut depth, mut i) = (Vec::new(), Vec::<(String, usize)>::new(), 0_usize, 0);
    while i < tokens.len() {
        let scope: Vec<String> = scopes.iter().map(|(name, _)| name.clone()).collect();
        match tokens[i].text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if scopes.last().is_some_and(|(_, at)| *at == depth) {
                    scopes.pop();
                }
            }
            "mod" if tokens.get(i + 2).is_some_and(|token| token.text == "{") => {
                scopes.push((tokens[i + 1].text.clone(), depth));
            }
            "in" if i > 1 && tokens[i - 1].text == "(" && tokens[i - 2].text == "pub" => {
                i = closing(tokens, i - 1);
            }
            // Not the `use<'a>` of a return type.
            "use" if tokens.get(i + 1).is_some_and(|next| next.text != "<") => {
                let exported = i > 0 && (tokens[i - 1].text == "pub" || tokens[i - 1].text == ")");
                let mut leaves = Vec::new();
                i = use_tree(tokens, i + 1, &[], &mut leaves);
                for (line, path, name) in leaves {
                    let absolute = absolute(&path, module, &scope, &children, true);
                    let exported = exported.then_some(name);
                    found.extend(absolute.map(|path| Named { line, path, exported, scope: scope.clone() }));
                }
                continue;
            }
            _ => {
                let path = plain_path(tokens, i);
                let macro_call = path.len() == 1 && tokens.get(i + 1).is_some_and(|next| next.text == "!");
                if path.len() > 1 || macro_call {
                    let line = tokens[i].line;
                    let absolute = absolute(&path, module, &scope, &children, false);
                    found.extend(absolute.map(|path| Named {
                        line,
                        path,
                        exported: None,
                        scope: scope.clone(),
                    }));
                    i += path.len() * 2 - 1;
                    continue;
                }
            }
        }
        i += 1;
    }
    found
}

/// The segments of a path that begins here, or nothing if none does.
fn plain_path(tokens: &[Token], start: usize) -> Vec<String> {
    let word = |i: usize| {
        tokens.get(i).filter(|token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    };
    let behind = |text: &str| start > 0 && tokens[start - 1].text == text;
    let (mut path, mut i) = (Vec::new(), start);
    if behind(".")
        || (behind("::") && start > 1 && (word(start - 2).is_some() || tokens[start - 2].text == ">"))
    {
        return path;
    }
    while let Some(token) = word(i) {
        path.push(token.text.clone());
        if tokens.get(i + 1).is_none_or(|next| next.text != "::") {
            break;
        }
        i += 2;
    }
    path
}

/// Reads a `use` tree and returns where it ends. A leaf is its line, its path and the name it gets.
fn use_tree(
    tokens: &[Token],
    mut i: usize,
    prefix: &[String],
    leaves: &mut Vec<(usize, Vec<String>, String)>,
) -> usize {
    let mut path = prefix.to_vec();
    let mut alias = None;
    let line = tokens.get(i).map_or(0, |token| token.line);
    while i < tokens.len() {
        match tokens[i].text.as_str() {
            "{" => {
                let end = closing(tokens, i);
                i += 1;
                while i < end {
                    i = use_tree(tokens, i, &path, leaves);
                    i += 1; // the comma, or the brace
                }
                return end + 1;
            }
            "as" => {
                alias = tokens.get(i + 1).map(|name| name.text.clone());
                i += 1;
            }
            ";" | "," | "}" => break,
            "::" => {}
            segment => path.push(segment.into()),
        }
        i += 1;
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
    leaves.push((line, path, name));
    i
}

/// Resolves `crate`, `super`, `self` and child modules. `None` for a path of local names.
fn absolute(
    path: &[String],
    module: &[String],
    scope: &[String],
    children: &BTreeSet<&str>,
    import: bool,
) -> Option<Vec<String>> {
    let here = || module.iter().chain(scope).cloned().collect::<Vec<_>>();
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" | "$crate" => Some(rest.to_vec()),
        "self" => Some(here().into_iter().chain(rest.iter().cloned()).collect()),
        "super" => {
            let mut base = here();
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            base.truncate(base.len().saturating_sub(ups));
            base.extend(path[ups..].iter().cloned());
            Some(base)
        }
        "Self" => None,
        name if children.contains(name) => Some(here().into_iter().chain(path.iter().cloned()).collect()),
        name if import || name.starts_with(char::is_lowercase) => {
            Some(std::iter::once("::".to_string()).chain(path.iter().cloned()).collect())
        }
        _ => None,
    }
}
