//! Keys of a YAML text by their indentation: block style only, the rest has the line of its table.

use crate::key_path::KeyPath;

pub(super) fn positions(text: &str) -> Vec<(KeyPath, usize)> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, KeyPath)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let Some(key) = key_of(&line[indent..]) else { continue };
        while open.last().is_some_and(|(outer, _)| *outer >= indent) {
            open.pop();
        }
        let path = open.last().map(|(_, path)| path.key(key)).unwrap_or_else(|| KeyPath::of(&[key]));
        found.push((path.clone(), number + 1));
        open.push((indent, path));
    }
    found
}

fn key_of(line: &str) -> Option<&str> {
    if line.starts_with(['#', '-', '{', '[', '&', '*', '|', '>']) {
        return None;
    }
    let (key, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => line[1..].split_once(quote).map(|(key, rest)| (key, rest.trim_start()))?,
        _ => line.find(':').map(|at| line.split_at(at))?,
    };
    let rest = rest.strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\r'])).then(|| key.trim_end())
}

#[cfg(test)]
mod tests {
    use crate::key_path::KeyPath;
    use crate::parse::Format;
    use crate::position::Positions;

    #[test]
    fn each_key_has_its_line() {
        let text = "pool:\n  idle_timeout: 1s\nbackends:\n  \"a.b\":\n    command: x\n    args:\n    - http://x\n    \
                    pool: {cooldown: 1s}\n";
        let positions = Positions::of(text, Format::Yaml);
        assert_eq!(positions.line(&KeyPath::of(&["pool", "idle_timeout"])), Some(2));
        assert_eq!(positions.line(&KeyPath::of(&["backends", "a.b", "command"])), Some(5));
        assert_eq!(positions.line(&KeyPath::of(&["backends", "a.b", "pool", "cooldown"])), Some(8));
    }
}
