//! What must not be shown: values of `${VAR}`, of `env`, of `headers`, and what looks like a credential.

use std::collections::BTreeSet;
use std::fmt;

/// What stands in for a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Parts shorter than this are only redacted as a whole: `1` is in too many texts.
const SHORTEST_PART: usize = 4;
/// Words in the name of an argument that make its value a secret.
const SECRET_WORDS: [&str; 10] = [
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "bearer",
];

/// The values that `${VAR}` brought into a configuration.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    pub(crate) fn add(&mut self, value: String) {
        if !value.is_empty() {
            self.0.insert(value);
        }
    }

    /// The text without the values it knows.
    pub fn redact(&self, text: &str) -> String {
        if self.0.contains(text) {
            return REDACTED.to_owned();
        }
        let mut values: Vec<_> = self.0.iter().filter(|value| value.len() >= SHORTEST_PART).collect();
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        values.into_iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), REDACTED))
    }

    /// A URL without what it knows, without a password and without the values of its query.
    pub fn redact_url(&self, url: &str) -> String {
        let url = self.redact(url);
        let (start, query) = match url.split_once('?') {
            Some((start, query)) => (start, Some(query)),
            None => (url.as_str(), None),
        };
        let mut out = match start.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                match host.rsplit_once('@') {
                    Some((_, host)) => format!("{scheme}://{REDACTED}@{host}{path}"),
                    None => start.to_owned(),
                }
            }
            None => start.to_owned(),
        };
        if let Some(query) = query {
            let pairs: Vec<_> = query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some((name, _)) => format!("{name}={REDACTED}"),
                    None => REDACTED.to_owned(),
                })
                .collect();
            out.push('?');
            out.push_str(&pairs.join("&"));
        }
        out
    }

    /// Arguments without what it knows and without what looks like a credential: `--token X`, `--api-key=X`,
    /// `-e NAME=X`, `Authorization: X`.
    pub fn redact_args(&self, args: &[String]) -> Vec<String> {
        let mut value_follows = false;
        let mut assignment_follows = false;
        let mut out = Vec::with_capacity(args.len());
        for arg in args {
            let is_flag = arg.starts_with('-');
            out.push(match (value_follows && !is_flag, assignment_follows) {
                (true, _) => REDACTED.to_owned(),
                (_, true) => without_value(arg, '=').unwrap_or_else(|| self.redact(arg)),
                _ => self.redact_arg(arg),
            });
            value_follows = is_flag && !arg.contains('=') && names_a_secret(arg);
            assignment_follows = matches!(arg.as_str(), "-e" | "--env");
        }
        out
    }

    fn redact_arg(&self, arg: &str) -> String {
        if let Some(rest) = arg.strip_prefix("--env=").and_then(|rest| without_value(rest, '=')) {
            return format!("--env={rest}");
        }
        let name_end = arg.find(['=', ':']).unwrap_or(0);
        if name_end > 0 && names_a_secret(&arg[..name_end]) {
            return format!("{}{REDACTED}", &arg[..=name_end]);
        }
        match arg.find("://") {
            Some(_) => self.redact_url(arg),
            None => self.redact(arg),
        }
    }
}

/// Only how many there are.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

fn without_value(text: &str, separator: char) -> Option<String> {
    text.split_once(separator).map(|(name, _)| format!("{name}{separator}{REDACTED}"))
}

fn names_a_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    SECRET_WORDS.iter().any(|word| plain.contains(word)) || plain == "key"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[&str]) -> Secrets {
        Secrets(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn what_came_from_the_environment_is_not_shown() {
        let secrets = known(&["hunter2", "hunter22", "1"]);
        assert_eq!(secrets.redact("--x=hunter22"), "--x=[redacted]");
        assert_eq!(secrets.redact("1"), "[redacted]");
        assert_eq!(secrets.redact("10.0.0.1"), "10.0.0.1");
        assert!(!format!("{secrets:?}").contains("hunter"));
    }

    #[test]
    fn credentials_written_into_a_url_or_an_argument_are_not_shown() {
        let secrets = Secrets::default();
        assert_eq!(
            secrets.redact_url("https://me:pw@host:1/mcp?api_key=abc&x"),
            "https://[redacted]@host:1/mcp?api_key=[redacted]&[redacted]"
        );
        let args = [
            "--token",
            "abc",
            "--api-key=abc",
            "-e",
            "PW=abc",
            "--header",
            "Authorization: Bearer abc",
            "-y",
        ];
        let shown = secrets.redact_args(&args.map(str::to_owned));
        assert!(!shown.join(" ").contains("abc"), "{shown:?}");
        assert_eq!(shown.first().map(String::as_str), Some("--token"));
        assert_eq!(shown.last().map(String::as_str), Some("-y"));
    }
}
