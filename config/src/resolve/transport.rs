//! How a backend is reached: exactly one of `command`, `container` and `url`, and what belongs to it.

use crate::read::Reader;
use crate::{ClientAuth, Container, Oauth, Transport, UpstreamKind};

/// Keys that mean something with some of them only.
const OF_A_PROCESS: [&str; 5] = ["args", "env", "cwd", "env_pass", "sandbox"];
const OF_A_CONTAINER: [&str; 4] = ["engine", "entrypoint", "mounts", "run_args"];
const OF_A_URL: [&str; 4] = ["headers", "transport", "forward_authorization", "oauth"];

/// A transport, and the container behind it.
pub(super) struct Reached {
    pub(super) transport: Transport,
    pub(super) container: Option<Container>,
}

/// Notes what is wrong in `[backend_defaults]` once, not once per backend.
pub(super) fn check_defaults(reader: &Reader<'_>) {
    let _ = process(reader, "command");
    let _ = container(reader);
    let _ = http(reader);
}

/// `None` when it is not clear what it is.
pub(super) fn reached(reader: &Reader<'_>) -> Option<Reached> {
    let given = ["command", "container", "url"].into_iter().filter(|key| reader.has(key)).collect::<Vec<_>>();
    let (reached, foreign) = match given[..] {
        ["command"] => {
            (process(reader, "command"), vec![("container", &OF_A_CONTAINER[..]), ("url", &OF_A_URL)])
        }
        ["container"] => (container(reader), vec![("url", &OF_A_URL[..])]),
        ["url"] => (http(reader), vec![("command", &OF_A_PROCESS[..]), ("container", &OF_A_CONTAINER)]),
        [first, second, ..] => {
            reader.fault_at(
                reader.at().clone(),
                format!("both {first} and {second} are given"),
                "keep one: command for a program that is started here, container for an image, url for a server that runs elsewhere",
            );
            return None;
        }
        [_] | [] => {
            reader.fault_at(
                reader.at().clone(),
                "neither command nor url is given",
                "add command = \"program\" (with args = […]), container = \"image\" or url = \"https://…/mcp\"",
            );
            return None;
        }
    };
    for (of, keys) in foreign {
        for key in keys.iter().filter(|key| reader.has(key)) {
            reader.fault(key, format!("only means something together with {of}"), "remove it");
        }
    }
    Some(reached)
}

fn process(reader: &Reader<'_>, command: &str) -> Reached {
    let transport = Transport::Stdio {
        command: reader.text(command),
        args: reader.texts("args"),
        env: reader.text_map("env"),
        cwd: Some(reader.text("cwd")).filter(|path| !path.is_empty()).map(Into::into),
        env_pass: reader.texts("env_pass"),
    };
    Reached { transport, container: None }
}

/// The engine is the process that speaks for it.
fn container(reader: &Reader<'_>) -> Reached {
    let container = Container {
        image: reader.text("container"),
        entrypoint: reader.text("entrypoint"),
        mounts: reader.texts("mounts"),
        run_args: reader.texts("run_args"),
    };
    Reached { container: Some(container), ..process(reader, "engine") }
}

fn http(reader: &Reader<'_>) -> Reached {
    let url = reader.text("url");
    let kinds = [("http", UpstreamKind::Http), ("sse", UpstreamKind::Sse)];
    let transport = Transport::Http {
        oauth: oauth(&reader.table("oauth"), &url),
        url,
        headers: reader.text_map("headers"),
        kind: reader.choice("transport", &kinds).unwrap_or(UpstreamKind::Http),
        forward_authorization: reader.flag("forward_authorization"),
    };
    Reached { transport, container: None }
}

/// In effect once it is known where to ask. What its token is for is the backend, unless told otherwise.
fn oauth(reader: &Reader<'_>, url: &str) -> Option<Oauth> {
    let kinds = [("basic", ClientAuth::Basic), ("post", ClientAuth::Post)];
    let resource = match reader.text("resource") {
        auto if auto == "auto" => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        other => other,
    };
    let oauth = Oauth {
        token_url: reader.text("token_url"),
        client_id: reader.text("client_id"),
        client_secret: reader.text("client_secret"),
        client_auth: reader.choice("client_auth", &kinds).unwrap_or(ClientAuth::Basic),
        scope: reader.text("scope"),
        resource,
        audience: reader.text("audience"),
    };
    (!oauth.token_url.is_empty()).then_some(oauth)
}
