//! Keys of a JSON text. The text is known to parse, so this only walks.

use super::Lines;
use crate::key_path::KeyPath;

pub(super) fn positions(text: &str, lines: &Lines) -> Vec<(KeyPath, usize)> {
    let mut walk = Walk { bytes: text.as_bytes(), at: 0, lines, found: Vec::new() };
    walk.value(&KeyPath::default());
    walk.found
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    lines: &'a Lines,
    found: Vec<(KeyPath, usize)>,
}

impl Walk<'_> {
    fn value(&mut self, path: &KeyPath) {
        match self.peek() {
            Some(b'{') => self.object(path),
            Some(b'[') => self.array(path),
            Some(b'"') => {
                self.string();
            }
            _ => self.scalar(),
        }
    }

    fn object(&mut self, path: &KeyPath) {
        self.at += 1;
        while self.peek() == Some(b'"') {
            let line = self.lines.at(self.at);
            let inner = path.key(&self.string());
            self.found.push((inner.clone(), line));
            self.skip(b':');
            self.value(&inner);
            self.skip(b',');
        }
        self.skip(b'}');
    }

    fn array(&mut self, path: &KeyPath) {
        self.at += 1;
        let mut index = 0;
        while !matches!(self.peek(), Some(b']') | None) {
            let inner = path.index(index);
            self.found.push((inner.clone(), self.lines.at(self.at)));
            self.value(&inner);
            self.skip(b',');
            index += 1;
        }
        self.skip(b']');
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += match byte {
                b'\\' => 2,
                _ => 1,
            };
            if *byte == b'"' {
                break;
            }
        }
        let end = self.at.min(self.bytes.len());
        serde_json::from_slice(&self.bytes[start..end]).unwrap_or_default()
    }

    fn scalar(&mut self) {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|byte| !matches!(byte, b',' | b'}' | b']')) {
            self.at += 1;
        }
        // Never stand still, whatever the text.
        self.at = self.at.max(start + 1);
    }

    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == Some(byte) {
            self.at += 1;
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
        let text =
            "{\n \"a\": {\n  \"b\\\"c\": [1,\n   {\"d\": \"},\"}]\n },\n \"e\": -1.5e3, \"f\": null\n}";
        let positions = Positions::of(text, Format::Json);
        assert_eq!(positions.line(&KeyPath::of(&["a", "b\"c"])), Some(3));
        assert_eq!(positions.line(&KeyPath::of(&["a", "b\"c"]).index(1).key("d")), Some(4));
        assert_eq!(positions.line(&KeyPath::of(&["f"])), Some(6));
        assert_eq!(positions.line(&KeyPath::of(&["a", "missing"])), Some(2), "falls back to its table");
    }

    #[test]
    fn a_key_given_twice_is_seen() {
        let positions = Positions::of("{\"a\": {\"x\": 1,\n\"x\": 2}}", Format::Json);
        assert_eq!(positions.repeated(), vec![KeyPath::of(&["a", "x"])]);
    }
}
