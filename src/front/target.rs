//! Where a path leads. Pure.

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
            Self::Nothing => "other",
        }
    }

    /// The methods it knows besides OPTIONS.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Backend(_) | Self::Unified | Self::Group(_) => "GET, POST, DELETE, OPTIONS",
            Self::Sse(_) => "GET, OPTIONS",
            Self::Close | Self::SseMessage(_) => "POST, OPTIONS",
            Self::Health | Self::Live | Self::Ready | Self::Nothing => "GET, HEAD, OPTIONS",
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
        ] {
            assert_eq!(Target::of(path), target, "{path}");
        }
    }
}
