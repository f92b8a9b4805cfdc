//! "Did you mean": the nearest of what is known.

/// The candidate that `wrong` was probably meant to be; spelling style (`idleTimeout`, `idle-timeout`) is no distance.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain_wrong = plain(wrong);
    let allowed = (plain_wrong.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&plain_wrong, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint: the nearest one, or all of them.
pub(crate) fn suggest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(wrong, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<_> = candidates.into_iter().map(|known| format!("`{known}`")).collect();
    match all.is_empty() {
        true => "there is none".into(),
        false => format!("known here: {}", all.join(", ")),
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_key_and_nonsense_finds_none() {
        let known = ["idle_timeout", "cleanup_interval", "max_error_count"];
        assert_eq!(nearest("idle_tmeout", known), Some("idle_timeout"));
        assert_eq!(nearest("maxErrorCount", known), Some("max_error_count"));
        assert_eq!(nearest("cleanup-intervall", known), Some("cleanup_interval"));
        assert_eq!(nearest("colour", known), None);
    }
}
