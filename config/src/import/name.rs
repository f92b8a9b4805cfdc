//! Names of servers elsewhere to names of backends here.
//!
//! A backend's name stands in URLs, metrics and before the names of its tools (`backend__tool`), so it is
//! `[A-Za-z0-9][A-Za-z0-9.-]*(_[A-Za-z0-9.-]+)*`, at most 64 characters.

const LONGEST: usize = 64;

/// Whether a name can be a backend's.
pub(crate) fn is_backend_name(name: &str) -> bool {
    let parts_are_whole = name.split('_').all(|part| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    });
    parts_are_whole && name.len() <= LONGEST && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// The nearest name that can be a backend's.
pub(crate) fn map_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    let mut mapped = String::with_capacity(name.len());
    for c in name.trim().chars().map(allowed) {
        let doubled = matches!(c, '-' | '_') && mapped.ends_with(c);
        let leading = mapped.is_empty() && !c.is_ascii_alphanumeric();
        if !doubled && !leading && mapped.len() < LONGEST {
            mapped.push(c);
        }
    }
    let mapped = mapped.trim_end_matches(['_', '-']);
    if mapped.is_empty() { "server".to_owned() } else { mapped.to_owned() }
}

/// A name for each, all different: names that are right already keep theirs.
pub(super) fn map_all<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut taken: Vec<String> =
        names.clone().filter(|name| is_backend_name(name)).map(str::to_owned).collect();
    let mut mapped = Vec::new();
    for name in names {
        if is_backend_name(name) {
            mapped.push(name.to_owned());
            continue;
        }
        let wanted = map_name(name);
        let free = first_free(&wanted, &taken);
        taken.push(free.clone());
        mapped.push(free);
    }
    mapped
}

fn first_free(wanted: &str, taken: &[String]) -> String {
    let numbered = |number: usize| {
        let suffix = format!("-{number}");
        let kept = wanted.len().min(LONGEST - suffix.len());
        format!("{}{suffix}", &wanted[..kept])
    };
    let candidates = std::iter::once(wanted.to_owned()).chain((2..).map(numbered));
    let mut free = candidates.filter(|candidate| !taken.contains(candidate));
    free.next().unwrap_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_served_are_known() {
        for name in ["a", "time", "my-server", "a.b_c-d", "0x", "a_b_c", "A-", "a.-"] {
            assert!(is_backend_name(name), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["", "_a", "a_", "a__b", "-a", ".a", "a b", "ü", "a/b", long.as_str()] {
            assert!(!is_backend_name(name), "{name}");
        }
    }

    #[test]
    fn every_name_becomes_one_that_can_be_served() {
        let long = "a".repeat(200);
        for (name, mapped) in [
            ("My Server", "My-Server"),
            ("@scope/pkg", "scope-pkg"),
            ("a__b", "a_b"),
            ("__x__", "x"),
            ("日本", "server"),
        ] {
            assert_eq!(map_name(name), mapped);
        }
        for name in [long.as_str(), "_-_", "a _ b", "..", "a_-_b", "x y__", "é1"] {
            assert!(is_backend_name(&map_name(name)), "{name} -> {}", map_name(name));
        }
    }

    #[test]
    fn two_names_never_become_one() {
        let names = ["a b", "a-b", "a/b", "a:b"];
        assert_eq!(map_all(names.into_iter()), ["a-b-2", "a-b", "a-b-3", "a-b-4"]);
    }
}
