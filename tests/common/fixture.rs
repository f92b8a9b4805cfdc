//! Backends of the fixture that misbehaves on demand.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The fixture's binary, built once.
pub fn fixture() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let arguments =
            ["build", "--quiet", "-p", "mcpvisor-fixture", "--message-format", "json-render-diagnostics"];
        let built = Command::new(cargo).args(arguments).output().expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let lines = String::from_utf8(built.stdout).unwrap();
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executable =
            messages.filter_map(|line| line["executable"].as_str().map(PathBuf::from)).next_back();
        executable.expect("the fixture has a binary")
    });
    path.clone()
}

/// A backend of the fixture with these flags; `settings` are further lines of its section.
pub fn backend(name: &str, flags: &[&str], settings: &str) -> String {
    let args: Vec<String> = ["misbehave"].iter().chain(flags).map(|arg| format!("{arg:?}")).collect();
    let (command, args) = (fixture(), args.join(", "));
    format!("[backends.{name}]\ncommand = {:?}\nargs = [{args}]\n{settings}\n", command.to_str().unwrap())
}
