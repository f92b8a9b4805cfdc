//! The built-in demo server: what `mcpvisor` serves before anyone has configured a backend.
//!
//! A real MCP server in a real child process (`mcpvisor demo-server`), written on rmcp over standard input and
//! output. Its tools make visible what a supervisor is for: `counter` and `whoami` show that every session has
//! its own process, `crash` kills it.
#![allow(deprecated, reason = "logging leaves MCP with 2026-07-28, and every legacy client still has it")]
mod tools;
mod until_eof;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    GetPromptResult, Implementation, ListResourcesResult, LoggingLevel, LoggingMessageNotificationParam,
    PaginatedRequestParams, PromptMessage, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities, ServerConfig,
    SetLevelRequestParams,
};
use rmcp::schemars::JsonSchema;
use rmcp::service::{RequestContext, ServerInitializeError};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt, prompt, prompt_handler, prompt_router, tool_handler,
};
use serde::Deserialize;
use serde_json::json;
use until_eof::UntilEof;

/// How long answers may still take after the end of the input; under the supervisor's default patience of 2 s.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
const ABOUT_URI: &str = "demo://about";
const ABOUT: &str = include_str!("demo/about.md");
const INSTRUCTIONS: &str = "The demo server of mcpvisor. Call `counter` a few times, then `crash`, then `counter` \
                            again: your session lives on while its process is replaced.";

/// One process of the demo server. A clone shares its state.
#[derive(Clone)]
struct Demo {
    count: Arc<AtomicU64>,
    /// The rank of the least severe log level the client wants; everything until it says otherwise.
    log_level: Arc<AtomicUsize>,
    started: Instant,
    started_at: SystemTime,
}

/// Serves the demo server on standard input and output until the input ends. Answers that are nearly ready then
/// are still written, for [`LAST_ANSWERS`]; a call that takes longer goes unanswered.
///
/// # Errors
/// The handshake fails.
pub async fn serve_stdio() -> anyhow::Result<()> {
    let (stdin, stdout) = rmcp::transport::stdio_pipes();
    let (stdin, at_end) = UntilEof::new(stdin);
    let service = match Demo::new().serve((stdin, stdout)).await {
        Ok(service) => service,
        // A client that leaves before it says anything has not failed: nothing was lost.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut service = std::pin::pin!(service.waiting());
    tokio::select! {
        quit = &mut service => { quit?; }
        // rmcp would wait five seconds for calls in flight, longer than a supervisor waits before it signals.
        _ = at_end => {
            let _ = tokio::time::timeout(LAST_ANSWERS, service).await;
        }
    }
    Ok(())
}

impl Demo {
    #[expect(clippy::disallowed_methods, reason = "shown to people")]
    fn new() -> Self {
        Self {
            count: Arc::new(AtomicU64::new(0)),
            log_level: Arc::new(AtomicUsize::new(0)),
            started: Instant::now(),
            started_at: SystemTime::now(),
        }
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When this process started, in milliseconds since 1970.
    fn started_unix_ms(&self) -> u128 {
        self.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
    }

    /// Sends a log line to the client if it wants that level. A client that is gone is not told.
    async fn log(&self, context: &RequestContext<RoleServer>, level: LoggingLevel, text: String) {
        let version = context.protocol_version();
        // Since 2026-07-28 each request says for itself what it wants to hear; one that says nothing hears nothing.
        let wanted = match version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            true => context.meta.log_level().map(rank),
            false => Some(self.log_level.load(Ordering::Relaxed)),
        };
        if wanted.is_none_or(|wanted| rank(level) < wanted) {
            return;
        }
        let line = LoggingMessageNotificationParam::new(level, json!(text)).with_logger("demo");
        let _ = context.peer.notify_logging_message(line).await;
    }
}

/// The argument of the prompt `introduce`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Introduce {
    /// Whom to explain it to, for example "a platform engineer".
    audience: Option<String>,
}

#[prompt_router]
impl Demo {
    /// Asks the model to explain what a supervisor of MCP servers is good for.
    #[prompt(name = "introduce")]
    async fn introduce(&self, Parameters(arguments): Parameters<Introduce>) -> GetPromptResult {
        let audience = arguments.audience.as_deref().unwrap_or("someone new to MCP");
        let text = format!(
            "Read the resource {ABOUT_URI}, then explain to {audience} in three sentences why MCP servers want \
             a supervisor. Call the tools counter, crash and counter again to show it."
        );
        GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
            .with_description("What a supervisor of MCP servers is good for")
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_logging()
            .build();
        let identity =
            Implementation::new("mcpvisor-demo", env!("CARGO_PKG_VERSION")).with_title("mcpvisor demo");
        ServerConfig::new(capabilities).with_server_info(identity).with_instructions(INSTRUCTIONS)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let about = Resource::new(ABOUT_URI, "about")
            .with_title("About this demo")
            .with_description("What this server is and what to try with it")
            .with_mime_type("text/markdown");
        Ok(ListResourcesResult::with_all_items(vec![about]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != ABOUT_URI {
            let data = json!({ "uri": request.uri });
            return Err(ErrorData::resource_not_found(Cow::from("resource not found"), Some(data)));
        }
        let about = ResourceContents::text(ABOUT, ABOUT_URI).with_mime_type("text/markdown");
        Ok(ReadResourceResult::new(vec![about]).into())
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.log_level.store(rank(request.level), Ordering::Relaxed);
        Ok(())
    }
}

/// How severe a level is, 0 the least.
fn rank(level: LoggingLevel) -> usize {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
