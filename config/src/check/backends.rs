//! What only a backend has: its name, its command or URL, what it is given.

use super::{Checks, NAME_RULE, is_http_url, is_token};
use crate::import::{is_backend_name, map_name};
use crate::key_path::KeyPath;
use crate::{Backend, Config, Protocol, Transport, UpstreamKind};

/// Marks our children in their environment: nobody else may set it.
const RESERVED_VARIABLE: &str = "MCPVISOR_CHILD";

impl Checks<'_> {
    pub(super) fn backends(&mut self, config: &Config) {
        for (name, backend) in &config.backends {
            let at = KeyPath::of(&["backends", name]);
            if !is_backend_name(name) {
                let hint = format!("such as `{}`: {NAME_RULE}", map_name(name));
                self.fault(&at, &[], "not a name that can be served", hint);
            }
            self.backend(backend, &at);
            if !backend.disabled {
                self.credentials(&backend.transport, backend.isolation, config, &at);
            }
            self.warm(backend, config, &at);
            self.sandbox(backend, &at);
            self.container(backend, &at);
        }
    }

    fn backend(&mut self, backend: &Backend, at: &KeyPath) {
        match &backend.transport {
            Transport::Stdio { command, args, env, .. } => {
                if command.trim().is_empty() || command.contains('\0') {
                    let key = if backend.container.is_some() { "engine" } else { "command" };
                    let hint = "name a program: a path, or a name looked up in PATH";
                    self.fault(&at.key(key), &[], "not a program", hint);
                }
                for (index, _) in args.iter().enumerate().filter(|(_, arg)| arg.contains('\0')) {
                    let hint = "no argument can hold one; remove it";
                    self.fault(&at.key("args").index(index), &[], "a NUL character", hint);
                }
                for (name, value) in env {
                    self.variable(name, value, &at.key("env").key(name));
                }
            }
            Transport::Http { url, headers, kind, .. } => {
                if *kind == UpstreamKind::Sse && backend.protocol == Protocol::Modern {
                    let hint = "remove one of the two: HTTP+SSE was gone before 2026-07-28";
                    self.fault(&at.key("protocol"), &[&at.key("transport")], "not spoken over \"sse\"", hint);
                }
                if !is_http_url(url) {
                    let hint = "write it as \"https://host/mcp\"";
                    self.fault(&at.key("url"), &[], "not an http or https URL", hint);
                }
                for (name, value) in headers {
                    let at = at.key("headers").key(name);
                    if !is_token(name) {
                        let hint = "letters, digits and hyphens, such as \"X-Api-Key\"";
                        self.fault(&at, &[], "not the name of a header", hint);
                    }
                    // The value may be a secret: it is not shown.
                    if value.chars().any(|c| c.is_control() && c != '\t') {
                        let hint = "a header is one line; look for a line break at the end of the variable";
                        self.fault(&at, &[], "a control character in the value", hint);
                    }
                }
            }
        }
    }

    fn variable(&mut self, name: &str, value: &str, at: &KeyPath) {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            self.fault(at, &[], "not a variable", "no = in the name, no NUL character anywhere");
        }
        if name == RESERVED_VARIABLE {
            self.fault(at, &[], "reserved: mcpvisor finds its own processes by it", "remove it");
        }
    }
}
