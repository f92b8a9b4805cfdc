//! Another configuration while clients are served.

use std::sync::Arc;

use mcpvisor_actors::EndCause;
use mcpvisor_config::Config;

use super::Front;
use super::session::Way;

impl Front {
    /// From now on `config` holds: keys, hosts, origins, limits, and which backends there are. The launcher knows it
    /// already. Sessions that nobody can use any more end: those of backends that are gone (`removed`), and those of
    /// principals that are not known any more, or may not use the backend (`operator`). How many of the latter.
    pub fn reload(&self, config: &Config) -> usize {
        let rules = Arc::new(self.rules.load().then(config));
        self.rules.store(rules.clone());
        self.sessions.table().set_max(config.limits.max_sessions);
        self.sessions.set_ttl(config.session.ttl);
        self.busy_poll.configure(config.gateway.busy_poll);
        self.admission.configure(config);
        let mut strangers = 0;
        for session in self.sessions.table().all() {
            let cause = match () {
                () if !rules.serves(&session.face().name) => EndCause::Removed,
                () if !rules.auth.knows(session.principal()) => EndCause::Operator,
                () if !rules.allows(session.principal(), &session.face().name) => EndCause::Operator,
                () => {
                    if let Way::Many(hub) = session.way() {
                        hub.follow();
                    }
                    continue;
                }
            };
            strangers += usize::from(cause == EndCause::Operator);
            // One that has a connection was told by it, which lets it finish what is in flight.
            if session.ended().is_none() {
                session.let_go(cause);
            }
            self.sessions.end(&session, cause);
        }
        // Streams that belong to no session too.
        self.reloaded.send_replace(());
        strangers
    }
}
