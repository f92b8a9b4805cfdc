//! Files and TCP, by Landlock.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use mcpvisor_config::{Network, Sandbox};

use super::report::Refusal;

/// Before it (Linux 6.2) a file that may only be read could still be cut to nothing.
const FILES: ABI = ABI::V3;
/// The first that knows of TCP (Linux 6.7).
const TCP: ABI = ABI::V4;

/// The rules, not in force yet. `None` where there are none.
///
/// # Errors
/// The kernel does not know them, or a path cannot be opened.
pub(super) fn rules(sandbox: &Sandbox) -> Result<Option<RulesetCreated>, Refusal> {
    let no_tcp = sandbox.network == Network::NoTcp;
    if !sandbox.has_files_of_its_own() && !no_tcp {
        return Ok(None);
    }
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if sandbox.has_files_of_its_own() {
        let key = if sandbox.read_only.is_empty() { "sandbox.read_write" } else { "sandbox.read_only" };
        let refused = |error| unknown(key, "Linux 6.2", &error);
        ruleset = ruleset.handle_access(AccessFs::from_all(FILES)).map_err(refused)?;
    }
    if no_tcp {
        let refused = |error| unknown("sandbox.network", "Linux 6.7", &error);
        ruleset = ruleset.handle_access(AccessNet::from_all(TCP)).map_err(refused)?;
    }
    // And, where the kernel can (Linux 6.12), no signals to what is not confined with it: the service above all.
    let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort).scope(Scope::Signal);
    let refused = |error| unknown("sandbox", "Linux 6.2", &error);
    let ruleset = ruleset.map_err(refused)?.set_compatibility(CompatLevel::HardRequirement);
    let mut created = ruleset.create().map_err(refused)?;
    for (key, paths, access) in [
        ("sandbox.read_only", &sandbox.read_only, AccessFs::from_read(FILES)),
        ("sandbox.read_write", &sandbox.read_write, AccessFs::from_all(FILES)),
    ] {
        created = allow(created, key, paths, access)?;
    }
    Ok(Some(created))
}

/// Puts them into force, for good.
///
/// # Errors
/// The kernel will not.
pub(super) fn obey(rules: RulesetCreated) -> Result<(), Refusal> {
    let status = rules.restrict_self().map_err(|error| Refusal::of("sandbox", error))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(Refusal::of("sandbox", "the kernel did not put its rules into force"));
    }
    Ok(())
}

fn allow(
    mut rules: RulesetCreated,
    key: &str,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Refusal> {
    for (index, path) in paths.iter().enumerate() {
        let refused = |reason: String| Refusal::of(format!("{key}[{index}]"), reason);
        let opened = PathFd::new(path).map_err(|_| refused(not_opened(path)))?;
        let fits = if path.is_dir() { access } else { access & AccessFs::from_file(FILES) };
        let added = rules.add_rule(PathBeneath::new(opened, fits));
        rules = added.map_err(|error| refused(format!("{}: {error}", path.display())))?;
    }
    Ok(rules)
}

fn not_opened(path: &Path) -> String {
    let why = path.metadata().err().map_or("it cannot be opened".to_owned(), |error| error.to_string());
    format!("{}: {why}", path.display())
}

fn unknown(key: &str, since: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::of(
        key,
        format!("this kernel cannot: Landlock of {since} or later has to be there and enabled ({error})"),
    )
}
