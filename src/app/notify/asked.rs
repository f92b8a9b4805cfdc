//! What the environment asks for. Pure.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::time::Duration;

/// Why it cannot be done as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// Neither a path nor an abstract name, or too long for either.
    #[error(
        "NOTIFY_SOCKET={0:?} is no absolute path and no name after an @ ({1}): systemd will not be told anything"
    )]
    Socket(OsString, io::Error),
    /// No number of microseconds.
    #[error(
        "WATCHDOG_USEC={0:?} is no number of microseconds above 0: systemd will not be told that the service lives"
    )]
    Watchdog(OsString),
}

/// Where messages go: `NOTIFY_SOCKET`, unless it is not set or empty.
pub(super) fn socket(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<SocketAddr>, Problem> {
    let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
    address(&name).map(Some).map_err(|error| Problem::Socket(name, error))
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', _, ..] => SocketAddr::from_pathname(name),
        [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// How long systemd waits between two signs of life: `WATCHDOG_USEC`, if it means the process `pid`.
pub(super) fn watchdog(
    variable: impl Fn(&str) -> Option<OsString>,
    pid: u32,
) -> Result<Option<Duration>, Problem> {
    let Some(time) = variable("WATCHDOG_USEC").filter(|time| !time.is_empty()) else { return Ok(None) };
    // It may be our parent's, which has not taken it out of the environment.
    if variable("WATCHDOG_PID").is_some_and(|of| of.to_str().and_then(|of| of.parse().ok()) != Some(pid)) {
        return Ok(None);
    }
    match time.to_str().and_then(|time| time.parse().ok()) {
        Some(time) if time > 0 => Ok(Some(Duration::from_micros(time))),
        _ => Err(Problem::Watchdog(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let variables: Vec<_> =
            variables.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
        move |name| variables.iter().find(|(known, _)| known == name).map(|(_, value)| OsString::clone(value))
    }

    /// If this failed, a start under systemd would time out and be killed, or one without it be warned of nothing.
    #[test]
    fn paths_and_abstract_names_are_sockets() {
        let named = |name: &str| socket(of(&[("NOTIFY_SOCKET", name)]));
        assert_eq!(
            named("/run/notify").unwrap().unwrap().as_pathname().unwrap().to_str(),
            Some("/run/notify")
        );
        assert_eq!(named("@a/b").unwrap().unwrap().as_abstract_name(), Some(&b"a/b"[..]));
        assert!(named("").unwrap().is_none() && socket(of(&[])).unwrap().is_none());
        for wrong in ["notify", "@", "/", "vsock:2:1234", &format!("/{}", "x".repeat(200))] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    /// If this failed, a service would be killed for its silence, or a program that it was started by.
    #[test]
    fn a_watchdog_is_for_the_process_it_names() {
        let asked = |variables: &[(&str, &str)]| watchdog(of(variables), 7);
        let time = ("WATCHDOG_USEC", "30000000");
        let every = Duration::from_secs(30);
        assert_eq!(asked(&[]).unwrap(), None);
        assert_eq!(asked(&[time]).unwrap(), Some(every));
        assert_eq!(asked(&[time, ("WATCHDOG_PID", "7")]).unwrap(), Some(every));
        assert_eq!(asked(&[time, ("WATCHDOG_PID", "8")]).unwrap(), None);
        assert_eq!(asked(&[time, ("WATCHDOG_PID", "x")]).unwrap(), None);
        for wrong in ["0", "-1", "30s"] {
            assert!(asked(&[("WATCHDOG_USEC", wrong)]).is_err(), "{wrong}");
        }
    }
}
