//! The tools of the demo server.
use std::sync::atomic::Ordering;
use std::time::Duration;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, LoggingLevel, ProgressNotificationParam};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use serde::Deserialize;
use serde_json::json;

use super::Demo;

const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Echo {
    /// What to say back.
    message: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Add {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Sleep {
    /// How long to wait, in milliseconds; at most an hour.
    ms: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Crash {
    /// The exit code; 1 if not given.
    #[serde(default)]
    code: Option<i32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct LongTask {
    /// How many steps to take; 5 if not given, at most 1000.
    #[serde(default)]
    steps: Option<u32>,
    /// How long a step takes, in milliseconds; 500 if not given.
    #[serde(default)]
    step_ms: Option<u64>,
}

#[tool_router(vis = "pub(super)")]
impl Demo {
    #[tool(
        description = "Returns the message you send. The quickest way to see that everything works.",
        annotations(title = "Echo", read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> CallToolResult {
        text(message)
    }

    #[tool(
        description = "Adds two numbers.",
        annotations(title = "Add", read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> CallToolResult {
        text((a + b).to_string())
    }

    #[tool(
        description = "Waits before it answers. Run two at once to see that they overlap, or cancel one.",
        annotations(title = "Sleep", read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    async fn sleep(
        &self,
        Parameters(Sleep { ms }): Parameters<Sleep>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms).min(LONGEST)) => text(format!("slept {ms} ms")),
            () = context.ct.cancelled() => CallToolResult::error(vec![ContentBlock::text("cancelled")]),
        }
    }

    #[tool(
        description = "Counts its own calls, in the memory of this process. Each session counts for itself; after a \
                       crash it starts again at 1.",
        annotations(
            title = "Counter",
            read_only_hint = false,
            destructive_hint = false,
            open_world_hint = false
        )
    )]
    async fn counter(&self, context: RequestContext<RoleServer>) -> CallToolResult {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.log(&context, LoggingLevel::Debug, format!("counter is at {count}")).await;
        text(count.to_string())
    }

    #[tool(
        description = "Ends this server's process at once, without an answer. mcpvisor reports the loss and starts a \
                       new one; your session goes on.",
        annotations(
            title = "Crash",
            read_only_hint = false,
            destructive_hint = true,
            open_world_hint = false
        )
    )]
    fn crash(&self, Parameters(Crash { code }): Parameters<Crash>) -> CallToolResult {
        std::process::exit(code.unwrap_or(1))
    }

    #[tool(
        description = "Says which process answers: its id, when it started, for how long it has been up.",
        annotations(title = "Who am I", read_only_hint = true, open_world_hint = false)
    )]
    fn whoami(&self) -> CallToolResult {
        let uptime_ms = u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX);
        let started_unix_ms = u64::try_from(self.started_unix_ms()).unwrap_or(u64::MAX);
        let pid = std::process::id();
        text(json!({ "pid": pid, "started_unix_ms": started_unix_ms, "uptime_ms": uptime_ms }).to_string())
    }

    #[tool(
        description = "Works in steps and reports progress after each, if your client asks for it.",
        annotations(title = "Long task", read_only_hint = true, open_world_hint = false)
    )]
    async fn long_task(
        &self,
        Parameters(LongTask { steps, step_ms }): Parameters<LongTask>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let steps = steps.unwrap_or(5).min(1000);
        let step_time = Duration::from_millis(step_ms.unwrap_or(500)).min(LONGEST);
        self.log(&context, LoggingLevel::Info, format!("long task: {steps} steps")).await;
        for step in 1..=steps {
            tokio::select! {
                () = tokio::time::sleep(step_time) => {}
                () = context.ct.cancelled() => {
                    return CallToolResult::error(vec![ContentBlock::text("cancelled")]);
                }
            }
            self.report(&context, step, steps).await;
        }
        text(format!("finished {steps} steps"))
    }

    /// Reports a step if the client asked for progress.
    async fn report(&self, context: &RequestContext<RoleServer>, step: u32, steps: u32) {
        let Some(token) = context.meta.get_progress_token() else { return };
        let progress = ProgressNotificationParam::new(token, f64::from(step))
            .with_total(f64::from(steps))
            .with_message(format!("step {step} of {steps}"));
        let _ = context.peer.notify_progress(progress).await;
    }
}

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}
