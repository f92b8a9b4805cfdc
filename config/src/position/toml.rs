//! Keys of a TOML text, from the spans of its parser.

use toml_edit::{ImDocument, Item, TableLike, Value};

use super::Lines;
use crate::key_path::KeyPath;

pub(super) fn positions(text: &str, lines: &Lines) -> Vec<(KeyPath, usize)> {
    let mut found = Vec::new();
    if let Ok(document) = ImDocument::parse(text) {
        table(document.as_table(), &KeyPath::default(), lines, &mut found);
    }
    found
}

fn table(table: &dyn TableLike, path: &KeyPath, lines: &Lines, found: &mut Vec<(KeyPath, usize)>) {
    for (name, item) in table.iter() {
        let inner = path.key(name);
        let key_span = table.key(name).and_then(toml_edit::Key::span);
        if let Some(span) = key_span.or_else(|| item.span()) {
            found.push((inner.clone(), lines.at(span.start)));
        }
        self::item(item, &inner, lines, found);
    }
}

fn item(item: &Item, path: &KeyPath, lines: &Lines, found: &mut Vec<(KeyPath, usize)>) {
    if let Some(inner) = item.as_table_like() {
        table(inner, path, lines, found);
    }
    if let Some(tables) = item.as_array_of_tables() {
        for (index, inner) in tables.iter().enumerate() {
            let path = path.index(index);
            found.extend(inner.span().map(|span| (path.clone(), lines.at(span.start))));
            table(inner, &path, lines, found);
        }
    }
    if let Some(array) = item.as_array() {
        for (index, value) in array.iter().enumerate() {
            let path = path.index(index);
            found.extend(value.span().map(|span| (path.clone(), lines.at(span.start))));
            if let Value::InlineTable(inner) = value {
                table(inner, &path, lines, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::key_path::KeyPath;
    use crate::parse::Format;
    use crate::position::Positions;

    #[test]
    fn each_key_has_its_line() {
        let text = "# top\n[pool]\nidle_timeout = \"1s\"\n\n[backends.\"a.b\"]\npool.cooldown = \"1s\"\nargs = [\n  \
                    \"x\",\n  \"y\"]\n[[auth.keys]]\nid = \"a\"\n";
        let positions = Positions::of(text, Format::Toml);
        assert_eq!(positions.line(&KeyPath::of(&["pool", "idle_timeout"])), Some(3));
        assert_eq!(positions.line(&KeyPath::of(&["backends", "a.b"])), Some(5));
        assert_eq!(positions.line(&KeyPath::of(&["backends", "a.b", "pool", "cooldown"])), Some(6));
        assert_eq!(positions.line(&KeyPath::of(&["backends", "a.b", "args"]).index(1)), Some(9));
        assert_eq!(positions.line(&KeyPath::of(&["auth", "keys"]).index(0).key("id")), Some(11));
    }
}
