//! What a start prints: where everything is and, for a newcomer, what to try.

use std::fmt::Write;
use std::path::Path;

use mcpvisor_config::{Backend, Transport};

use super::listeners::Addresses;
use super::settings::{DEMO, Settings};
use super::state_dir;
use crate::VERSION;

/// More backends than this are counted, not listed.
const LISTED: usize = 20;

/// Prints it on standard output, and the notes of the configuration on standard error.
pub(super) fn print(settings: &Settings, addresses: &Addresses) {
    for note in &settings.notes {
        tracing::warn!(event = "config.note", "{note}");
    }
    // Nobody reads it: no reason not to serve.
    let _ = std::io::Write::write_all(
        &mut std::io::stdout(),
        text(settings, addresses, &program(), alone()).as_bytes(),
    );
}

/// The same in one line, for `systemctl status`.
pub(super) fn status(settings: &Settings, addresses: &Addresses) -> String {
    let backends = settings.config.backends.values().filter(|backend| !backend.disabled).count();
    let noun = if backends == 1 { "backend" } else { "backends" };
    format!("serving {backends} {noun} at {}, admin at {}", addresses.main_url(), addresses.admin_url())
}

/// `alone`: `status` needs no telling whom to ask.
fn text(settings: &Settings, addresses: &Addresses, program: &str, alone: bool) -> String {
    let (main, admin) = (addresses.main_url(), addresses.admin_url());
    let mut out = format!("mcpvisor {VERSION}\n");
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(out, "  {name:<9} {what}");
    };
    line("serving", &main);
    let backends: Vec<_> = settings.config.backends.values().filter(|backend| !backend.disabled).collect();
    for (index, backend) in backends.iter().take(LISTED).enumerate() {
        let label = if index == 0 { "backends" } else { "" };
        line(label, &format!("{main}/mcp/{}  ({})", backend.name, reached_by(backend)));
    }
    match backends.len() {
        0 => line("backends", "none: add a [backends.NAME] to the configuration"),
        count if count > LISTED => line("", &format!("… and {} more", count - LISTED)),
        _ => {}
    }
    if settings.config.gateway.unified && backends.len() > 1 {
        line("", &format!("{main}/mcp  (all of them as one)"));
    }
    for (name, members) in &settings.config.groups {
        line("", &format!("{main}/mcp/group/{name}  ({})", members.join(", ")));
    }
    line("admin", &format!("{admin}/metrics and /api/v1/connections"));
    for (index, source) in settings.sources.iter().enumerate() {
        let name =
            if source.as_os_str() == "-" { "standard input".into() } else { source.display().to_string() };
        line(if index == 0 { "config" } else { "" }, &name);
    }
    if settings.demo {
        let url = format!("{main}/mcp/{DEMO}");
        let status = if alone { "status".to_owned() } else { format!("status --admin {admin}") };
        let _ = write!(
            out,
            "\nNo configuration found, so the built-in demo is served. Try it in a second terminal:\n\n  \
             {program} tools {url}\n  \
             {program} call {url} echo message=hi\n  \
             {program} call {url} counter + crash + counter; {program} {status}; curl -s {admin}/metrics | grep \
             'restarts_total.*exit'\n\n\
             The last one crashes the server in the middle of a session: the session goes on.\n\
             Your own servers: {program} serve --config mcp.json\n"
        );
    }
    out
}

/// Whether this is the one service of this user that can be found.
fn alone() -> bool {
    matches!(state_dir::running().as_slice(), [place] if place.run.pid == std::process::id())
}

fn reached_by(backend: &Backend) -> String {
    match &backend.transport {
        Transport::Stdio { command, .. } if backend.name == DEMO && command_is_this(command) => {
            "built in".to_owned()
        }
        // Arguments and URLs may hold secrets.
        Transport::Stdio { command, .. } => match &backend.container {
            Some(container) => format!("{command}: {}", container.image),
            None => command.clone(),
        },
        Transport::Http { .. } => "over HTTP".to_owned(),
    }
}

fn command_is_this(command: &str) -> bool {
    std::env::current_exe().is_ok_and(|program| program == Path::new(command))
}

/// How this program can be started again from anywhere: by its name if it was, else by its full path.
fn program() -> String {
    let started_as = std::env::args_os().next().unwrap_or_default();
    let by_name = Path::new(&started_as).components().count() == 1;
    match std::env::current_exe() {
        Ok(path) if !by_name => path.display().to_string(),
        _ => started_as.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcpvisor_config::{LoadRequest, Source, load};

    use super::*;

    fn settings(toml: &str, demo: bool) -> Settings {
        let files = vec![Source::Text { name: "test".into(), text: toml.into() }];
        let loaded = load(LoadRequest { files, ..LoadRequest::default() }).unwrap();
        Settings {
            config: Arc::new(loaded.config),
            sources: Vec::new(),
            notes: Vec::new(),
            demo,
            value_files: Default::default(),
            tls: Default::default(),
            request: LoadRequest::default(),
        }
    }

    fn addresses() -> Addresses {
        Addresses {
            main: ([127, 0, 0, 1], 18080).into(),
            admin: ([127, 0, 0, 1], 19464).into(),
            tls: [false; 2],
        }
    }

    #[test]
    fn a_newcomer_can_paste_the_three_commands_as_printed() {
        let settings = settings("[backends.demo]\ncommand = \"/bin/true\"\n", true);
        let said = text(&settings, &addresses(), "/opt/mcpvisor", true);
        for command in [
            "\n  /opt/mcpvisor tools http://127.0.0.1:18080/mcp/demo\n",
            "\n  /opt/mcpvisor call http://127.0.0.1:18080/mcp/demo echo message=hi\n",
            "counter + crash + counter; /opt/mcpvisor status; curl -s http://127.0.0.1:19464/metrics | grep",
        ] {
            assert!(said.contains(command), "{said}");
        }
    }

    #[test]
    fn what_is_printed_holds_no_arguments_or_urls_since_they_may_hold_secrets() {
        let settings = settings(
            "[backends.a]\ncommand = \"/bin/a\"\nargs = [\"--token=s3cret\"]\n[backends.b]\nurl = \"https://u:s3cret@h/mcp\"\n",
            false,
        );
        let said = text(&settings, &addresses(), "mcpvisor", false);
        assert!(
            said.contains("http://127.0.0.1:18080/mcp/a  (/bin/a)") && !said.contains("s3cret"),
            "{said}"
        );
        assert!(said.contains("http://127.0.0.1:18080/mcp  (all of them as one)"), "{said}");
    }

    #[test]
    fn groups_are_shown_and_one_backend_is_not_shown_twice() {
        let toml = "[groups]\nmine = [\"a\"]\n[backends.a]\ncommand = \"/bin/a\"\n";
        let said = text(&settings(toml, false), &addresses(), "mcpvisor", false);
        assert!(said.contains("http://127.0.0.1:18080/mcp/group/mine  (a)"), "{said}");
        assert!(!said.contains("as one"), "{said}");
    }
}
