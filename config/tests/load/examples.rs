use std::path::{Path, PathBuf};

use mcpvisor_config::{Isolation, LoadRequest, Loaded, Source};

use crate::support::{backend, loaded, stdio};

fn example(name: &str, env: &[(&str, &str)]) -> Loaded {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    loaded(LoadRequest { files: vec![Source::Path(path)], env, ..LoadRequest::default() })
}

#[test]
fn mcp_json_loads() {
    let config = example("mcp.json", &[("HOME", "/home/me")]).config;
    assert_eq!(config.backends.len(), 4);
    assert_eq!(stdio(&config, "filesystem").1, ["-y", "@modelcontextprotocol/server-filesystem", "/home/me"]);
    assert!(backend(&config, "time").disabled);
}

#[test]
fn full_toml_loads() {
    let loaded = example("full.toml", &[("CI_KEY", "k"), ("TICKETS_TOKEN", "t")]);
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
    let browser = backend(&loaded.config, "browser");
    assert_eq!((browser.pool.max_error_count, browser.pool.idle_timeout.as_secs()), (2, 600));
    assert_eq!(browser.isolation, Isolation::Session);
    assert_eq!(loaded.config.auth.keys.len(), 2);
}

#[test]
fn gateway_json_loads() {
    let env = [("GITHUB_TOKEN", "t"), ("MCP_GATEWAY_API_KEY", "k"), ("GITHUB_TOOLSETS", "repos")];
    let config = example("gateway.json", &env).config;
    assert_eq!(stdio(&config, "github").0, "docker");
    assert_eq!(config.auth.keys.len(), 1);
}
