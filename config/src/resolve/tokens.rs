//! `auth.issuer` and what goes with it.

use crate::read::Reader;
use crate::{Algorithm, Tokens};

pub(super) fn tokens(auth: &Reader<'_>, public_url: String) -> Tokens {
    Tokens {
        issuer: auth.text("issuer"),
        jwks_url: auth.text("jwks_url"),
        public_url,
        audiences: auth.texts("audiences"),
        algorithms: algorithms(auth),
        scopes: auth.texts("scopes").into(),
        leeway: auth.duration("leeway"),
        jwks_refresh: auth.duration("jwks_refresh"),
    }
}

fn algorithms(auth: &Reader<'_>) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for (index, name) in auth.texts("algorithms").iter().enumerate() {
        match Algorithm::ALL.into_iter().find(|known| known.names().contains(&name.as_str())) {
            Some(known) => algorithms.push(known),
            None => {
                let all: Vec<_> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
                let hint = format!(
                    "write some of {}: a secret shared with the issuer would let whoever has it make tokens",
                    all.join(", ")
                );
                auth.fault_at(
                    auth.at().key("algorithms").index(index),
                    "not a way to sign that is taken",
                    hint,
                );
            }
        }
    }
    algorithms
}
