//! `auth.rules`.

use mcpvisor_config::Difference;

use crate::support::{loaded, problem, request, toml};

#[test]
fn a_rule_names_principals_and_backends_and_gives_all_tools_where_it_names_none() {
    let config =
        toml("[[auth.rules]]\nprincipals = [\"ci\"]\nbackends = [\"git*\"]\n[backends.git]\ncommand = \"x\"");
    assert_eq!(config.auth.rules[0].tools, ["*"]);
    assert_eq!(config.backends["git"].rules, config.auth.rules);
    for (rule, key, what) in [
        ("backends = [\"*\"]", "auth.rules[0].principals", "names none"),
        ("principals = [\"*\"]\nbackends = []", "auth.rules[0].backends", "names none"),
    ] {
        let problem = problem(&format!("[[auth.rules]]\n{rule}"));
        assert!(problem.key == key && problem.what.contains(what), "{problem}");
    }
    let problem = problem("[[auth.rules]]\nprincipal = [\"ci\"]\nprincipals = [\"ci\"]\nbackends = [\"a\"]");
    assert!(problem.hint.contains("principals"), "{problem}");
}

/// Rules that have no effect would be taken for a lock.
#[test]
fn rules_without_credentials_are_remarked() {
    let rule = "[[auth.rules]]\nprincipals = [\"ci\"]\nbackends = [\"a\"]";
    let notes = loaded(request("a.toml", rule, &[])).notes;
    assert!(notes.iter().any(|note| note.to_string().contains("anonymous")), "{notes:?}");
}

#[test]
fn a_change_of_rules_is_found_and_relaunches_nothing() {
    let backend = "[backends.a]\ncommand = \"x\"\n";
    let rules = "[[auth.rules]]\nprincipals = [\"a\"]\nbackends = [\"a\"]\n";
    let difference = Difference::between(&toml(backend), &toml(&format!("{rules}{backend}")));
    assert_eq!(difference.settings, ["auth.rules"]);
    assert!(difference.changed.is_empty(), "{difference:?}");
}
