//! What a client sends and what it takes: `Content-Type` and `Accept`.

use http::{HeaderMap, header};

/// The two types an MCP answer can have.
pub(crate) const JSON: &str = "application/json";
/// See [`JSON`].
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Whether the body is said to be JSON; parameters such as a charset are fine.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| without_parameters(value).eq_ignore_ascii_case(JSON))
}

/// Whether the client takes `media_type`: no `Accept` header takes everything (RFC 9110, 12.5.1).
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut any = false;
    let mut best: Option<(u8, bool)> = None;
    for value in headers.get_all(header::ACCEPT) {
        any = true;
        for range in value.to_str().unwrap_or_default().split(',') {
            let Some(precision) = matches(without_parameters(range), media_type) else { continue };
            // The most precise range decides, whatever its place.
            if best.is_none_or(|(before, _)| precision > before) {
                best = Some((precision, wanted(range)));
            }
        }
    }
    !any || best.is_some_and(|(_, wanted)| wanted)
}

/// Whether the client would rather have a stream: it gives it the higher quality, or names it first.
/// (RFC 9110 gives the order no meaning, so it may break the tie; the SDKs name JSON first.)
pub(crate) fn prefers_stream(headers: &HeaderMap) -> bool {
    let mut best: Option<(f32, bool)> = None;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let is_stream = without_parameters(range).eq_ignore_ascii_case(EVENT_STREAM);
            if !is_stream && !without_parameters(range).eq_ignore_ascii_case(JSON) {
                continue;
            }
            let quality = quality(range);
            if best.is_none_or(|(before, _)| quality > before) {
                best = Some((quality, is_stream));
            }
        }
    }
    best.is_some_and(|(_, is_stream)| is_stream)
}

/// How precisely a range names the type, if it covers it.
fn matches(range: &str, media_type: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    if range == "*/*" {
        return Some(0);
    }
    let (kind, rest) = range.split_once('/')?;
    let (wanted, _) = media_type.split_once('/')?;
    (rest == "*" && kind.eq_ignore_ascii_case(wanted)).then_some(1)
}

/// False for `q=0`, which means "not this".
fn wanted(range: &str) -> bool {
    quality(range) > 0.0
}

/// The `q` of a range; 1 if it has none that can be read.
fn quality(range: &str) -> f32 {
    let mut parameters = range.split(';').skip(1).map(str::trim);
    let quality = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0)
}

fn without_parameters(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    fn takes_both(values: &[&str]) -> bool {
        let headers = headers(header::ACCEPT, values);
        accepts(&headers, JSON) && accepts(&headers, EVENT_STREAM)
    }

    #[test]
    fn every_way_to_ask_for_both_types_is_understood() {
        for values in [
            &["application/json, text/event-stream"][..],
            &["text/event-stream;q=0.5,APPLICATION/JSON; q=0.9"],
            &["application/json", "text/event-stream"],
            &["*/*"],
            &["application/*, text/*;q=0.1"],
            &["text/html, */*;q=0.1"],
            &[],
        ] {
            assert!(takes_both(values), "{values:?}");
        }
    }

    #[test]
    fn a_type_that_is_missing_or_ruled_out_is_not_taken() {
        for values in [
            &["application/json"][..],
            &["text/event-stream"],
            &["*/*, text/event-stream;q=0"],
            &["text/event-stream;q=0.000, */*"],
            &["text/html"],
            &[""],
        ] {
            assert!(!takes_both(values), "{values:?}");
        }
    }

    #[test]
    fn a_client_that_names_the_stream_first_gets_one() {
        let check = |values: &[&str]| prefers_stream(&headers(header::ACCEPT, values));
        assert!(check(&["text/event-stream, application/json"]));
        assert!(check(&["application/json;q=0.5, text/event-stream;q=0.9"]));
        assert!(!check(&["application/json, text/event-stream"]));
        assert!(!check(&["text/event-stream;q=0.5, application/json"]));
        assert!(!check(&["*/*"]));
        assert!(!check(&[]));
    }

    #[test]
    fn json_may_have_a_charset() {
        let check = |value| is_json(&headers(header::CONTENT_TYPE, &[value]));
        assert!(check("application/json"));
        assert!(check("Application/JSON; charset=utf-8"));
        assert!(!check("text/plain"));
        assert!(!check("application/jsonp"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
