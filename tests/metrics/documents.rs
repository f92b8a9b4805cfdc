//! The documents that are written from the table.

use std::path::PathBuf;

use mcpvisor::telemetry::catalogue::text;

/// Whoever builds a dashboard from the documents would use names that are not there, or labels.
#[test]
fn documents_say_what_the_table_says() {
    for (name, text) in [("metrics.md", text::markdown()), ("metrics.json", text::json())] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        if std::env::var_os("MCPVISOR_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/{name} is not what the table says; run MCPVISOR_BLESS=1 cargo test --test metrics documents"
        );
    }
}
