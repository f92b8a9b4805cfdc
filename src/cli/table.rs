//! Columns that line up.

use super::paint::{Paint, Tone, harmless};

/// A text in a table.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Cell {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: harmless(&text.into()), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Rows under a heading. Trailing blanks are cut.
pub(super) fn table(heading: &[&str], rows: Vec<Vec<Cell>>, paint: Paint) -> String {
    let heading = heading.iter().map(|text| Cell::new(Tone::Heading, *text)).collect();
    let rows: Vec<Vec<Cell>> = std::iter::once(heading).chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(&paint.paint(cell.tone, &cell.text));
            if column + 1 < row.len() {
                let blanks = width - cell.text.chars().count() + 2;
                out.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_under_their_headings() {
        let rows = || vec![vec![Cell::new(Tone::Good, "memory-long"), "7".into()]];
        let plain = table(&["BACKEND", "PID"], rows(), Paint::of_stdout());
        assert_eq!(plain, "BACKEND      PID\nmemory-long  7\n");
        let painted = table(&["BACKEND", "PID"], rows(), Paint::always());
        assert!(painted.ends_with("\x1b[32mmemory-long\x1b[0m  7\n"), "{painted:?}");
    }
}
