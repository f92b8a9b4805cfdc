//! Finding the file that a command names, before anything is forked.
//!
//! Done here and not by `exec`: the child's `PATH` counts, not ours; the error can say where it looked; and an absolute
//! path keeps the standard library on its `posix_spawn` path, which does not copy our page tables.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::spawn::SpawnError;

/// What the C library takes when there is no `PATH` at all.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The directory a child starts in, absolute and checked.
pub(super) fn working_directory(cwd: Option<&Path>) -> Result<PathBuf, SpawnError> {
    let wanted = cwd.unwrap_or(Path::new("."));
    let failed = |reason| SpawnError::Cwd { path: wanted.to_path_buf(), reason };
    let absolute = std::path::absolute(wanted).map_err(failed)?;
    if !absolute.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    access(&absolute, Access::EXEC_OK).map_err(|errno| failed(errno.into()))?;
    Ok(absolute)
}

/// The absolute path of the executable file that `command` names.
pub(super) fn resolve(command: &str, cwd: &Path, path: Option<&OsStr>) -> Result<PathBuf, SpawnError> {
    if command.contains('/') {
        let file = cwd.join(command);
        return match file.metadata() {
            Ok(_) => executable(command, file),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(not_executable(command, file, error))
            }
            Err(_) => Err(SpawnError::NotFound { command: command.into(), looked_in: display(&file) }),
        };
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut refused = None;
    if !command.is_empty() {
        for directory in std::env::split_paths(path) {
            let file = cwd.join(directory).join(command);
            if !file.exists() {
                continue;
            }
            match executable(command, file) {
                Ok(file) => return Ok(file),
                // Like execvp: a directory further on may hold one that can be run.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
    }
    Err(refused.unwrap_or_else(|| SpawnError::NotFound {
        command: command.into(),
        looked_in: format!("PATH={}", path.to_string_lossy()),
    }))
}

/// Why the kernel said "no such file" of a file that is there: the program that should run it is missing.
pub(super) fn missing_interpreter(file: &Path) -> String {
    let mut head = [0; 256];
    let length = std::fs::File::open(file).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let first_line = head[..length].split(|&byte| byte == b'\n').next().unwrap_or_default();
    match first_line.strip_prefix(b"#!") {
        Some(line) => {
            let line = String::from_utf8_lossy(line);
            format!("its interpreter '{}' is missing", line.split_whitespace().next().unwrap_or_default())
        }
        None => "its dynamic loader is missing".into(),
    }
}

fn executable(command: &str, file: PathBuf) -> Result<PathBuf, SpawnError> {
    if file.is_dir() {
        return Err(not_executable(command, file, "it is a directory"));
    }
    match access(&file, Access::EXEC_OK) {
        Ok(()) => Ok(file),
        Err(errno) => Err(not_executable(command, file, errno)),
    }
}

fn not_executable(command: &str, path: PathBuf, reason: impl ToString) -> SpawnError {
    SpawnError::NotExecutable { command: command.into(), path, reason: reason.to_string() }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
