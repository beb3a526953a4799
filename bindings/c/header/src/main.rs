//! Writes `include/pinyon.h` from `src/ffi`; with `--check` only says whether it is what it would write.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let config = cbindgen::Config::from_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("cbindgen.toml"))
        .expect("bindings/c/header/cbindgen.toml is sound");
    let mut sources: Vec<_> = std::fs::read_dir(root.join("src/ffi"))
        .expect("src/ffi is a folder")
        .map(|entry| entry.expect("a file of src/ffi").path())
        .filter(|path| path.extension().is_some_and(|is| is == "rs") && !path.ends_with("mod.rs"))
        .collect();
    // In the order in which a reader meets them.
    const ORDER: [&str; 11] = [
        "codes", "entry", "removal", "cache", "read", "write", "many", "lease", "iterate", "block",
        "boundary",
    ];
    let place = |path: &std::path::PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        ORDER.iter().position(|one| *one == name)
    };
    sources.sort_by_key(|path| (place(path).unwrap_or(ORDER.len()), path.clone()));
    let builder = sources
        .iter()
        .fold(cbindgen::Builder::new().with_config(config), |builder, source| builder.with_src(source));
    let mut text = Vec::new();
    builder.generate().expect("src/ffi is plain enough for cbindgen").write(&mut text);
    let text = tidy(&String::from_utf8(text).expect("a header is text"));
    let header = root.join("include/pinyon.h");
    let there = std::fs::read_to_string(&header).unwrap_or_default();
    if std::env::args().nth(1).as_deref() == Some("--check") {
        if there == text {
            return ExitCode::SUCCESS;
        }
        eprintln!("include/pinyon.h is not what src/ffi says: run `make header`");
        return ExitCode::FAILURE;
    }
    std::fs::write(&header, text).expect("include/pinyon.h can be written");
    ExitCode::SUCCESS
}

/// Without what is for readers of Rust: the safety sections say in other words what the text before them says, and links.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.trim_start().starts_with("* # Safety") {
            skipping = true;
            // The empty line before it.
            if lines.last().is_some_and(|last| last.trim() == "*") {
                lines.pop();
            }
        }
        if line.trim_start().starts_with("*/") {
            skipping = false;
        }
        if !skipping {
            lines.push(line.trim_end());
        }
    }
    lines.join("\n") + "\n"
}
