//! mcpvisor with the echo server behind it.

use crate::common::binaries::Binaries;
use crate::common::gateway::Gateway;
use crate::options::Options;

/// The backend of the round trips: all defaults.
pub(crate) const ECHO: &str = "echo";
/// The same server, whose calls are never repeated by the gateway: a kill in a call is seen as an error.
pub(crate) const FRAGILE: &str = "fragile";

pub(crate) async fn start(options: &Options, binaries: &Binaries) -> anyhow::Result<Gateway> {
    let fixture = &binaries.fixture;
    let backends = format!(
        "[backends.{ECHO}]\ncommand = {fixture:?}\nargs = [\"echo\"]\n\
         [backends.{FRAGILE}]\ncommand = {fixture:?}\nargs = [\"echo\"]\nretry = \"never\"\n"
    );
    Gateway::start(binaries, &backends, &options.set).await
}
