//! Short ways to load a text.

use mcpvisor_config::{Backend, Config, ConfigErrors, LoadRequest, Loaded, Problem, Source, Transport, load};

pub fn text(name: &str, text: &str) -> Source {
    Source::Text { name: name.into(), text: text.into() }
}

pub fn request(name: &str, content: &str, env: &[(&str, &str)]) -> LoadRequest {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LoadRequest { files: vec![text(name, content)], env, ..LoadRequest::default() }
}

pub fn try_load(name: &str, content: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    load(request(name, content, env))
}

#[track_caller]
pub fn loaded(request: LoadRequest) -> Loaded {
    match load(request) {
        Ok(loaded) => loaded,
        Err(errors) => panic!("{errors}"),
    }
}

#[track_caller]
pub fn toml(content: &str) -> Config {
    loaded(request("mcpvisor.toml", content, &[])).config
}

#[track_caller]
pub fn json(content: &str) -> Loaded {
    loaded(request("mcp.json", content, &[]))
}

#[track_caller]
pub fn problems(request: LoadRequest) -> Vec<Problem> {
    match load(request) {
        Ok(loaded) => panic!("loads, with notes {:?}", loaded.notes),
        Err(ConfigErrors(problems)) => problems,
    }
}

/// The only problem of a TOML text.
#[track_caller]
pub fn problem(content: &str) -> Problem {
    let problems = problems(request("mcpvisor.toml", content, &[]));
    match <[Problem; 1]>::try_from(problems) {
        Ok([problem]) => problem,
        Err(problems) => panic!("not one problem but {}", ConfigErrors(problems)),
    }
}

/// Each row: the keys of a backend `a`, the key of theirs that is wrong ("" = all of it), and what is said of it.
#[track_caller]
pub fn refused_backends(rows: &[(&str, &str, &str)]) {
    for (keys, key, what) in rows {
        let problem = problem(&format!("[backends.a]\n{keys}\n"));
        let dot = if key.is_empty() { "" } else { "." };
        assert_eq!(problem.key, format!("backends.a{dot}{key}"), "{problem}");
        assert!(problem.to_string().contains(what), "{problem}");
    }
}

#[track_caller]
pub fn backend<'a>(config: &'a Config, name: &str) -> &'a Backend {
    match config.backends.get(name) {
        Some(backend) => backend,
        None => panic!("no backend {name} among {:?}", config.backends.keys()),
    }
}

/// Command, arguments and environment of a stdio backend.
#[track_caller]
pub fn stdio<'a>(config: &'a Config, name: &str) -> (&'a str, Vec<&'a str>, Vec<(&'a str, &'a str)>) {
    match &backend(config, name).transport {
        Transport::Stdio { command, args, env, .. } => (
            command,
            args.iter().map(String::as_str).collect(),
            env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        ),
        other => panic!("{name} is {other:?}"),
    }
}
