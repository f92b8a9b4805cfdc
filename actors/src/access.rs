//! Who may use which backends, and which of their tools (`auth.rules`). Pure.
//!
//! One table by principal, not a list at each key: what somebody may do is written in one place, and does not change with what it shows
//! to prove who it is. Without a rule everybody may use everything; with any, only what one of them gives.

use mcpvisor_config::AccessRule;

use crate::glob;

/// Whether a principal may use a backend. One that it may not use is not there for it.
pub fn may_use(rules: &[AccessRule], principal: &str, backend: &str) -> bool {
    rules.is_empty() || rules.iter().any(|rule| gives(rule, principal, backend))
}

/// Whether a principal may call a tool of a backend, by the name that the backend has for it. Nobody is mcpvisor itself.
pub(crate) fn may_call(rules: &[AccessRule], principal: &str, backend: &str, tool: &str) -> bool {
    let given = |rule: &AccessRule| gives(rule, principal, backend) && any(&rule.tools, tool);
    rules.is_empty() || principal.is_empty() || rules.iter().any(given)
}

fn gives(rule: &AccessRule, principal: &str, backend: &str) -> bool {
    any(&rule.backends, backend) && any(&rule.principals, principal)
}

fn any(globs: &[String], name: &str) -> bool {
    globs.iter().any(|glob| glob::matches(glob.as_bytes(), name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(principals: &[&str], backends: &[&str], tools: &[&str]) -> AccessRule {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        AccessRule { principals: owned(principals), backends: owned(backends), tools: owned(tools) }
    }

    /// If this failed, somebody would use what he was not given, or not what he was.
    #[test]
    fn only_what_a_rule_gives_is_there() {
        let rules = [
            rule(&["ci", "https://login.example#*"], &["git*"], &["read_*"]),
            rule(&["ci"], &["mail"], &["*"]),
            rule(&["ops"], &["*"], &["*"]),
        ];
        for (principal, backend, tool, uses, calls) in [
            ("ci", "git", "read_x", true, true),
            ("ci", "git", "write", true, false),
            ("ci", "mail", "write", true, true),
            ("ci", "time", "x", false, false),
            ("https://login.example#alice", "gitlab", "read_x", true, true),
            ("https://login.example#alice", "mail", "read_x", false, false),
            ("https://other.example#alice", "git", "read_x", false, false),
            ("ops", "anything", "x", true, true),
            ("CI", "git", "read_x", false, false),
            ("anonymous", "git", "read_x", false, false),
        ] {
            assert_eq!(may_use(&rules, principal, backend), uses, "{principal} {backend}");
            assert_eq!(may_call(&rules, principal, backend, tool), calls, "{principal} {backend} {tool}");
        }
    }

    /// A rule that gives one tool of one backend would give the same name everywhere.
    #[test]
    fn what_two_rules_give_is_not_mixed() {
        let rules = [rule(&["a"], &["one"], &["x"]), rule(&["a"], &["two"], &["y"])];
        assert!(may_call(&rules, "a", "one", "x") && may_call(&rules, "a", "two", "y"));
        assert!(!may_call(&rules, "a", "one", "y") && !may_call(&rules, "a", "two", "x"));
    }

    #[test]
    fn without_rules_everybody_may_use_everything() {
        assert!(may_use(&[], "anonymous", "x") && may_call(&[], "anonymous", "x", "y"));
    }

    /// mcpvisor reads the lists of a backend for everybody.
    #[test]
    fn what_mcpvisor_asks_for_itself_is_nobody_s_business() {
        assert!(may_call(&[rule(&["a"], &["b"], &[])], "", "b", "x"));
    }
}
