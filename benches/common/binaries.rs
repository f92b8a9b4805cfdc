//! The programs under measurement, freshly built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Where they are.
pub(crate) struct Binaries {
    pub(crate) mcpvisor: PathBuf,
    pub(crate) fixture: PathBuf,
}

impl Binaries {
    /// Cargo has built mcpvisor before it started us; the fixture is of another package, so it is built here,
    /// with the same profile.
    pub(crate) fn build() -> anyhow::Result<Self> {
        let mcpvisor = PathBuf::from(env!("CARGO_BIN_EXE_mcpvisor"));
        let folder = mcpvisor.parent().context("the binary is in no folder")?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "build",
            "--quiet",
            "--package",
            "mcpvisor-fixture",
        ]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        cargo.arg("--target-dir").arg(folder.parent().context("the binary is in no target folder")?);
        ensure!(cargo.status().context("cannot start cargo")?.success(), "mcpvisor-fixture does not build");
        let fixture = folder.join("mcpvisor-fixture");
        Ok(Self { mcpvisor, fixture })
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> &Path {
        self.mcpvisor.ancestors().nth(2).unwrap_or(Path::new("target"))
    }
}
