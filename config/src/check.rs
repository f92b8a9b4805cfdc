//! What each value alone cannot tell: whether they fit together. All problems at once.

mod address;
mod backends;
mod container;
mod credentials;
mod numbers;
pub(crate) mod remarks;
mod sandbox;
mod tokens;
mod warm;

use std::collections::BTreeSet;

use crate::Config;
use crate::error::Fault;
use crate::import::is_backend_name;
use crate::key_path::KeyPath;
use crate::nearest::suggest;

/// Collects what is wrong.
pub(crate) struct Checks<'a> {
    faults: Vec<Fault>,
    /// Values that could not be read: nothing is concluded from them.
    broken: BTreeSet<KeyPath>,
    user_set: &'a dyn Fn(&KeyPath) -> bool,
}

/// Everything that is wrong with values that could be read. `unreadable` are the faults found before.
pub(crate) fn check(
    config: &Config,
    unreadable: &[Fault],
    user_set: &dyn Fn(&KeyPath) -> bool,
) -> Vec<Fault> {
    let broken = unreadable.iter().map(|fault| fault.at.clone()).collect();
    let mut checks = Checks { faults: Vec::new(), broken, user_set };
    checks.addresses(config);
    checks.numbers(config);
    checks.tokens(config);
    checks.session(config);
    checks.telemetry(config);
    checks.groups(config);
    checks.backends(config);
    checks.faults
}

impl Checks<'_> {
    /// Notes a fault, unless one of the values it is concluded from could not be read.
    fn fault(
        &mut self,
        at: &KeyPath,
        involved: &[&KeyPath],
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.readable(at) && !involved.iter().any(|path| self.has_broken(path)) {
            self.faults.push(Fault::new(at.clone(), what, hint));
        }
    }

    /// Whether neither the value nor a table around it is broken; for an override, also what it overrides.
    fn readable(&self, path: &KeyPath) -> bool {
        let is_broken = |path: &KeyPath| self.broken.iter().any(|broken| path.0.starts_with(&broken.0));
        let overridden = match path.keys().as_deref() {
            Some(["backends", _, section @ ..]) => Some(KeyPath::of(section)),
            _ => None,
        };
        !is_broken(path) && !overridden.is_some_and(|path| is_broken(&path))
    }

    /// Whether the value or a part of it is broken.
    fn has_broken(&self, path: &KeyPath) -> bool {
        !self.readable(path) || self.broken.iter().any(|broken| broken.0.starts_with(&path.0))
    }

    fn session(&mut self, config: &Config) {
        if !config.session.header.is_empty() && !is_token(&config.session.header) {
            let hint = "letters, digits and hyphens, such as \"X-Session\"";
            self.fault(&KeyPath::of(&["session", "header"]), &[], "not the name of a header", hint);
        }
    }

    fn telemetry(&mut self, config: &Config) {
        let section = KeyPath::of(&["telemetry"]);
        if config.telemetry.log_level.trim().is_empty() {
            let hint = "write \"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
            self.fault(&section.key("log_level"), &[], "empty", hint);
        }
        if !config.telemetry.otlp_endpoint.is_empty() && !is_http_url(&config.telemetry.otlp_endpoint) {
            let hint = "write it as \"http://host:4318\"";
            self.fault(&section.key("otlp_endpoint"), &[], "not an http or https URL", hint);
        }
    }

    fn groups(&mut self, config: &Config) {
        for (name, members) in &config.groups {
            let at = KeyPath::of(&["groups", name]);
            if !is_backend_name(name) {
                self.fault(&at, &[], "not a name that can be served", NAME_RULE);
            }
            if config.backends.contains_key(name) {
                self.fault(&at, &[], "a backend has this name already", "give the group another name");
            }
            if members.is_empty() {
                self.fault(&at, &[], "an empty group has nothing to serve", "name backends, or remove it");
            }
            for (index, member) in members.iter().enumerate() {
                if members.iter().take(index).any(|earlier| earlier == member) {
                    self.fault(
                        &at.index(index),
                        &[],
                        format!("`{member}` stands there twice"),
                        "name it once",
                    );
                }
                let known = config.backends.keys().map(String::as_str);
                // Not `known`: a backend that could not be read exists all the same.
                if !(self.user_set)(&KeyPath::of(&["backends", member])) {
                    let what = format!("there is no backend `{member}`");
                    self.fault(&at.index(index), &[], what, suggest(member, known));
                }
            }
        }
    }
}

const NAME_RULE: &str =
    "letters, digits, dots, hyphens and single underscores between them, first a letter or digit, at most 64";

/// The `token` of RFC 9110, of which header names are made.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_http_url(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let clean = !url.contains(|c: char| c.is_whitespace() || c.is_control());
    clean && !host.is_empty() && !host.starts_with(':')
}
