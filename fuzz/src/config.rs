//! Configuration files of every format.

use mcpvisor_config::{ConfigErrors, Difference, LoadRequest, Loaded, Source, load, to_toml_redacted};

/// A word that no file of the corpus has, in a variable that files may name.
const SECRET: &str = "s3cr3t-of-the-environment";

/// The first byte says what it is called, the rest is its text.
pub fn check(data: &[u8]) {
    let [kind, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let name = ["mcpvisor.toml", "mcp.json", "mcpvisor.yaml", "-"][usize::from(kind % 4)];
    match load_text(name, text) {
        Ok(loaded) => {
            let shown = to_toml_redacted(&loaded.config);
            assert!(!shown.contains(SECRET) || text.contains(SECRET), "shown: {shown}");
            let difference = Difference::between(&loaded.config, &loaded.config);
            assert!(difference.is_empty(), "from itself: {difference:?}");
            for note in &loaded.notes {
                assert!(!note.what.is_empty() && (!note.key.is_empty() || note.file.is_some()), "{note:?}");
            }
        }
        Err(ConfigErrors(problems)) => {
            assert!(!problems.is_empty());
            // YAML knows more ends of a line than an editor does.
            let lines = text.chars().filter(|char| "\n\r\u{85}\u{2028}\u{2029}".contains(*char)).count() + 2;
            for problem in &problems {
                assert!(!problem.what.is_empty() && !problem.hint.contains("bug of mcpvisor"), "{problem}");
                assert!(!problem.key.is_empty() || problem.file.is_some(), "it names nothing: {problem:?}");
                assert!(
                    problem.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "no such line: {problem:?}"
                );
            }
            let told = ConfigErrors(problems).to_string();
            assert!(!told.contains(SECRET) || text.contains(SECRET), "told: {told}");
        }
    }
}

fn load_text(name: &str, text: &str) -> Result<Loaded, ConfigErrors> {
    let files = vec![Source::Text { name: name.into(), text: text.into() }];
    let env = vec![("S".to_owned(), SECRET.to_owned()), ("E".to_owned(), String::new())];
    load(LoadRequest { files, env, ..LoadRequest::default() })
}
