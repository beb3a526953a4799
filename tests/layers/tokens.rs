//! Rust source as tokens, without comments, literals and tests.

/// An identifier, a `::`, or one other character.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

/// The tokens of a source text without comments and literals.
pub fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut i, mut line) = (Vec::new(), 0, 1);
    while i < text.len() {
        let start = i;
        i = match at(i) {
            '/' if at(i + 1) == '/' => (i..text.len()).find(|&j| text[j] == '\n').unwrap_or(text.len()),
            '/' if at(i + 1) == '*' => after_comment(&text, i),
            '"' => after_string(&text, i),
            '\'' => after_quote(&text, i),
            c if word(c) => {
                let end = (i..text.len()).find(|&j| !word(text[j])).unwrap_or(text.len());
                let name: String = text[i..end].iter().collect();
                match raw_string(&text, &name, end) {
                    Some(after) => after,
                    None => {
                        found.push(Token { line, text: name });
                        end
                    }
                }
            }
            ':' if at(i + 1) == ':' => {
                found.push(Token { line, text: "::".into() });
                i + 2
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token { line, text: c.into() });
                }
                i + 1
            }
        };
        line += text[start..i].iter().filter(|&&c| c == '\n').count();
    }
    found
}

fn after_comment(text: &[char], mut i: usize) -> usize {
    let mut depth = 0;
    while i < text.len() {
        match text[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_string(text: &[char], mut i: usize) -> usize {
    i += 1;
    while i < text.len() && text[i] != '"' {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(text.len())
}

/// Behind a character literal, or behind the quote of a lifetime.
fn after_quote(text: &[char], i: usize) -> usize {
    match text[i..] {
        ['\'', '\\', _, ..] => (i + 3..text.len()).find(|&j| text[j] == '\'').map_or(text.len(), |j| j + 1),
        ['\'', _, '\'', ..] => i + 3,
        _ => i + 1,
    }
}

/// Behind a raw string that begins with this prefix.
fn raw_string(text: &[char], prefix: &str, end: usize) -> Option<usize> {
    if !["r", "br", "cr"].contains(&prefix) {
        return None;
    }
    let hashes = text[end..].iter().take_while(|&&c| c == '#').count();
    if text.get(end + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = end + hashes + 1;
    let length = text[body..].windows(close.len()).position(|window| window == close)?;
    Some(body + length + close.len())
}

/// Where the bracket at `open` closes.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len().saturating_sub(1)
}

pub fn texts(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

/// The tokens without the items that stand under `#[cfg(test)]`, and the modules among those.
pub fn without_tests(all: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules, mut i) = (Vec::new(), Vec::new(), 0);
    while i < all.len() {
        let rest = texts(&all[i..all.len().min(i + 7)]);
        let test = rest.starts_with(&["#", "[", "cfg", "(", "test", ")"])
            || rest.starts_with(&["#", "[", "cfg", "(", "all", "(", "test"]);
        if !test {
            kept.push(all[i].clone());
            i += 1;
            continue;
        }
        while i < all.len() && all[i].text == "#" {
            i = closing(all, i + 1) + 1;
        }
        let start = i;
        while i < all.len() && all[i].text != ";" && all[i].text != "{" {
            i = if ["(", "["].contains(&all[i].text.as_str()) { closing(all, i) + 1 } else { i + 1 };
        }
        let item = &all[start..all.len().min(i + 1)];
        if let Some(at) = item.iter().position(|token| token.text == "mod") {
            modules.extend(item.get(at + 1).map(|name| name.text.clone()));
        }
        if i < all.len() && all[i].text == "{" {
            i = closing(all, i);
        }
        i += 1;
    }
    (kept, modules)
}
