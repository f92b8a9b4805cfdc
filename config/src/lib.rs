//! Configuration of mcpvisor: where it is found, how it is merged, what is wrong with it.
//!
//! [`load`] takes a [`LoadRequest`] and gives a [`Config`] that is complete and checked, or every problem at once
//! ([`ConfigErrors`]). The way of a setting:
//!
//! ```text
//! source      files, standard input, the usual places
//! parse       TOML, JSON (jsonc: comments), YAML        position   on which line each key stands
//! fill        what a text stands for                    expand     ${VAR}, ${VAR:-default}
//!                                                       value_file @/run/secrets/x
//! import      mcpServers, VS Code, the GitHub gateway
//! layer       defaults < files < environment < --set < --listen (figment merges)
//! known       unknown keys, with the nearest            shipped    default.toml, compiled in
//! read        typed values                              units      durations and sizes
//! resolve     the types of `settings` and `backend`
//! check       what must fit together
//! show        the effective configuration, redacted     secret
//! diff        what a reload comes to
//! ```
//!
//! ```
//! use mcpvisor_config::{LoadRequest, Source, load};
//!
//! let text = r#"{ "mcpServers": { "time": { "command": "uvx", "args": ["mcp-server-time"] } } }"#;
//! let file = Source::Text { name: "mcp.json".into(), text: text.into() };
//! let loaded = load(LoadRequest { files: vec![file], ..LoadRequest::default() })?;
//! assert!(loaded.config.backends.contains_key("time"));
//! # Ok::<(), mcpvisor_config::ConfigErrors>(())
//! ```

mod access;
mod backend;
mod bounds;
mod check;
mod container;
mod diff;
mod environment;
mod error;
mod expand;
mod fill;
mod import;
mod jsonc;
mod key_path;
mod known;
mod layer;
mod listener_tls;
mod load;
mod memory;
mod nearest;
mod oauth;
mod parse;
mod position;
mod read;
mod resolve;
mod sandbox;
mod secret;
mod settings;
mod shipped;
mod show;
mod source;
mod tokens;
mod units;
mod value_file;

pub use access::AccessRule;
pub use backend::{
    Backend, ClientProfile, Idle, Isolation, Liveness, NameFilter, OnRestart, Protocol, Retry, ToolFilter,
    Transport, UpstreamKind,
};
pub use bounds::{Http, PrincipalLimits, Rate};
pub use container::Container;
pub use diff::{Change, Changed, Difference};
pub use error::{ConfigErrors, Note, NoteKind, Problem};
pub use listener_tls::ListenerTls;
pub use load::{Loaded, load};
pub use memory::{Buffer, buffers, memory_report};
pub use nearest::nearest;
pub use oauth::{ClientAuth, Oauth};
pub use sandbox::{Network, Sandbox};
pub use secret::Secrets;
pub use settings::{
    Auth, AuthKey, Backoff, Config, Gateway, Limits, LogFormat, Pool, Session, Telemetry, Timeouts,
};
pub use shipped::DEFAULT_TOML;
pub use show::to_toml_redacted;
pub use source::{LoadRequest, Source};
pub use tokens::{Algorithm, Tokens};
