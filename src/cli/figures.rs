//! Times, sizes and errors in a few characters.

/// Longer errors are cut in tables.
const ERROR_WIDTH: usize = 60;

pub(super) fn ago(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "now".to_owned(),
        s if s < 120.0 => format!("{s:.0}s ago"),
        s if s < 7200.0 => format!("{:.0}m ago", s / 60.0),
        s if s < 172_800.0 => format!("{:.0}h ago", s / 3600.0),
        s => format!("{:.0}d ago", s / 86_400.0),
    }
}

/// `None`: not known.
pub(super) fn memory(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let mebibytes = bytes as f64 / 1_048_576.0;
    if mebibytes < 1024.0 { format!("{mebibytes:.1} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

/// A time that a request takes.
pub(super) fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(s) if s < 0.001 => format!("{:.0} us", s * 1e6),
        Some(s) if s < 1.0 => format!("{:.1} ms", s * 1e3),
        Some(s) => format!("{s:.1} s"),
    }
}

pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first line, as much of it as fits.
pub(super) fn cut(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    if line.chars().count() <= ERROR_WIDTH {
        return line.to_owned();
    }
    line.chars().take(ERROR_WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_a_table() {
        assert_eq!(
            [0.4, 59.6, 600.0, 9000.0, 3e5].map(ago),
            ["now", "60s ago", "10m ago", "2h ago", "3d ago"]
        );
        assert_eq!(
            [Some(0.000_8), Some(0.0123), Some(2.0), None].map(seconds),
            ["800 us", "12.3 ms", "2.0 s", "-"]
        );
        assert_eq!([Some(24 << 20), Some(3 << 30), None].map(memory), ["24.0 MiB", "3.0 GiB", "-"]);
        assert_eq!(cut(&"x".repeat(100)).chars().count(), ERROR_WIDTH);
        assert_eq!(cut("exit: code 1\nmore"), "exit: code 1");
    }
}
