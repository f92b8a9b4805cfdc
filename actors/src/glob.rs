//! Patterns of names. Pure.

/// `*` is any run of bytes, `?` any one byte, case counts.
pub(crate) fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at_glob, mut at_name) = (0, 0);
    // Where the last `*` stands, and how far it has reached into the name so far.
    let mut star: Option<(usize, usize)> = None;
    while at_name < name.len() {
        match glob.get(at_glob) {
            Some(b'*') => {
                star = Some((at_glob, at_name));
                at_glob += 1;
            }
            Some(&expected) if expected == b'?' || expected == name[at_name] => {
                at_glob += 1;
                at_name += 1;
            }
            _ => {
                let Some((star_glob, star_name)) = star else { return false };
                star = Some((star_glob, star_name + 1));
                at_glob = star_glob + 1;
                at_name = star_name + 1;
            }
        }
    }
    glob[at_glob..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, a variable would pass or be held back against what the configuration says.
    #[test]
    fn globs() {
        for (glob, name, expected) in [
            ("LC_*", "LC_ALL", true),
            ("LC_*", "LC_", true),
            ("LC_*", "XLC_ALL", false),
            ("*_PROXY", "HTTPS_PROXY", true),
            ("*_PROXY", "HTTPS_PROXY_X", false),
            ("*_PROXY", "https_proxy", false),
            ("A*B*C", "AxBxBxC", true),
            ("A*B*C", "AxCxB", false),
            ("T?", "TZ", true),
            ("T?", "T", false),
            ("*", "", true),
            ("", "", true),
            ("", "X", false),
            ("HOME", "HOME", true),
            ("HOME", "HOMEX", false),
        ] {
            assert_eq!(matches(glob.as_bytes(), name.as_bytes()), expected, "{glob} {name}");
        }
    }
}
