//! The program around the supervision tree: configuration files, listeners, commands, logs and metrics.
//!
//! `main` picks a command of [`cli`]; `serve` is [`app`], which joins the tree (`mcpvisor-actors`) with the
//! MCP endpoints ([`front`], guarded by [`auth`]), the admin listener ([`admin`]) and [`telemetry`].
//! [`demo`] is the MCP server that is served when nothing is configured.

pub mod admin;
pub mod app;
pub mod auth;
pub mod cli;
pub mod demo;
pub mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod listen;
pub mod telemetry;
pub mod tls;

/// The version of this build, as `--version`, `/health` and the metrics tell it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
