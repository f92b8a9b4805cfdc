//! Where an incarnation stands.

use tokio::time::Instant;

use super::Retire;
use super::doubt::Doubt;
use super::handshake::Handshake;
use crate::fault::Fault;

/// Where the incarnation stands in its life.
pub(super) enum Life {
    /// The transport is being opened.
    Opening,
    /// The handshake is under way.
    Shaking(Handshake),
    /// The backend would not shake hands; whether that is because it speaks the other era is being asked.
    Doubting(Doubt),
    /// Serving.
    Ready,
    /// The upstream has lost its session: what is in flight may still be answered, the next incarnation waits.
    Renewing,
    /// Finishing what is in flight, until then.
    Retiring { cause: Retire, by: Instant },
    /// The link is being closed in order.
    Closing,
    /// A fault has come; until it is settled, its other half may still arrive.
    Dying { fault: Fault, settled: bool },
    /// Nothing more will happen.
    Over,
}
