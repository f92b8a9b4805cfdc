//! `${VAR}`, `${VAR:-default}` and `${file:/path}` in strings. Pure.
//!
//! `${env:VAR}`, as editors write it, is the same as `${VAR}`. `${file:/path}` is what stands in that file. `$${` is a literal `${`. A `$` before anything else
//! is a plain character. The default of `${VAR:-default}` serves when VAR is unset *or empty*, as in a shell, and
//! may itself contain `${…}`. What a variable holds is never expanded again.

use crate::value_file::ValueFileError;

/// Defaults within defaults: more than anybody writes, and far less than the stack holds.
const MOST_NESTED: usize = 32;

/// A string with its variables filled in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// What came from variables and files: possibly secrets.
    pub(crate) values: Vec<String>,
}

/// Why a string cannot be expanded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    #[error("the environment variable {0} is not set")]
    Undefined(String),
    #[error("`${{` without its `}}`")]
    Unclosed,
    #[error("`${{{0}}}` names no environment variable")]
    NotAName(String),
    #[error("`${{…:-${{…}}}}` is nested more than {MOST_NESTED} deep")]
    TooDeep,
    #[error(transparent)]
    File(#[from] ValueFileError),
}

/// Where values come from.
pub(crate) struct Sources<'a, 'v> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<&'v str>,
    pub(crate) file: &'a mut dyn FnMut(&str) -> Result<String, ValueFileError>,
}

impl ExpandError {
    /// What would be right.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Undefined(name) => format!("set {name}, or give a default: ${{{name}:-…}}"),
            Self::Unclosed => "close it, or write `$${` for a literal `${`".into(),
            Self::NotAName(inner) if inner.starts_with("input:") => {
                "an editor asks for this value; here it comes from the environment: ${NAME}".into()
            }
            Self::TooDeep => "give the innermost default only".into(),
            Self::File(error) => error.hint().into(),
            Self::NotAName(_) => "write ${NAME} or ${NAME:-default}, or `$${` for a literal `${`".into(),
        }
    }
}

/// Fills in every variable of `text`.
pub(crate) fn expand(text: &str, sources: &mut Sources<'_, '_>) -> Result<Expanded, ExpandError> {
    expand_within(text, sources, MOST_NESTED)
}

fn expand_within(text: &str, sources: &mut Sources<'_, '_>, left: usize) -> Result<Expanded, ExpandError> {
    let mut out = Expanded { text: String::with_capacity(text.len()), values: Vec::new() };
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.text.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$${") {
            out.text.push_str("${");
            rest = after;
            continue;
        }
        let Some(inner) = rest.strip_prefix("${") else {
            out.text.push('$');
            rest = &rest[1..];
            continue;
        };
        let end = closing_brace(inner).ok_or(ExpandError::Unclosed)?;
        expand_one(&inner[..end], sources, left, &mut out)?;
        rest = &inner[end + 1..];
    }
    out.text.push_str(rest);
    Ok(out)
}

fn expand_one(
    inner: &str,
    sources: &mut Sources<'_, '_>,
    left: usize,
    out: &mut Expanded,
) -> Result<(), ExpandError> {
    if let Some(path) = inner.strip_prefix("file:") {
        let value = (sources.file)(path)?;
        out.text.push_str(&value);
        out.values.push(value);
        return Ok(());
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let name = name.strip_prefix("env:").unwrap_or(name);
    if !is_name(name) {
        return Err(ExpandError::NotAName(inner.to_owned()));
    }
    let value = (sources.variable)(name);
    match (value, default) {
        (Some(value), _) if !value.is_empty() || default.is_none() => {
            out.text.push_str(value);
            out.values.push(value.to_owned());
            Ok(())
        }
        (_, Some(default)) => {
            let left = left.checked_sub(1).ok_or(ExpandError::TooDeep)?;
            let default = expand_within(default, sources, left)?;
            out.text.push_str(&default.text);
            out.values.extend(default.values);
            Ok(())
        }
        (_, None) => Err(ExpandError::Undefined(name.to_owned())),
    }
}

/// Where the brace that is already open ends; `${` inside it opens another.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().next().is_some_and(|c| !c.is_ascii_digit()) && name.chars().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, ExpandError> {
        let lookup = |name: &str| match name {
            "TOKEN" => Some("s3cret"),
            "EMPTY" => Some(""),
            "TRICKY" => Some("${TOKEN}"),
            _ => None,
        };
        let mut file = |path: &str| match path {
            "/t" => Ok("${TOKEN}-of-file".to_owned()),
            other => Err(ValueFileError::Relative(other.to_owned())),
        };
        let mut sources = Sources { variable: &lookup, file: &mut file };
        expand(text, &mut sources).map(|expanded| expanded.text)
    }

    #[test]
    fn variables_are_filled_in() {
        for (text, expected) in [
            ("Bearer ${TOKEN}!", "Bearer s3cret!"),
            ("${env:TOKEN}", "s3cret"),
            ("${TOKEN}${TOKEN}", "s3crets3cret"),
            ("${NONE:-a b}", "a b"),
            ("${EMPTY:-filled}", "filled"),
            ("[${EMPTY}]", "[]"),
            ("${NONE:-}", ""),
            ("${NONE:-${TOKEN}}-", "s3cret-"),
            ("${NONE:-http://x:80/-}", "http://x:80/-"),
            ("Bearer ${file:/t}", "Bearer ${TOKEN}-of-file"),
            ("${NONE:-${file:/t}}", "${TOKEN}-of-file"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_dollars_and_escapes_stay() {
        for (text, expected) in [
            ("$HOME costs 5$", "$HOME costs 5$"),
            ("$${TOKEN}", "${TOKEN}"),
            ("$$", "$$"),
            ("${TRICKY}", "${TOKEN}"),
            ("ü$ü", "ü$ü"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error_with_its_name() {
        assert_eq!(filled("a ${NONE}"), Err(ExpandError::Undefined("NONE".into())));
        assert_eq!(filled("${NONE:-${ALSO_NONE}}"), Err(ExpandError::Undefined("ALSO_NONE".into())));
        assert_eq!(filled("${TOKEN"), Err(ExpandError::Unclosed));
        assert_eq!(filled("${input:key}"), Err(ExpandError::NotAName("input:key".into())));
        assert_eq!(filled("${}"), Err(ExpandError::NotAName(String::new())));
        assert!(matches!(filled("${file:t}"), Err(ExpandError::File(_))));
        assert_eq!(filled("${1A}"), Err(ExpandError::NotAName("1A".into())));
    }

    /// A file could end the program by its stack.
    #[test]
    fn defaults_within_defaults_have_an_end() {
        let nested = |depth: usize| "${N:-".repeat(depth) + "x" + &"}".repeat(depth);
        assert_eq!(filled(&nested(32)).as_deref(), Ok("x"));
        assert_eq!(filled(&nested(33)), Err(ExpandError::TooDeep));
        assert_eq!(filled(&nested(100_000)), Err(ExpandError::TooDeep));
    }
}
