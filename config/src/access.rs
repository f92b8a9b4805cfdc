//! Who may use what: `auth.rules`.

/// One of `auth.rules`: these principals may use these tools of these backends. `*` and `?` as in file names; case counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// Globs of principals: the `id` of a key.
    pub principals: Vec<String>,
    /// Globs of the names of backends.
    pub backends: Vec<String>,
    /// Globs of tools, by the names that the backend gives them.
    pub tools: Vec<String>,
}
