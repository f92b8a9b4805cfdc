//! mcpvisor with the echo server behind it.

use crate::common::binaries::Binaries;
use crate::common::gateway::Gateway;
use crate::common::session::SESSION_HEADER;
use crate::common::tool::Era;
use crate::options::Options;

/// The backend of the round trips: all defaults.
pub(crate) const ECHO: &str = "echo";
/// The same server, speaking 2026-07-28.
pub(crate) const MODERN: &str = "modern";
/// The same server, whose calls are never repeated by the gateway: a kill in a call is seen as an error.
pub(crate) const FRAGILE: &str = "fragile";
/// The same server, with a process in reserve.
pub(crate) const WARM: &str = "warm";
/// A server that dies after each handshake.
pub(crate) const CRASHING: &str = "crashing";
/// A server that writes to standard error without end.
pub(crate) const FLOODING: &str = "flooding";

/// Backends that only single scenarios use.
fn neighbours(binaries: &Binaries) -> String {
    let fixture = &binaries.fixture;
    format!(
        "[backends.{WARM}]\ncommand = {fixture:?}\nargs = [\"echo\"]\nwarm = 1\n\
         [backends.{CRASHING}]\ncommand = {fixture:?}\nargs = [\"misbehave\", \"--die-after-handshake\"]\n\
         [backends.{FLOODING}]\ncommand = {fixture:?}\nargs = [\"misbehave\", \"--flood-stderr\"]\n"
    )
}

/// What is served of that era.
pub(crate) fn of(era: Era) -> &'static str {
    match era {
        Era::Legacy => ECHO,
        Era::Modern => MODERN,
    }
}

/// With these settings besides those of the options.
pub(crate) async fn start(
    options: &Options,
    binaries: &Binaries,
    settings: &[&str],
) -> anyhow::Result<Gateway> {
    let fixture = &binaries.fixture;
    let backends = format!(
        "[session]\nheader = \"{SESSION_HEADER}\"\n\
         [backends.{ECHO}]\ncommand = {fixture:?}\nargs = [\"echo\"]\n\
         [backends.{MODERN}]\ncommand = {fixture:?}\nargs = [\"echo\", \"--modern\"]\n\
         [backends.{FRAGILE}]\ncommand = {fixture:?}\nargs = [\"echo\"]\nretry = \"never\"\n{}",
        neighbours(binaries)
    );
    let settings: Vec<String> =
        settings.iter().map(|setting| (*setting).to_owned()).chain(options.set.iter().cloned()).collect();
    Gateway::start(binaries, &backends, &settings).await
}
