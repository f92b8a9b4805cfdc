//! Where state folders are.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The folders that hold the state folders: that of the session first, then the one under the temporary folder.
pub(super) fn bases() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let uid = rustix::process::getuid().as_raw();
    // Named by user: the temporary folder belongs to all of them.
    let temporary = std::env::temp_dir().join(format!("mcpvisor-{uid}"));
    runtime.map(|path| path.join("mcpvisor")).into_iter().chain([temporary]).collect()
}

/// The folder of a configuration: the same for every start of it, another for every other one. With port 0 each
/// start is a service of its own.
pub(super) fn default_for(sources: &[PathBuf], listen: &str) -> PathBuf {
    let mut name = Sha256::new();
    if sources.is_empty() {
        name.update("demo");
    }
    for source in sources {
        let path = fs::canonicalize(source).unwrap_or_else(|_| source.clone());
        name.update(path.as_os_str().as_encoded_bytes());
        name.update([0]);
    }
    name.update(listen);
    if listen.ends_with(":0") {
        name.update(std::process::id().to_le_bytes());
    }
    let name: String = name.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let mut bases = bases();
    let base = match bases.iter().position(|base| usable(base)) {
        Some(index) => bases.swap_remove(index),
        None => bases.pop().unwrap_or_default(),
    };
    base.join(name)
}

/// The state folders in `base`.
pub(super) fn children(base: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(base) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Makes the folder and those above it, for its owner only. One that belongs to somebody else, or lets others
/// write, is refused: in a shared temporary folder anybody could have put it there.
pub(super) fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let refused =
        |what: &str| Err(io::Error::new(ErrorKind::PermissionDenied, format!("{} {what}", folder.display())));
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return refused("is not a folder");
    }
    if found.uid() != rustix::process::getuid().as_raw() {
        return refused("belongs to another user");
    }
    if found.permissions().mode() & 0o022 != 0 {
        return refused("can be written by others");
    }
    Ok(())
}

/// Removes a folder of ours that only holds the lock; those named in the configuration stay.
pub(super) fn remove_if_default(folder: &Path) {
    let ours = folder.parent().is_some_and(|parent| bases().iter().any(|base| base == parent));
    if ours {
        let _ = fs::remove_file(folder.join("lock"));
        let _ = fs::remove_dir(folder);
    }
}

/// Whether state can be put there: the folder of a user session may be set and yet be missing.
fn usable(base: &Path) -> bool {
    match create_private(base) {
        Ok(()) => rustix::fs::access(base, rustix::fs::Access::WRITE_OK).is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configuration_has_a_folder_of_its_own_and_finds_it_again() {
        let of = |file: &str, listen: &str| default_for(&[file.into()], listen);
        assert_eq!(of("/a.toml", "127.0.0.1:8080"), of("/a.toml", "127.0.0.1:8080"));
        assert_ne!(of("/a.toml", "127.0.0.1:8080"), of("/b.toml", "127.0.0.1:8080"));
        assert_ne!(of("/a.toml", "127.0.0.1:8080"), of("/a.toml", "127.0.0.1:8081"));
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_trusted() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("open");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(create_private(&folder).is_err());
        let private = base.path().join("private");
        create_private(&private).unwrap();
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
