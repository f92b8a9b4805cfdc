//! How many instructions a message costs on its way, counted by callgrind: the same on a busy machine as on an idle one.
//!
//! Each case is run twice, with twice as many repetitions the second time: the difference is what the repetitions cost, and
//! nothing else. A case that costs more than its bound fails; so does one that costs so much less that its bound says nothing.
//!
//! `cargo bench --package mcpvisor-actors --bench instructions` needs valgrind. `cargo test` only tries the cases.

mod cases;
mod count;

use std::process::ExitCode;

use cases::{CASES, Case};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--case", name, "--times", times] => match (Case::named(name), times.parse()) {
            (Some(case), Ok(times)) => {
                (case.run)(times);
                ExitCode::SUCCESS
            }
            _ => ExitCode::from(2),
        },
        _ if words.contains(&"--bench") => check(),
        _ => {
            CASES.iter().for_each(|case| (case.run)(10));
            ExitCode::SUCCESS
        }
    }
}

fn check() -> ExitCode {
    let mut failed = false;
    println!("{:<44} {:>10} {:>10}", "instructions", "each", "bound");
    for case in CASES {
        match count::each(case) {
            Ok(each) => {
                let verdict = case.verdict(each);
                failed |= verdict.is_some();
                println!("{:<44} {each:>10} {:>10}  {}", case.name, case.bound, verdict.unwrap_or("ok"));
            }
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
