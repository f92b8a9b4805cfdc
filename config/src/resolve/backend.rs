//! `[backends.NAME]`: over `[backend_defaults]`, with overrides of the sections.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::sandbox;
use super::sections;
use super::transport::{self, Reached};
use crate::read::Reader;
use crate::{
    Backend, ClientProfile, Config, Idle, Isolation, Liveness, NameFilter, OnRestart, Protocol, Retry,
    Sandbox, Timeouts, ToolFilter, Transport, UpstreamKind,
};

/// Commands that may download before they start.
pub(super) struct SlowStarters {
    pub(super) commands: Vec<String>,
    pub(super) launch: Duration,
    /// Not once the user has set `timeouts.launch` for all.
    pub(super) apply: bool,
}

/// What every backend has, whatever its transport.
struct Policy {
    isolation: Isolation,
    protocol: Protocol,
    retry: Retry,
    liveness: Liveness,
    on_restart: OnRestart,
    idle: Idle,
    keep_while_streaming: bool,
    warm: usize,
    warm_max_age: Duration,
    client_profile: ClientProfile,
    tools: ToolFilter,
    prompts: NameFilter,
    resources: NameFilter,
    sandbox: Sandbox,
    scopes: Arc<[String]>,
    disabled: bool,
}

/// Notes what is wrong in `[backend_defaults]` once, not once per backend.
pub(super) fn check_defaults(reader: &Reader<'_>) {
    let _ = policy(reader);
    transport::check_defaults(reader);
}

/// One backend; `None` when it is not clear what it is.
pub(super) fn backend(
    name: &str,
    top: &Reader<'_>,
    config: &Config,
    slow_starters: &SlowStarters,
) -> Option<Backend> {
    let reader = top.table("backends").table(name).over(&top.table("backend_defaults"));
    // Everything is read before a missing transport ends it: all problems at once.
    let reached = transport::reached(&reader);
    let policy = policy(&reader);
    let section = |section: &str| reader.table(section).over(&top.table(section));
    let timeouts = section("timeouts");
    let mut timeouts_read = sections::timeouts(&timeouts);
    if slow_starters.apply
        && !timeouts.has("launch")
        && reached.as_ref().is_some_and(|known| slow_starters.include(known))
    {
        timeouts_read = Timeouts { launch: slow_starters.launch, ..timeouts_read };
    }
    let overridden = |section: &str| reader.has(section);
    let pool = if overridden("pool") { sections::pool(&section("pool")) } else { config.pool };
    let backoff = if overridden("backoff") { sections::backoff(&section("backoff")) } else { config.backoff };
    let limits = if overridden("limits") { sections::limits(&section("limits")) } else { config.limits };
    let Reached { transport, container } = reached?;
    // Of a URL there is nothing to confine.
    let stdio = matches!(&transport, Transport::Stdio { .. });
    let confined = if stdio { policy.sandbox } else { Sandbox::default() };
    // It was gone before there was another era: nothing has to be found out.
    let old = matches!(&transport, Transport::Http { kind: UpstreamKind::Sse, .. });
    let protocol = if old && policy.protocol == Protocol::Auto { Protocol::Legacy } else { policy.protocol };
    Some(Backend {
        name: name.to_owned(),
        transport,
        container,
        isolation: policy.isolation,
        protocol,
        retry: policy.retry,
        liveness: policy.liveness,
        on_restart: policy.on_restart,
        idle: policy.idle,
        keep_while_streaming: policy.keep_while_streaming,
        warm: policy.warm,
        warm_max_age: policy.warm_max_age,
        client_profile: policy.client_profile,
        tools: policy.tools,
        prompts: policy.prompts,
        resources: policy.resources,
        scopes: policy.scopes,
        rules: config.auth.rules.clone(),
        sandbox: confined,
        disabled: policy.disabled,
        pool,
        backoff,
        timeouts: timeouts_read,
        limits,
    })
}

impl SlowStarters {
    fn include(&self, reached: &Reached) -> bool {
        let Transport::Stdio { command, .. } = &reached.transport else { return false };
        if reached.container.is_some() {
            return true;
        }
        let file_name = Path::new(command).file_name().and_then(|name| name.to_str()).unwrap_or(command);
        self.commands.iter().any(|known| known == file_name)
    }
}

fn names(reader: &Reader<'_>) -> NameFilter {
    NameFilter { allow: reader.texts("allow"), deny: reader.texts("deny") }
}

fn policy(reader: &Reader<'_>) -> Policy {
    let isolation = [
        ("session", Isolation::Session),
        ("principal", Isolation::Principal),
        ("shared", Isolation::Shared),
        ("request", Isolation::Request),
    ];
    let protocol = [("auto", Protocol::Auto), ("legacy", Protocol::Legacy), ("modern", Protocol::Modern)];
    let retry = [("safe", Retry::Safe), ("never", Retry::Never)];
    let liveness = [("on", Liveness::On), ("off", Liveness::Off)];
    let on_restart = [("replay", OnRestart::Replay), ("end_session", OnRestart::EndSession)];
    let idle = [("evict", Idle::Evict), ("keep", Idle::Keep)];
    let profile = reader.table("client_profile");
    let tools = reader.table("tools");
    Policy {
        isolation: reader.choice("isolation", &isolation).unwrap_or(Isolation::Session),
        protocol: reader.choice("protocol", &protocol).unwrap_or(Protocol::Auto),
        retry: reader.choice("retry", &retry).unwrap_or(Retry::Safe),
        liveness: reader.choice("liveness", &liveness).unwrap_or(Liveness::On),
        on_restart: reader.choice("on_restart", &on_restart).unwrap_or(OnRestart::Replay),
        idle: reader.choice("idle", &idle).unwrap_or(Idle::Evict),
        keep_while_streaming: reader.flag("keep_while_streaming"),
        warm: reader.count("warm"),
        warm_max_age: reader.duration("warm_max_age"),
        client_profile: ClientProfile {
            name: profile.text("name"),
            version: Some(profile.text("version"))
                .filter(|version| !version.is_empty())
                .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            capabilities: profile.json("capabilities"),
        },
        tools: ToolFilter {
            names: names(&tools),
            rename: tools.text_map("rename"),
            describe: tools.text_map("describe"),
        },
        prompts: names(&reader.table("prompts")),
        resources: names(&reader.table("resources")),
        sandbox: sandbox(&reader.table("sandbox")),
        scopes: reader.texts("scopes").into(),
        disabled: reader.flag("disabled"),
    }
}
