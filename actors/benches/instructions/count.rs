//! One case under callgrind.

use std::io;
use std::process::Command;

use super::cases::Case;

/// Instructions of one repetition.
pub(crate) fn each(case: &Case) -> io::Result<u64> {
    let (once, twice) = (counted(case, case.times)?, counted(case, 2 * case.times)?);
    Ok(twice.saturating_sub(once) / case.times)
}

/// Instructions of the whole process.
fn counted(case: &Case, times: u64) -> io::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--"])
        .arg(std::env::current_exe()?)
        .args(["--case", case.name, "--times", &times.to_string()])
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("valgrind cannot be run: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let counted = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match counted {
        Some(counted) if output.status.success() => Ok(counted),
        _ => Err(io::Error::other(format!("valgrind failed ({}):\n{said}", output.status))),
    }
}
