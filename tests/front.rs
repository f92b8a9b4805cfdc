//! The MCP endpoints as clients see them: HTTP in, HTTP out, the misbehaving fixture behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "cli/service.rs"]
#[allow(dead_code, reason = "shared with the tests of the commands")]
mod service;

#[path = "front/client.rs"]
mod client;
#[path = "front/errors.rs"]
mod errors;
#[path = "front/sessions.rs"]
mod sessions;
#[path = "front/streams.rs"]
mod streams;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use service::{Service, World};

/// A service with the misbehaving fixture as backends of the names given, each with its flags.
/// `settings` is TOML that stands before the backends.
pub fn serve(world: &World, settings: &str, backends: &[(&str, &[&str])]) -> Service {
    let mut config = format!("{settings}\n");
    for (name, flags) in backends {
        let args = [&["misbehave"], *flags].concat();
        let (command, args) = (toml_text(fixture().to_str().unwrap()), args.iter().map(|arg| toml_text(arg)));
        let args = args.collect::<Vec<_>>().join(", ");
        config += &format!("[backends.{name}]\ncommand = {command}\nargs = [{args}]\n");
    }
    let file = world.write("mcpvisor.toml", &config);
    world.serve(&["--config", &file])
}

fn toml_text(text: &str) -> String {
    format!("{text:?}")
}

/// The fixture's binary, built once.
fn fixture() -> &'static PathBuf {
    static FIXTURE: OnceLock<PathBuf> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--message-format=json", "-p", "mcpvisor-fixture"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8(built.stdout).unwrap();
        let artifacts =
            messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let binaries = artifacts.filter(|artifact| artifact["target"]["name"] == "mcpvisor-fixture");
        let path =
            binaries.filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from)).next_back();
        path.expect("the fixture has a binary")
    })
}
