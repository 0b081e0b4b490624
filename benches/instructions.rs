//! The cases without a harness, for `benches/instructions` to count instructions of:
//! `instructions CASE N` runs one of them N times. With other arguments it lists them, with the
//! bytes of payload of each.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool at a terminal")]

mod cases;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo adds options of its own, such as --bench.
    let [name, times] = arguments.as_slice() else { return list() };
    if name.starts_with('-') || times.starts_with('-') {
        return list();
    }
    match (cases::named(name), times.parse()) {
        (Some(case), Ok(times)) => run(case, times),
        (None, _) => refuse(&format!("there is no case {name}")),
        (_, Err(_)) => refuse(&format!("{times} is no number of runs")),
    }
}

fn list() -> ExitCode {
    cases::ALL.iter().for_each(|case| println!("{} {}", case.name, case.bytes));
    ExitCode::SUCCESS
}

fn run(case: &cases::Case, times: u32) -> ExitCode {
    let mut run = (case.prepare)();
    (0..times).for_each(|_| run());
    ExitCode::SUCCESS
}

fn refuse(reason: &str) -> ExitCode {
    eprintln!("{reason}; usage: instructions CASE N");
    ExitCode::from(2)
}
