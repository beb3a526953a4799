//! What the figures were measured on.

use crate::args::Args;
use crate::report::Line;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The value of a line `name : value` of a file.
fn field(path: &str, name: &str) -> String {
    let text = file(path);
    let value = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
    value.unwrap_or("unknown").trim().to_owned()
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The machine, the day and the settings.
pub fn line(args: &Args) -> Line {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let words: Vec<String> = std::env::args().skip(1).collect();
    let line = Line::new("machine").text("cpu", &field("/proc/cpuinfo", "model name")).exact("cores", cores);
    let line = line
        .text("memory", &field("/proc/meminfo", "MemTotal"))
        .text("kernel", &file("/proc/sys/kernel/osrelease"));
    let line = line.text("huge_pages", &file("/sys/kernel/mm/transparent_hugepage/enabled"));
    let line =
        line.text("load", &file("/proc/loadavg")).text("rustc", &rustc()).text("arguments", &words.join(" "));
    line.exact("date", now).exact("runs", args.runs).exact("quick", args.quick)
}
