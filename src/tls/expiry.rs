//! When a certificate ends (RFC 5280, 4.1.2.5). Pure.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime, Utc};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter`; `None`: it is no certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, signed, _) = element(certificate)? else { return None };
    let mut rest = match element(signed)? {
        (VERSION, _, rest) => rest,
        _ => signed,
    };
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (_, _, after) = element(validity)?;
    let (kind, text, _) = element(after)?;
    let text = std::str::from_utf8(text).ok()?;
    let full = match kind {
        // Two digits of the year: from 50 on it is the last century.
        UTC_TIME => format!("{}{text}", if text.get(..2)? >= "50" { "19" } else { "20" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    Some(NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%SZ").ok()?.and_utc())
}

/// In days, rounded down; negative once it is over.
pub(super) fn days_left(not_after: DateTime<Utc>, now: SystemTime) -> i64 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (not_after.timestamp() - i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).div_euclid(24 * 3600)
}

/// Tag, contents, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ ..=0x7f => (usize::from(short), rest),
        long => {
            let (digits, rest) =
                rest.split_at_checked(usize::from(long & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, month, day) in [(2031, 2, 3), (2075, 12, 31)] {
            let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let end = not_after(certificate.der()).unwrap();
            assert_eq!(end.format("%Y-%m-%d").to_string(), format!("{year}-{month:02}-{day:02}"));
            let day_before =
                SystemTime::UNIX_EPOCH + Duration::from_secs((end.timestamp() - 86_400 - 5) as u64);
            assert_eq!(days_left(end, day_before), 1);
            assert_eq!(days_left(end, day_before + Duration::from_secs(2 * 86_400)), -1);
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x00", b"-----BEGIN"]
        {
            assert_eq!(not_after(bytes), None, "{bytes:?}");
        }
    }
}
