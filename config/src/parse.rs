//! Text to values: TOML, JSON and YAML.

use std::path::Path;

use figment::providers::{Format as _, Json, Toml, Yaml};
use figment::value::{Dict, Value};

use crate::position::Lines;

/// The three formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Toml,
    Json,
    Yaml,
}

/// Why a text is none of its format. Holds no content of the file, which may be secret.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
    pub(crate) hint: String,
}

impl Format {
    /// By extension, else by content: what begins with `{` is JSON, all else TOML.
    pub(crate) fn of(name: &Path, text: &str) -> Self {
        let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "toml" => Self::Toml,
            "json" | "jsonc" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            _ if matches!(text.trim_start().as_bytes(), [b'{' | b'[', ..]) && looks_like_json(text) => {
                Self::Json
            }
            _ => Self::Toml,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        }
    }
}

/// The top table of a text. JSON has been freed from comments before (`jsonc`).
pub(crate) fn parse(text: &str, format: Format) -> Result<Dict, SyntaxError> {
    let parsed = match format {
        Format::Toml => Toml::from_str::<Value>(text).map_err(|error| {
            let line = error.span().map(|span| Lines::of(text).at(span.start));
            (line, error.message().replace('\n', ", "))
        }),
        Format::Json => Json::from_str::<Value>(text)
            .map_err(|error| (Some(error.line()), without_place(&error.to_string()))),
        // An empty file or one of comments only is an empty table in the other formats.
        Format::Yaml if yaml_is_empty(text) => Ok(Value::from(Dict::new())),
        Format::Yaml => Yaml::from_str::<Value>(text)
            .map_err(|error| (error.location().map(|place| place.line()), without_place(&error.to_string()))),
    };
    match parsed {
        Ok(Value::Dict(_, dict)) => Ok(dict.into_iter().filter_map(without_nulls).collect()),
        Ok(_) => Err(SyntaxError {
            line: Some(1),
            what: "the file holds no settings but a single value".into(),
            hint: "begin with a section such as [gateway], or with {\"mcpServers\": {…}}".into(),
        }),
        Err((line, what)) => Err(SyntaxError {
            line,
            what: format!("not valid {}: {what}", format.name()),
            hint: "correct it there; nothing of this file was read".into(),
        }),
    }
}

/// `null` is how JSON says "not given".
fn without_nulls((key, value): (String, Value)) -> Option<(String, Value)> {
    match value {
        Value::Empty(..) => None,
        Value::Dict(tag, dict) => {
            Some((key, Value::Dict(tag, dict.into_iter().filter_map(without_nulls).collect())))
        }
        value => Some((key, value)),
    }
}

/// `[` also begins a TOML table: `[pool]` is no JSON.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') || text.trim_end().ends_with(']') && text[1..].trim_start().starts_with('{')
}

fn yaml_is_empty(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// The place is told apart, in the same way for every format.
fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_known_by_extension_or_by_content() {
        assert_eq!(Format::of(Path::new("a.YML"), "{}"), Format::Yaml);
        assert_eq!(Format::of(Path::new("-"), " {\"mcpServers\": {}}"), Format::Json);
        assert_eq!(Format::of(Path::new("-"), "[pool]\nidle_timeout = \"1s\""), Format::Toml);
        assert_eq!(Format::of(Path::new("-"), ""), Format::Toml);
    }

    #[test]
    fn broken_text_names_its_line_in_every_format() {
        for (format, text) in [
            (Format::Toml, "[pool]\nidle_timeout = \"1s\"\noops\n"),
            (Format::Json, "{\n\"pool\": {},\noops\n}"),
            (Format::Yaml, "pool:\n  a: 1\n b: [\n"),
        ] {
            let error = parse(text, format).unwrap_err();
            assert!(error.line.is_some_and(|line| line >= 3), "{error:?}");
        }
    }

    #[test]
    fn a_syntax_error_shows_nothing_of_the_file() {
        let error = parse("a = \"s3cret-token\n", Format::Toml).unwrap_err();
        assert!(!error.what.contains("s3cret"), "{error:?}");
    }

    #[test]
    fn null_is_the_same_as_absent_and_an_empty_file_is_fine() {
        let dict = parse(r#"{"a": null, "b": {"c": null, "d": 1}}"#, Format::Json).unwrap();
        assert_eq!(dict.keys().collect::<Vec<_>>(), ["b"]);
        for format in [Format::Toml, Format::Yaml] {
            assert!(parse("# nothing yet\n", format).unwrap().is_empty());
        }
    }
}
