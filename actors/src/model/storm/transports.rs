//! Transports that somebody else has opened, put in the place of what the tree would launch.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::Storm;
use crate::link::duplex::OpenTransport;
use crate::model::ledger::ledger;
use crate::model::world::{BACKENDS, COMMON};

impl Storm {
    /// On a configured key of the library, or on one that nobody can launch.
    pub(super) fn set_transport(&mut self) {
        let configured = self.dice.pick(&BACKENDS).copied().filter(|backend| *backend != COMMON);
        let backend = configured.filter(|_| self.dice.chance(60)).unwrap_or("elsewhere");
        let (ours, theirs) = tokio::io::duplex(4096);
        let lives = self.dice.millis(0..4000);
        tokio::spawn(async move {
            // Answers to nobody are no matter: the other side is gone.
            let _ = tokio::time::timeout(lives, serve(theirs)).await;
        });
        let (reader, writer) = tokio::io::split(ours);
        let pool = self.launcher.pool();
        ledger(|ledger| {
            ledger.note(format_args!("{backend}/library gets another transport"));
            let own = |key: &str| key == backend;
            for one in ledger.reckonings.iter_mut().filter(|one| own(&one.route.key().backend_id)) {
                one.doubt();
            }
        });
        self.ordered(Some(backend));
        let waits = Duration::from_secs(20);
        tokio::spawn(async move {
            let transport = OpenTransport::new(reader, writer);
            let set = tokio::time::timeout(waits, pool.set(backend, "library", transport)).await;
            match set {
                Ok(Ok(handle)) => drop(handle.request("tools/list", &json!({})).await),
                Ok(Err(_)) => {}
                Err(_) => {
                    ledger(|ledger| ledger.wrong(format!("{backend} waits for ever for its transport")))
                }
            }
        });
    }
}

/// Answers everything.
async fn serve(stream: DuplexStream) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        if message["id"].is_null() || message["method"].is_null() {
            continue;
        }
        let tag = message["tag"].as_u64();
        let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "tag": tag });
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}
