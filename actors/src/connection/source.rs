//! What an incarnation begins with.

use crate::link::Spare;
use crate::link::duplex::OpenTransport;
use crate::root::Seat;

/// Where the transport comes from.
pub(crate) enum Source {
    /// As configured.
    Launch(Seat),
    /// It is open already.
    Open(OpenTransport, Seat),
    /// A process that was kept in reserve; its task has its seat.
    Spare(Spare),
}

impl Source {
    pub(super) fn incarnation(&self) -> u64 {
        match self {
            Self::Launch(seat) | Self::Open(_, seat) => seat.incarnation(),
            Self::Spare(spare) => spare.incarnation,
        }
    }
}
