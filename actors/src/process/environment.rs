//! The environment of a child: an allow-list, so that mcpvisor's own secrets reach no server.

use crate::glob;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{MARKER_VARIABLE, Spec};

/// What systemd tells this process, and no other: a child that believed it would report to systemd in our name, or
/// take our sockets for its own. A glob as wide as `*` does not mean these.
const OURS: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What of `own` the globs let through, then the backend's own variables, then the marker.
pub(super) fn environment_of(
    spec: &Spec,
    own: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut environment = inherited(&spec.env_pass, own);
    environment.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
    // Last, so that neither a glob nor a backend can hide its processes from the sweep.
    environment.insert(MARKER_VARIABLE.into(), OsString::from(&spec.marker));
    environment
}

/// What of `own` the globs let through.
pub(super) fn inherited(
    globs: &[String],
    own: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    own.filter(|(name, _)| passes(globs, name)).collect()
}

fn passes(globs: &[String], name: &OsStr) -> bool {
    !OURS.iter().any(|ours| name == *ours)
        && globs.iter().any(|glob| glob::matches(glob.as_bytes(), name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(env: &[(&str, &str)], env_pass: &[&str]) -> Spec {
        Spec {
            command: "server".into(),
            args: Vec::new(),
            env: env.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
            env_pass: env_pass.iter().map(|&glob| glob.into()).collect(),
            cwd: None,
            confinement: None,
            container: None,
            marker: "i:1".into(),
        }
    }

    fn own(variables: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
        variables.iter().map(|&(name, value)| (name.into(), value.into())).collect::<Vec<_>>().into_iter()
    }

    /// If this failed, every server would get the database password that mcpvisor was started with.
    #[test]
    fn only_the_allow_list_passes() {
        let own = own(&[("PATH", "/bin"), ("LC_TIME", "C"), ("DB_PASSWORD", "secret"), ("http_proxy", "p")]);
        let environment = environment_of(&spec(&[], &["PATH", "LC_*", "*_proxy"]), own);
        let names: Vec<_> = environment.keys().filter_map(|name| name.to_str()).collect();
        assert_eq!(names, ["LC_TIME", "MCPVISOR_CHILD", "PATH", "http_proxy"]);
    }

    /// If this failed, a server could tell systemd that mcpvisor is ready, alive, or ending.
    #[test]
    fn what_systemd_tells_us_is_not_told_to_servers() {
        let told =
            [("NOTIFY_SOCKET", "/run/notify"), ("WATCHDOG_USEC", "1"), ("WATCHDOG_PID", "7"), ("A", "b")];
        let environment = environment_of(&spec(&[], &["*", "NOTIFY_SOCKET"]), own(&told));
        let names: Vec<_> = environment.keys().filter_map(|name| name.to_str()).collect();
        assert_eq!(names, ["A", "MCPVISOR_CHILD"]);
        let of_its_own = environment_of(&spec(&[("NOTIFY_SOCKET", "/run/its")], &["*"]), own(&told));
        assert_eq!(of_its_own[OsStr::new("NOTIFY_SOCKET")], "/run/its");
    }

    /// If this failed, a backend could not set its own PATH, or could hide its processes from the sweep.
    #[test]
    fn the_backend_wins_except_over_the_marker() {
        let own = own(&[("PATH", "/bin"), ("MCPVISOR_CHILD", "outer:1")]);
        let environment = environment_of(&spec(&[("PATH", "/opt"), ("MCPVISOR_CHILD", "x")], &["*"]), own);
        assert_eq!(environment[OsStr::new("PATH")], "/opt");
        assert_eq!(environment[OsStr::new("MCPVISOR_CHILD")], "i:1");
    }
}
