//! The command line.

pub mod call;
pub mod check;
mod client;
pub mod connect;
pub mod events;
mod explain;
mod figures;
mod latency;
pub mod logs;
pub mod orders;
mod paint;
pub mod reload;
mod service;
mod sse;
pub mod status;
mod table;
mod target;
pub mod tools;
pub mod top;
mod values;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::app::Outcome;
use crate::app::settings::ConfigArguments;

/// What a wrong command line exits with (`EX_USAGE`); clap's own 2 says nothing.
const USAGE: u8 = 64;

/// The hidden command by which the service starts its guard.
pub const GUARD: &str = "guard";
/// The hidden command by which the service starts a server that has a `sandbox`.
pub const CONFINE: &str = "confine";

/// Launches, supervises and serves MCP servers: no session lost to a crash, no process left behind.
///
/// Without a command it runs the service, and without a configuration that serves a demo.
#[derive(Debug, Parser)]
#[command(name = "mcpvisor", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service (also without any command)
    Serve(ServeArguments),
    /// Check the configuration and print what is in effect, without secrets
    Check(ConfigArguments),
    /// Run the built-in MCP server on standard input and output
    DemoServer,
    /// List the tools of an MCP endpoint
    Tools(tools::Arguments),
    /// Call tools of an MCP endpoint
    Call(call::Arguments),
    /// Bridge standard input and output to a running service, for clients that only launch commands
    Connect(connect::Arguments),
    /// Show the backends and connections of a running service
    Status(status::Arguments),
    /// Give a backend, or one session of it, another process: what is in flight finishes first
    Restart(orders::Arguments),
    /// Stop a backend until it is started again, or end one session of it
    Stop(orders::Arguments),
    /// Start a stopped backend
    Start(orders::StartArguments),
    /// Print what servers write to standard error
    Logs(logs::Arguments),
    /// Print what happened: launches, crashes, restarts, stops
    Events(events::Arguments),
    /// Show backends and connections, live
    Top(top::Arguments),
    /// Read the configuration of a running service again, and put what has changed into effect
    Reload(reload::Arguments),
    /// End the servers of the service at the other end of standard input when it is killed; the service starts this itself
    #[command(name = GUARD, hide = true)]
    Guard,
    /// Confine this process, then become another program; the service starts this itself
    #[command(skip)]
    Confine(Vec<OsString>),
    /// Print shell completions
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// `mcpvisor serve`
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArguments {
    /// What to serve.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Address of the MCP endpoints [default: 127.0.0.1:8080]; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Address of metrics and the admin API [default: 127.0.0.1:9464]; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_listen: Option<String>,
}

/// Which running service to ask.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServiceArguments {
    /// Its admin address, such as http://127.0.0.1:9464
    #[arg(long, value_name = "URL", conflicts_with = "state_dir")]
    pub admin: Option<String>,
    /// Where the admin listener speaks TLS: a PEM file with the authorities of its certificate, in place of the system's
    #[arg(long, value_name = "FILE", env = "MCPVISOR_ADMIN_CA")]
    pub ca: Option<PathBuf>,
    /// Where it wants a certificate of its clients: a PEM file with one and its private key
    #[arg(long, value_name = "FILE", env = "MCPVISOR_ADMIN_CERT")]
    pub cert: Option<PathBuf>,
    /// Its state folder
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Key for its admin API, if it has auth.admin_keys
    #[arg(long, value_name = "KEY", env = "MCPVISOR_ADMIN_KEY", hide_env_values = true)]
    pub bearer: Option<String>,
}

/// The command that was asked for.
///
/// # Errors
/// The command line was answered already: help, version, or what is wrong with it. The exit code.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Not for clap: what follows is another program's command line, every byte of it.
    if arguments.get(1).is_some_and(|command| command == CONFINE) {
        return Ok(Command::Confine(arguments.into_iter().skip(2).collect()));
    }
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => Ok(line.command.unwrap_or(Command::Serve(line.serve))),
        Err(error) => {
            // A closed pipe is no reason to fail differently.
            let _ = error.print();
            Err(match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            })
        }
    }
}

/// Prints completions for `shell` on standard output.
///
/// # Errors
/// Never; it has the form of the other commands.
pub fn completions(shell: Shell) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "mcpvisor", &mut out);
    print(&String::from_utf8_lossy(&out))
}

/// Prints on standard output; a reader that has left (`| head`) is no failure.
fn print(text: &str) -> Outcome {
    say(text.as_bytes());
    Ok(())
}

/// The same at once, for what goes on; false: nobody reads it any more.
fn say(text: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, ExitCode> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn no_command_is_serve_with_its_flags() {
        let Ok(Command::Serve(wanted)) = parsed("mcpvisor --listen 127.0.0.1:0 --set pool.idle_timeout=1m")
        else {
            panic!("not serve");
        };
        assert_eq!(wanted.listen.as_deref(), Some("127.0.0.1:0"));
        assert_eq!(wanted.config.sets, ["pool.idle_timeout=1m"]);
    }

    #[test]
    fn a_call_takes_values_that_look_like_flags_and_several_steps() {
        let Ok(Command::Call(wanted)) =
            parsed("mcpvisor call --bearer k http://h/mcp/a add a=-1 b=--2 + crash")
        else {
            panic!("not call");
        };
        assert_eq!(wanted.steps, ["add", "a=-1", "b=--2", "+", "crash"]);
    }

    #[test]
    fn help_is_a_success_and_a_wrong_flag_is_usage() {
        assert_eq!(parsed("mcpvisor --help").unwrap_err(), ExitCode::SUCCESS);
        assert_eq!(parsed("mcpvisor serve --lissten x").unwrap_err(), ExitCode::from(64));
    }
}
