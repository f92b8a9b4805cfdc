//! What a command may do to the machine.

use std::path::PathBuf;

use toml_edit::{Array, InlineTable};

use super::number;
use crate::units::write_duration;
use crate::{Network, Sandbox, Secrets};

pub(super) fn sandbox(sandbox: &Sandbox, secrets: &Secrets) -> InlineTable {
    let paths = |paths: &[PathBuf]| -> Array {
        paths.iter().map(|path| secrets.redact(&path.display().to_string())).collect()
    };
    let mut table = InlineTable::new();
    table.insert("user", secrets.redact(&sandbox.user).into());
    table.insert("group", secrets.redact(&sandbox.group).into());
    table.insert("nice", i64::from(sandbox.nice).into());
    table.insert("memory", number(sandbox.memory).into());
    table.insert("files", number(sandbox.files).into());
    table.insert("processes", number(sandbox.processes).into());
    table.insert("cpu_time", write_duration(sandbox.cpu_time).into());
    table.insert("read_only", paths(&sandbox.read_only).into());
    table.insert("read_write", paths(&sandbox.read_write).into());
    let network = match sandbox.network {
        Network::Open => "open",
        Network::NoTcp => "no_tcp",
        Network::None => "none",
    };
    table.insert("network", network.into());
    table
}
