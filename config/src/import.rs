//! Files of other programs: `mcpServers` (Claude Desktop, Claude Code, Cursor, Windsurf, the GitHub gateway) and
//! `servers` (VS Code). They are taken as they are; what is for those programs is skipped, and said.

mod container;
mod gateway;
mod name;
mod server;

pub(crate) use name::{is_backend_name, map_name};

use figment::value::{Dict, Value};

use crate::error::{Fault, NoteKind, Remark};
use crate::key_path::KeyPath;
use crate::layer::insert;

/// Sections of mcpvisor that somebody may have put into such a file.
const OWN_SECTIONS: [&str; 11] = [
    "pool",
    "session",
    "backoff",
    "timeouts",
    "limits",
    "principal_limits",
    "http",
    "auth",
    "groups",
    "backends",
    "backend_defaults",
];

/// A foreign file in mcpvisor's own terms.
#[derive(Debug, Default)]
pub(crate) struct Import {
    pub(crate) dict: Dict,
    /// Our path to the path in the file.
    pub(crate) aliases: Vec<(KeyPath, KeyPath)>,
    /// In our paths where there is one, else in the file's.
    pub(crate) faults: Vec<Fault>,
    pub(crate) remarks: Vec<Remark>,
}

/// Translates the file if it is one of these; `None` when it is mcpvisor's own.
pub(crate) fn import<'a>(dict: &Dict, variable: &dyn Fn(&str) -> Option<&'a str>) -> Option<Import> {
    let (servers, at) = servers(dict)?;
    let mut import = Import::default();
    let names = name::map_all(servers.keys().map(String::as_str));
    for ((written, entry), name) in servers.iter().zip(names) {
        let theirs = at.key(written);
        import.aliases.push((KeyPath::of(&["backends", &name]), theirs.clone()));
        if name != *written {
            let what = format!(
                "`{written}` is served as `{name}`: names here are made of letters, digits, . - and single _"
            );
            import.remark(NoteKind::Mapped, theirs.clone(), what);
        }
        match entry {
            Value::Dict(_, entry) => server::server(entry, &name, &theirs, variable, &mut import),
            _ => import.faults.push(Fault::new(
                theirs,
                "a server is a table",
                "write it as { \"command\": \"…\" } or { \"url\": \"…\" }",
            )),
        }
    }
    if at.0.len() == 1 {
        top_level(dict, &at, &mut import);
    }
    Some(import)
}

impl Import {
    fn remark(&mut self, kind: NoteKind, at: KeyPath, what: impl Into<String>) {
        self.remarks.push(Remark { kind, at, what: what.into() });
    }

    /// Sets one of our keys from one of theirs.
    fn set(&mut self, ours: &[&str], theirs: KeyPath, value: Value) {
        insert(&mut self.dict, ours, value);
        self.aliases.push((KeyPath::of(ours), theirs));
    }
}

/// The table of servers and where it stands.
fn servers(dict: &Dict) -> Option<(&Dict, KeyPath)> {
    for key in ["mcpServers", "servers"] {
        if let Some(servers) = dict.get(key).and_then(Value::as_dict) {
            return Some((servers, KeyPath::of(&[key])));
        }
    }
    let nested =
        dict.get("mcp").and_then(Value::as_dict).and_then(|mcp| mcp.get("servers")).and_then(Value::as_dict);
    if let Some(servers) = nested {
        return Some((servers, KeyPath::of(&["mcp", "servers"])));
    }
    let is_server = |value: &Value| {
        value.as_dict().is_some_and(|entry| ["command", "url"].iter().any(|key| entry.contains_key(*key)))
    };
    (!dict.is_empty() && dict.values().all(is_server)).then(|| (dict, KeyPath::default()))
}

fn top_level(dict: &Dict, servers: &KeyPath, import: &mut Import) {
    let others = dict.iter().filter(|(key, _)| servers.keys() != Some(vec![key.as_str()]));
    let mut foreign = Vec::new();
    for (key, value) in others {
        match value {
            Value::Dict(_, gateway) if key == "gateway" => gateway::gateway(gateway, import),
            _ if OWN_SECTIONS.contains(&key.as_str()) => import.remark(
                NoteKind::Warning,
                KeyPath::of(&[key]),
                "not read: beside a list of servers only `gateway` is; settings of mcpvisor go into a file of their \
                 own, given with another --config",
            ),
            _ => foreign.push(format!("`{key}`")),
        }
    }
    if !foreign.is_empty() {
        import.remark(
            NoteKind::Ignored,
            KeyPath::default(),
            format!("not read, as it is for another program: {}", foreign.join(", ")),
        );
    }
}
