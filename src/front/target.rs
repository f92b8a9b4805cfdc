//! Where a path leads. Pure.

use std::fmt;

use super::resource_metadata::WELL_KNOWN;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// `/mcp/{backend}`
    Backend(&'a str),
    /// `/mcp`
    Unified,
    /// `/sse/{backend}`
    Sse(&'a str),
    /// `/message/{backend}`
    SseMessage(&'a str),
    /// `/mcp/group/{name}`: no backend has a slash in its name.
    Group(&'a str),
    Health,
    Live,
    Ready,
    Close,
    /// What is said of tokens (RFC 9728); the path of what it is said of, or nothing.
    ResourceMetadata(&'a str),
    Nothing,
}

impl<'a> Target<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        if let Some(name) = path.strip_prefix("/mcp/group/") {
            return if name.is_empty() || name.contains('/') { Self::Nothing } else { Self::Group(name) };
        }
        if let Some(name) = path.strip_prefix("/mcp/") {
            return if name.is_empty() || name.contains('/') { Self::Nothing } else { Self::Backend(name) };
        }
        if let Some(of) = path.strip_prefix(WELL_KNOWN).filter(|of| of.is_empty() || of.starts_with('/')) {
            return Self::ResourceMetadata(of);
        }
        let named = |name: &'a str| (!name.is_empty() && !name.contains('/')).then_some(name);
        if let Some(name) = path.strip_prefix("/sse/").and_then(named) {
            return Self::Sse(name);
        }
        if let Some(name) = path.strip_prefix("/message/").and_then(named) {
            return Self::SseMessage(name);
        }
        match path {
            "/mcp" => Self::Unified,
            "/health" => Self::Health,
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/close" => Self::Close,
            _ => Self::Nothing,
        }
    }

    /// What a token has to be for: the endpoint that a client was given the URL of. Of what is no MCP, the whole service.
    pub(super) fn resource(self) -> Self {
        match self {
            Self::SseMessage(name) => Self::Sse(name),
            Self::Backend(_) | Self::Unified | Self::Sse(_) | Self::Group(_) => self,
            _ => Self::Nothing,
        }
    }

    /// The backend that it is about.
    pub(super) fn backend(self) -> Option<&'a str> {
        match self {
            Self::Backend(name) | Self::Sse(name) | Self::SseMessage(name) => Some(name),
            _ => None,
        }
    }

    /// The value of the metric label `route`.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Backend(_) => "mcp",
            Self::Unified => "mcp_unified",
            Self::Sse(_) => "sse",
            Self::SseMessage(_) => "sse_message",
            Self::Group(_) => "mcp_group",
            Self::Health => "health",
            Self::Live => "livez",
            Self::Ready => "readyz",
            Self::Close => "close",
            Self::ResourceMetadata(_) => "resource_metadata",
            Self::Nothing => "other",
        }
    }

    /// The methods it knows besides OPTIONS.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Backend(_) | Self::Unified | Self::Group(_) => "GET, POST, DELETE, OPTIONS",
            Self::Sse(_) => "GET, OPTIONS",
            Self::Close | Self::SseMessage(_) => "POST, OPTIONS",
            Self::Health | Self::Live | Self::Ready | Self::ResourceMetadata(_) | Self::Nothing => {
                "GET, HEAD, OPTIONS"
            }
        }
    }
}

/// The path of an endpoint of MCP; nothing for what is none.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(name) => write!(f, "/mcp/{name}"),
            Self::Unified => f.write_str("/mcp"),
            Self::Sse(name) => write!(f, "/sse/{name}"),
            Self::SseMessage(name) => write!(f, "/message/{name}"),
            Self::Group(name) => write!(f, "/mcp/group/{name}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_contract_says() {
        for (path, target) in [
            ("/mcp/demo", Target::Backend("demo")),
            ("/mcp/demo/", Target::Backend("demo")),
            ("/mcp", Target::Unified),
            ("/mcp/", Target::Unified),
            ("/mcp/group", Target::Backend("group")),
            ("/mcp/group/", Target::Backend("group")),
            ("/mcp/group/all", Target::Group("all")),
            ("/mcp/group/all/x", Target::Nothing),
            ("/mcp/demo/x", Target::Nothing),
            ("/sse/demo", Target::Sse("demo")),
            ("/message/demo", Target::SseMessage("demo")),
            ("/sse", Target::Nothing),
            ("/mcpx", Target::Nothing),
            ("/", Target::Nothing),
            ("/health", Target::Health),
            ("/livez", Target::Live),
            ("/readyz", Target::Ready),
            ("/close", Target::Close),
            ("/.well-known/oauth-protected-resource", Target::ResourceMetadata("")),
            ("/.well-known/oauth-protected-resource/", Target::ResourceMetadata("")),
            ("/.well-known/oauth-protected-resource/mcp/demo", Target::ResourceMetadata("/mcp/demo")),
            ("/.well-known/oauth-protected-resources", Target::Nothing),
        ] {
            assert_eq!(Target::of(path), target, "{path}");
        }
    }
}
