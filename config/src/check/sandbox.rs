//! What a command may be kept from: whether it makes sense, not whether this machine can do it.

use std::path::PathBuf;
use std::time::Duration;

use super::Checks;
use crate::key_path::KeyPath;
use crate::{Backend, Sandbox};

/// Less, and no program gets as far as its first line.
const LEAST_MEMORY: usize = 4 * 1024 * 1024;
/// Less, and a program cannot load its libraries.
const LEAST_FILES: usize = 16;

impl Checks<'_> {
    pub(super) fn sandbox(&mut self, backend: &Backend, at: &KeyPath) {
        let (at, sandbox) = (at.key("sandbox"), &backend.sandbox);
        self.sandbox_numbers(sandbox, &at);
        for (key, name) in [("user", &sandbox.user), ("group", &sandbox.group)] {
            if name.contains(['\0', ':', '/']) || name.trim() != name {
                self.fault(&at.key(key), &[], "not a name", "a name as in /etc/passwd, or a number");
            }
        }
        for (key, paths) in [("read_only", &sandbox.read_only), ("read_write", &sandbox.read_write)] {
            self.sandbox_paths(paths, &at.key(key));
        }
        let both = |(index, path): (usize, &PathBuf)| sandbox.read_write.contains(path).then_some(index);
        for index in sandbox.read_only.iter().enumerate().filter_map(both) {
            let hint = "keep one: what may be written may be read";
            self.fault(&at.key("read_only").index(index), &[], "stands in read_write too", hint);
        }
    }

    fn sandbox_numbers(&mut self, sandbox: &Sandbox, at: &KeyPath) {
        if !(-20..=19).contains(&sandbox.nice) {
            let hint = "from -20 (first) to 19 (last); 0 = as mcpvisor";
            self.fault(&at.key("nice"), &[], "no such niceness", hint);
        }
        if (1..LEAST_MEMORY).contains(&sandbox.memory) {
            self.fault(&at.key("memory"), &[], "too little to start in", "at least \"4MiB\"; 0 = no limit");
        }
        if (1..LEAST_FILES).contains(&sandbox.files) {
            let hint = format!("at least {LEAST_FILES}; 0 = the ordinary limit");
            self.fault(&at.key("files"), &[], "too few to start with", hint);
        }
        let cpu = sandbox.cpu_time;
        if !cpu.is_zero() && (cpu < Duration::from_secs(1) || cpu.subsec_nanos() > 0) {
            self.fault(&at.key("cpu_time"), &[], "not whole seconds", "such as \"10m\"; \"0s\" = no limit");
        }
    }

    fn sandbox_paths(&mut self, paths: &[PathBuf], at: &KeyPath) {
        for (index, path) in paths.iter().enumerate() {
            if !path.is_absolute() || path.to_string_lossy().contains('\0') {
                self.fault(&at.index(index), &[], "not an absolute path", "such as \"/srv/data\"");
            }
            if paths.iter().take(index).any(|earlier| earlier == path) {
                self.fault(&at.index(index), &[], "stands there twice", "name it once");
            }
        }
    }
}
