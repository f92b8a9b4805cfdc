//! One backend before and after.

use super::{Change, Changed, Keys};
use crate::show::sections;
use crate::{Backend, Config, Container, Transport};

/// What differs of a backend, but for what only follows a general setting; `None`: nothing.
pub(super) fn own(before: &Backend, after: &Backend, running: &Config, wanted: &Config) -> Option<Changed> {
    let mut relaunch = transport(before, after);
    relaunch.compare("protocol", &before.protocol, &after.protocol);
    relaunch.compare("client_profile", &before.client_profile, &after.client_profile);
    relaunch.compare("sandbox", &before.sandbox, &after.sandbox);
    let how = if relaunch.0.is_empty() { Change::InPlace } else { Change::Relaunch };
    let mut keys = relaunch.0;
    keys.extend(policy(before, after).0);
    keys.extend(overrides(before, after, running, wanted));
    (!keys.is_empty()).then_some(Changed { keys, how })
}

/// All of it needs a relaunch.
fn transport(before: &Backend, after: &Backend) -> Keys {
    let mut keys = Keys::default();
    match (&before.transport, &after.transport) {
        (
            Transport::Stdio { command, args, env, cwd, env_pass },
            Transport::Stdio {
                command: new_command,
                args: new_args,
                env: new_env,
                cwd: new_cwd,
                env_pass: new_env_pass,
            },
        ) => {
            let engine = before.container.is_some() && after.container.is_some();
            keys.compare(if engine { "engine" } else { "command" }, command, new_command);
            container(&mut keys, before.container.as_ref(), after.container.as_ref());
            keys.compare("args", args, new_args);
            keys.compare_maps("env", env, new_env);
            keys.compare("cwd", cwd, new_cwd);
            keys.compare("env_pass", env_pass, new_env_pass);
        }
        (
            Transport::Http { url, headers, kind, forward_authorization, oauth },
            Transport::Http {
                url: new_url,
                headers: new_headers,
                kind: new_kind,
                forward_authorization: new_forward_authorization,
                oauth: new_oauth,
            },
        ) => {
            keys.compare("url", url, new_url);
            keys.compare_maps("headers", headers, new_headers);
            keys.compare("transport", kind, new_kind);
            keys.compare("forward_authorization", forward_authorization, new_forward_authorization);
            keys.compare("oauth", oauth, new_oauth);
        }
        (Transport::Stdio { .. }, Transport::Http { .. })
        | (Transport::Http { .. }, Transport::Stdio { .. }) => {
            keys.0 = ["command", "url"].map(str::to_owned).into();
        }
    }
    keys
}

fn container(keys: &mut Keys, before: Option<&Container>, after: Option<&Container>) {
    let image = |container: Option<&Container>| container.map(|container| container.image.clone());
    keys.compare("container", &image(before), &image(after));
    if let (Some(before), Some(after)) = (before, after) {
        keys.compare("entrypoint", &before.entrypoint, &after.entrypoint);
        keys.compare("mounts", &before.mounts, &after.mounts);
        keys.compare("run_args", &before.run_args, &after.run_args);
    }
}

/// None of it does. `isolation` is for sessions that begin from then on: one that is there has its place already.
fn policy(before: &Backend, after: &Backend) -> Keys {
    let mut keys = Keys::default();
    keys.compare("isolation", &before.isolation, &after.isolation);
    keys.compare("retry", &before.retry, &after.retry);
    keys.compare("liveness", &before.liveness, &after.liveness);
    keys.compare("on_restart", &before.on_restart, &after.on_restart);
    keys.compare("idle", &before.idle, &after.idle);
    keys.compare("keep_while_streaming", &before.keep_while_streaming, &after.keep_while_streaming);
    keys.compare("warm", &before.warm, &after.warm);
    keys.compare("warm_max_age", &before.warm_max_age, &after.warm_max_age);
    keys.compare("tools", &before.tools, &after.tools);
    keys.compare("prompts", &before.prompts, &after.prompts);
    keys.compare("resources", &before.resources, &after.resources);
    keys.compare("scopes", &before.scopes, &after.scopes);
    keys
}

/// The keys of its sections that differ otherwise than those of the service do.
fn overrides(before: &Backend, after: &Backend, running: &Config, wanted: &Config) -> Vec<String> {
    let own = section_keys(before, after, |backend| {
        [
            sections::pool(&backend.pool),
            sections::backoff(&backend.backoff),
            sections::timeouts(&backend.timeouts),
            sections::limits(&backend.limits),
        ]
    });
    // Followed: it had the general value, and has it again.
    let departs = |(key, before, after): &(String, String, String)| {
        let general = |config: &Config| super::general::value(config, key);
        general(running).as_ref() != Some(before) || general(wanted).as_ref() != Some(after)
    };
    own.into_iter().filter(departs).map(|(key, ..)| key).collect()
}

/// Key, value before, value after. None of these sections holds a secret.
fn section_keys(
    before: &Backend,
    after: &Backend,
    tables: impl Fn(&Backend) -> [toml_edit::Table; 4],
) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let names = super::general::SECTIONS;
    for ((section, before), after) in names.into_iter().zip(tables(before)).zip(tables(after)) {
        for (key, value) in before.iter() {
            let text = |item: &toml_edit::Item| item.to_string();
            let (was, is) = (text(value), after.get(key).map(text).unwrap_or_default());
            if was != is {
                found.push((format!("{section}.{key}"), was, is));
            }
        }
    }
    found
}
