//! Who a server runs as.

use std::ffi::{CString, OsString};
use std::path::PathBuf;

use mcpvisor_config::Sandbox;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use super::report::Refusal;

/// A user and its groups, as the system knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// `None`: as before, with another group.
    pub(super) uid: Option<u32>,
    pub(super) gid: u32,
    /// All of them, `gid` among them.
    pub(super) groups: Vec<u32>,
    name: Option<String>,
    home: Option<PathBuf>,
}

impl Identity {
    /// `None` where nobody else is asked for.
    ///
    /// # Errors
    /// There is no such user or group, or we may not become anybody else.
    pub(super) fn of(sandbox: &Sandbox) -> Result<Option<Self>, Refusal> {
        let key = match (sandbox.user.is_empty(), sandbox.group.is_empty()) {
            (true, true) => return Ok(None),
            (false, _) => "sandbox.user",
            (true, false) => "sandbox.group",
        };
        if !geteuid().is_root() {
            let reason =
                "only root can run a server as somebody else; start mcpvisor as root, or as that user";
            return Err(Refusal::of(key, reason));
        }
        let group = (!sandbox.group.is_empty()).then(|| group(&sandbox.group)).transpose()?;
        match sandbox.user.as_str() {
            "" => Ok(group.map(Self::of_group)),
            name => user(name, group).map(Some),
        }
    }

    /// What programs expect in a user's environment.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let home = self.home.as_ref().map(|home| ("HOME", home.clone().into_os_string()));
        let name = |variable| self.name.as_ref().map(|name| (variable, OsString::from(name)));
        [home, name("USER"), name("LOGNAME")].into_iter().flatten()
    }

    fn of_group(gid: u32) -> Self {
        Self { uid: None, gid, groups: vec![gid], name: None, home: None }
    }
}

fn user(wanted: &str, group: Option<u32>) -> Result<Identity, Refusal> {
    let key = "sandbox.user";
    let number = wanted.parse::<u32>().ok();
    let known = match number {
        Some(uid) => User::from_uid(Uid::from_raw(uid)),
        None => User::from_name(wanted),
    };
    let known = known.map_err(|error| Refusal::of(key, format!("cannot look up '{wanted}': {error}")))?;
    let Some(known) = known else {
        let Some(uid) = number else { return Err(Refusal::of(key, format!("there is no user '{wanted}'"))) };
        let reason = "no user has this number; give its group too (sandbox.group)";
        let gid = group.ok_or_else(|| Refusal::of(key, reason))?;
        return Ok(Identity { uid: Some(uid), ..Identity::of_group(gid) });
    };
    let gid = group.unwrap_or(known.gid.as_raw());
    let name = CString::new(known.name.as_str()).map_err(|error| Refusal::of(key, error))?;
    let groups = getgrouplist(&name, Gid::from_raw(gid));
    let groups = groups.map_err(|error| Refusal::of(key, format!("its groups are not known: {error}")))?;
    Ok(Identity {
        uid: Some(known.uid.as_raw()),
        gid,
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        name: Some(known.name),
        home: Some(known.dir),
    })
}

fn group(wanted: &str) -> Result<u32, Refusal> {
    if let Ok(gid) = wanted.parse() {
        return Ok(gid);
    }
    let refused = |reason: String| Refusal::of("sandbox.group", reason);
    let known =
        Group::from_name(wanted).map_err(|error| refused(format!("cannot look up '{wanted}': {error}")))?;
    known.map(|group| group.gid.as_raw()).ok_or_else(|| refused(format!("there is no group '{wanted}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str, group: &str) -> Result<Option<Identity>, Refusal> {
        Identity::of(&Sandbox { user: user.to_owned(), group: group.to_owned(), ..Sandbox::default() })
    }

    /// If this failed, a server that was to run as nobody would run as root.
    #[test]
    fn whoever_cannot_become_somebody_else_is_told() {
        assert_eq!(of("", ""), Ok(None));
        if !geteuid().is_root() {
            let Err(Refusal::Sandbox { key, reason }) = of("nobody", "") else { panic!("not refused") };
            assert!(key == "sandbox.user" && reason.contains("only root"), "{reason}");
            return;
        }
        let nobody = of("nobody", "").unwrap().unwrap();
        assert_eq!(nobody.uid, Some(65_534));
        assert!(nobody.groups.contains(&nobody.gid) && !nobody.groups.contains(&0));
        assert!(nobody.variables().any(|variable| variable == ("USER", "nobody".into())));
        for (user, group, key) in [
            ("nobody-knows", "", "sandbox.user"),
            ("", "nobody-knows", "sandbox.group"),
            ("4000000001", "", "sandbox.user"),
        ] {
            assert!(matches!(of(user, group), Err(Refusal::Sandbox { key: found, .. }) if found == key));
        }
        let number = of("4000000001", "7").unwrap().unwrap();
        assert_eq!((number.uid, number.gid, number.groups), (Some(4_000_000_001), 7, vec![7]));
    }
}
