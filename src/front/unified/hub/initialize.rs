//! `initialize`: several backends introduce themselves as one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mcpvisor_actors::Refusal;
use mcpvisor_actors::message::{Envelope, result as result_of};
use serde_json::Value;
use tokio::time::timeout;

use super::{Beginning, Hub};
use crate::front::face::Face;
use crate::front::inbound::Inbound;
use crate::front::initialize::{Opened, Opening, internal};
use crate::front::measure::Operation;
use crate::front::rejection::Rejection;
use crate::front::session::Way;
use crate::front::unified::greet::{Introduced, initialize_result};
use crate::front::unified::merge::unavailable;
use crate::front::unified::part::Part;
use crate::front::version::Version;

/// How long a client waits for backends that have never said what they have. What comes later comes with `list_changed`.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client is answered that asks for a revision unknown here.
const NEWEST: &str = "2025-11-25";

/// Answers from what is known of the backends; those that have never been launched are launched for it.
pub(crate) async fn initialize(
    inbound: &Inbound<'_>,
    set: &Part,
    message: &Envelope,
    id: &[u8],
) -> Result<Opened, Rejection> {
    let mut operation = Operation::begin(&inbound.face, Some("initialize"), Version::Other);
    let seal = inbound.front.seal.clone().ok_or_else(|| internal(id))?;
    let mut hub = None;
    let opening = Opening::begin(inbound, Some(id), |session, mailbox| {
        let beginning = Beginning {
            launcher: inbound.front.launcher.clone(),
            set: set.clone(),
            session: session.clone(),
            principal: inbound.caller.principal.clone(),
            initialize: message.bytes().clone(),
            credentials: message.credentials().cloned(),
            mailbox: mailbox.clone(),
            seal,
        };
        Ok(Way::Many(hub.insert(Hub::new(beginning)).clone()))
    });
    let opening = opening.await?;
    let Some(hub) = hub else { return Err(internal(id)) };
    let members = set.members();
    let introduced = join_all(members.iter().map(|face| hub.introduce(face))).await;
    let (mut backends, mut missing): (Vec<Introduced>, Vec<Value>) = Default::default();
    for (face, said) in members.iter().zip(introduced) {
        let said = said.map_err(|refusal| {
            missing.push(unavailable(&face.name, refusal.kind(), &refusal.to_string()));
        });
        backends.push((face.name.to_string(), said.ok().flatten()));
    }
    let version = version(message);
    let result = initialize_result(&version, &backends, &missing);
    let _ = hub.promised.set(result["capabilities"].clone());
    let (answer, session) = (result_of(id, result.to_string().as_bytes()), opening.session.clone());
    operation.speaks(opening.accept(&version));
    operation.finish(Some(&Ok(answer.clone())));
    Ok(Opened { answer, session: Some(session) })
}

impl Hub {
    /// What a backend says of itself; nothing if it takes too long.
    async fn introduce(self: &Arc<Self>, face: &Arc<Face>) -> Result<Option<Value>, Refusal> {
        if let Some(said) = face.said.load_full() {
            return Ok(Some(Value::clone(&said)));
        }
        let (hub, asked) = (self.clone(), face.clone());
        // Not given up with the client's patience: what is being launched is this session's own.
        let mut launch = tokio::spawn(async move { hub.attach(&asked).await });
        match timeout(PATIENCE, &mut launch).await {
            Ok(Ok(Ok(member))) => Ok(member.said.get().cloned()),
            Ok(Ok(Err(refusal))) => Err(refusal),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }
}

/// The one that the client asks for, if it is one with sessions.
fn version(message: &Envelope) -> String {
    let params: Value = message.params().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
    let asked = params["protocolVersion"].as_str().filter(|asked| Version::of(asked) != Version::Other);
    asked.unwrap_or(NEWEST).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_revision_that_it_asks_for_or_the_newest_with_sessions() {
        let of = |version: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{version}"}}}}"#
            );
            super::version(&Envelope::parse(text.into()).unwrap())
        };
        assert_eq!(of("2025-03-26"), "2025-03-26");
        assert_eq!(of("2026-07-28"), "2025-11-25");
        assert_eq!(of("x"), "2025-11-25");
    }
}
