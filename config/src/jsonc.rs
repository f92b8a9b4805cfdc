//! JSON as editors keep it: with comments and trailing commas.

/// Blanks comments and trailing commas; every other byte, and so every line, stays where it was.
pub(crate) fn to_json(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    let mut last_significant: Option<usize> = None;
    while at < out.len() {
        match (out[at], out.get(at + 1)) {
            (b'"', _) => {
                last_significant = Some(at);
                at = end_of_string(&out, at);
            }
            (b'/', Some(b'/')) => {
                let end = end_of_line(&out, at);
                blank(&mut out[at..end]);
                at = end;
            }
            (b'/', Some(b'*')) => {
                let end = end_of_block(&out, at);
                blank(&mut out[at..end]);
                at = end;
            }
            (byte, _) => {
                if matches!(byte, b'}' | b']')
                    && let Some(before) = last_significant
                    && out[before] == b','
                {
                    out[before] = b' ';
                }
                if !byte.is_ascii_whitespace() {
                    last_significant = Some(at);
                }
                at += 1;
            }
        }
    }
    // Only whole comments and ASCII commas were replaced, so this is still UTF-8.
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_line(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |offset| start + offset)
}

fn end_of_block(bytes: &[u8], start: usize) -> usize {
    let close = bytes[start + 2..].windows(2).position(|pair| pair == b"*/");
    close.map_or(bytes.len(), |offset| start + 2 + offset + 2)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn an_editors_file_is_read_and_its_lines_stay() {
        let text = "{ // who\n  \"url\": \"http://x/*no*/\", /* two\nlines ü */ \"a\": [1, 2,], }";
        let json = to_json(text);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value, serde_json::json!({ "url": "http://x/*no*/", "a": [1, 2] }));
        assert_eq!(json.lines().count(), text.lines().count());
    }

    #[test]
    fn unfinished_text_does_not_panic() {
        for text in ["\"abc\\", "/*", "//", "/", "\"", ",]", "/**"] {
            let _ = to_json(text);
        }
    }
}
