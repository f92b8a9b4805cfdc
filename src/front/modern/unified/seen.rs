//! What one of several backends says, as the client sees it.

use std::sync::Arc;

use crate::front::modern::talk::{Said, Talk};
use crate::front::unified::{Owners, View, learn_links};

pub(crate) struct Seen {
    talk: Talk,
    view: View,
    owners: Arc<Owners>,
}

impl Seen {
    pub(super) fn new(talk: Talk, view: View, owners: Arc<Owners>) -> Self {
        Self { talk, view, owners }
    }

    /// What the client is told next. May be dropped and called again.
    pub(crate) async fn say(&mut self) -> Option<Said> {
        Some(match self.talk.next().await? {
            refused @ Said::Refused(..) => refused,
            Said::Event(event) => Said::Event(self.view.heard(event)),
            Said::Last(status, answer) => {
                learn_links(&self.owners, self.view.backend(), &answer);
                Said::Last(status, answer)
            }
        })
    }
}
