//! Pinyon beside its peers: the same workloads, the same loops, in one process, in alternating runs.
//!
//! `peer` is what a cache has to be able to do, `peers` the adapters; `keys` what is asked for; `gang` runs threads,
//! `rounds` runs peers by turns; `workloads` what is measured; `report` prints it.

mod args;
mod cpu;
mod gang;
mod heap;
mod histogram;
mod keys;
mod machine;
mod peer;
mod peers;
mod report;
mod rounds;
mod workloads;

use args::Args;
use std::io::Write;
use std::process::{Command, Stdio, exit};

fn main() {
    let args = Args::parse(std::env::args().skip(1)).unwrap_or_else(|(message, code)| {
        if code == 0 {
            print!("{message}")
        } else {
            eprint!("{message}")
        }
        exit(code)
    });
    match args.workloads.as_slice() {
        [workload] if args.child => workloads::run(workload, &args),
        workloads => start_all(&args, workloads),
    }
}

/// Runs each workload in a process of its own, so that none finds the heap in the state in which another left it.
fn start_all(args: &Args, workloads: &[String]) {
    let mut output = args.json.as_ref().map(|path| {
        std::fs::File::create(path).unwrap_or_else(|error| {
            eprintln!("peers: {} cannot be written ({error})", path.display());
            exit(2)
        })
    });
    let about = machine::line(args).finish();
    match &mut output {
        Some(file) => writeln!(file, "{about}").expect("the file can be written"),
        None => println!("{about}"),
    }
    for workload in workloads {
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"));
        child.args(args.child(workload, &args.peers));
        if let Some(file) = &mut output {
            child.stdout(Stdio::from(file.try_clone().expect("a file handle can be copied")));
        }
        let status = child.status().expect("this program can be started again");
        if !status.success() {
            eprintln!("peers: {workload} failed ({status})");
            exit(1);
        }
    }
}
