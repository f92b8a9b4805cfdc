//! Whether a URI comes of a template (RFC 6570). Pure.
//!
//! The other way round than the RFC: it says how a template becomes a URI, and no URI tells for sure what it was made of. So this is
//! generous: a URI that might be of the template is.

/// A template, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    /// `{x}`, `{.x}`, `{;x}`: no slash. `{+x}`, `{#x}`, `{/x}`: anything.
    Value {
        slashes: bool,
    },
    /// `{?x}`, `{&x}`: anything that begins so, or nothing.
    Query(u8),
}

impl Template {
    /// Reads a template. One that is malformed is a literal.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((expression, behind)) = after.split_once('}') else { break };
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            parts.push(match expression.bytes().next() {
                Some(b'?') => Part::Query(b'?'),
                Some(b'&') => Part::Query(b'&'),
                Some(b'+' | b'#' | b'/') => Part::Value { slashes: true },
                _ => Part::Value { slashes: false },
            });
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Self { parts }
    }

    /// How much of it is fixed: the more, the better it fits.
    pub(crate) fn weight(&self) -> usize {
        let literal = |part: &Part| if let Part::Literal(text) = part { text.len() } else { 0 };
        self.parts.iter().map(literal).sum()
    }

    /// Whether the URI may be of this template. Time grows with the length of both, whatever they are.
    pub(crate) fn matches(&self, uri: &str) -> bool {
        let uri = uri.as_bytes();
        // Where in the URI the parts before may end.
        let mut ends = vec![false; uri.len() + 1];
        ends[0] = true;
        for part in &self.parts {
            ends = part.extend(&ends, uri);
        }
        ends.last() == Some(&true)
    }
}

impl Part {
    fn extend(&self, from: &[bool], uri: &[u8]) -> Vec<bool> {
        let mut ends = vec![false; from.len()];
        match self {
            Self::Literal(text) => {
                for at in (0..from.len()).filter(|at| from[*at]) {
                    if uri[at..].starts_with(text.as_bytes()) {
                        ends[at + text.len()] = true;
                    }
                }
            }
            Self::Value { slashes } => {
                let mut inside = false;
                for (at, byte) in uri.iter().enumerate() {
                    inside = (inside || from[at]) && (*slashes || *byte != b'/');
                    ends[at + 1] = inside;
                }
            }
            Self::Query(first) => {
                let mut inside = false;
                for (at, byte) in uri.iter().enumerate() {
                    ends[at] = from[at] || inside;
                    inside |= from[at] && byte == first;
                }
                let end = uri.len();
                ends[end] = from[end] || inside;
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(template: &str, uri: &str) -> bool {
        Template::parse(template).matches(uri)
    }

    #[test]
    fn the_forms_in_use_are_known() {
        assert!(fits("demo://resource/{id}", "demo://resource/7"));
        assert!(!fits("demo://resource/{id}", "demo://resource/7/8"));
        assert!(!fits("demo://resource/{id}", "demo://resource/"));
        assert!(!fits("demo://resource/{id}", "other://resource/7"));
        assert!(fits("file:///{+path}", "file:///a/b/c.txt"));
        assert!(fits("file://{/path*}", "file:///a/b"));
        assert!(fits("db://{table}/rows/{id}", "db://users/rows/1"));
        assert!(!fits("db://{table}/rows/{id}", "db://users/columns/1"));
        for uri in ["x://search", "x://search?q=a&n=2", "x://search?"] {
            assert!(fits("x://search{?q,n}", uri), "{uri}");
        }
        assert!(!fits("x://search{?q,n}", "x://searching"));
        assert!(fits("x://{a}.{b}", "x://one.two.three"));
        assert!(fits("x://plain", "x://plain") && !fits("x://plain", "x://plainer"));
        assert!(fits("x://{open", "x://{open") && !fits("x://{open", "x://1"));
    }

    #[test]
    fn what_is_fixed_weighs() {
        assert!(Template::parse("a://b/{x}").weight() > Template::parse("a://{+x}").weight());
    }

    proptest! {
        /// A URI of a template would be asked of a server that knows nothing of it.
        #[test]
        fn what_a_template_makes_it_knows(before in "[a-z]{1,5}://", value in "[a-z0-9%.-]{1,9}", after in "(/[a-z]{1,4})?") {
            let uri = format!("{before}{value}{after}");
            let (simple, reserved) = (format!("{before}{{x}}{after}"), format!("{before}{{+x}}"));
            prop_assert!(fits(&simple, &uri) && fits(&reserved, &uri));
        }

        /// No template and no URI may bring the service down.
        #[test]
        fn nothing_panics(template in "\\PC{0,40}", uri in "\\PC{0,40}") {
            let _ = fits(&template, &uri);
        }
    }
}
