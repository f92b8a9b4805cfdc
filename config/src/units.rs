//! Durations and sizes as people write them.

use std::time::Duration;

/// Longer ones are surely a slip, and would overflow a clock.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// In microseconds.
const DURATION_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads `50us`, `250ms`, `10s`, `1h30m`, `0`. The error says what is wrong.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return Err("a number without a unit".into());
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest_so_far = u64::MAX;
    while !rest.is_empty() {
        let (digits, after) = split_at(rest, |c| !c.is_ascii_digit());
        let (unit, next) = split_at(after, |c| !c.is_ascii_alphabetic());
        let factor = DURATION_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let (Ok(count), Some(factor)) = (digits.parse::<u64>(), factor) else {
            return Err("not a duration".into());
        };
        if factor >= smallest_so_far {
            return Err("not a duration: units go from long to short".into());
        }
        smallest_so_far = factor;
        total = count.checked_mul(factor).and_then(|us| total.checked_add(us)).ok_or("longer than a year")?;
        rest = next;
    }
    if smallest_so_far == u64::MAX {
        return Err("not a duration".into());
    }
    match Duration::from_micros(total) {
        long if long > LONGEST => Err("longer than a year".into()),
        duration => Ok(duration),
    }
}

/// Reads `16MiB`, `4MB`, `65536`. The error says what is wrong.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = split_at(text.trim(), |c| !c.is_ascii_digit());
    let count: u64 = digits.parse().map_err(|_| "not a size".to_owned())?;
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        unit => SIZE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor)
            .ok_or_else(|| "not a size".to_owned())?,
    };
    let bytes = count.checked_mul(factor).ok_or("larger than this machine can count")?;
    usize::try_from(bytes).map_err(|_| "larger than this machine can count".into())
}

/// The shortest text that [`parse_duration`] reads as the same.
pub(crate) fn write_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    // Not in days: "24h" reads better than "1d".
    for (unit, factor) in &DURATION_UNITS[1..] {
        if left >= *factor {
            text.push_str(&format!("{}{unit}", left / factor));
            left %= factor;
        }
    }
    text
}

/// The shortest text that [`parse_size`] reads as the same.
pub(crate) fn write_size(bytes: usize) -> String {
    let bytes = bytes as u64;
    for (unit, factor) in &SIZE_UNITS[..3] {
        if bytes >= *factor && bytes.is_multiple_of(*factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_mean_what_they_say() {
        for (text, ms) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
            ("0s", 0),
            ("0", 0),
            ("1d", 86_400_000),
            ("2000us", 2),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_is_refused_not_guessed() {
        let wrong = [
            "",
            "30",
            "m",
            "10 s",
            "1.5s",
            "5x",
            "10s5m",
            "-1s",
            "s10",
            "400d",
            "99999999999999999999s",
            "ü",
        ];
        for text in wrong {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_mean_what_they_say() {
        for (text, bytes) in
            [("16MiB", 16 << 20), ("4MB", 4_000_000), ("512", 512), ("64 KiB", 65_536), ("1B", 1)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "16mib", "-1", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_check_prints_reads_back_the_same() {
        for us in [0, 50, 1_000, 1_050, 250_000, 1_000_000, 5_400_000_000, 86_461_001_000] {
            let duration = Duration::from_micros(us);
            assert_eq!(parse_duration(&write_duration(duration)), Ok(duration));
        }
        for bytes in [0, 1, 1_000, 1 << 20, (1 << 20) + 1, 16 << 20] {
            assert_eq!(parse_size(&write_size(bytes)), Ok(bytes));
        }
    }
}
