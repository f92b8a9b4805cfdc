//! mcpvisor: launches, supervises and serves MCP servers.
//!
//! Every command is one function; what it returns is the exit code (`app::Failure`).

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator;

use std::process::ExitCode;

use mcpvisor::cli::{self, Command};
use mcpvisor::{app, demo};

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(answered) => return answered,
    };
    let outcome = match command {
        Command::Serve(wanted) => app::serve(&wanted),
        Command::Check(wanted) => cli::check::run(&wanted),
        Command::DemoServer => app::block_on(demo::serve_stdio()),
        Command::Tools(wanted) => app::block_on(cli::tools::run(wanted)),
        Command::Call(wanted) => app::block_on(cli::call::run(wanted)),
        Command::Connect(wanted) => app::block_on(cli::connect::run(wanted)),
        Command::Status(wanted) => app::block_on(cli::status::run(wanted)),
        Command::Reload(wanted) => app::block_on(cli::reload::run(wanted)),
        Command::Restart(wanted) => app::block_on(cli::orders::restart(wanted)),
        Command::Stop(wanted) => app::block_on(cli::orders::stop(wanted)),
        Command::Start(wanted) => app::block_on(cli::orders::start(wanted)),
        Command::Logs(wanted) => app::block_on(cli::logs::run(wanted)),
        Command::Events(wanted) => app::block_on(cli::events::run(wanted)),
        Command::Top(wanted) => app::block_on(cli::top::run(wanted)),
        Command::Guard => mcpvisor_actors::run_guard(),
        Command::Confine(order) => mcpvisor_actors::run_confined(&order),
        Command::Completions { shell } => cli::completions(shell),
    };
    outcome.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
