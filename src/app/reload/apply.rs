//! One reload: load, compare, tell everybody.

use std::sync::Arc;

use mcpvisor_actors::ReloadRefused;
use mcpvisor_config::{Config, Difference, LoadRequest};

use super::Reloading;
use super::report::{Outcome, ReloadReport};
use crate::app::Failure;
use crate::app::settings::{Settings, load_again};
use crate::telemetry::log;
use crate::telemetry::reloads::{self, Reload};

/// The tables with the certificates of both listeners.
const LISTENERS: [&str; 2] = ["gateway.tls", "gateway.admin_tls"];

/// What a reload would put into effect.
struct Wanted {
    settings: Settings,
    /// What would be in effect: with what only a restart can change as it is.
    effective: Config,
    difference: Difference,
}

impl Reloading {
    /// What a reload would do.
    pub(super) async fn look(&self) -> ReloadReport {
        let report = match self.wanted().await {
            Ok(wanted) => self.report(&wanted),
            Err(failure) => ReloadReport::refused(&failure),
        };
        ReloadReport { dry_run: true, ..report }
    }

    /// Puts it into effect.
    pub(super) async fn reload(&mut self, cause: &'static str) -> ReloadReport {
        if self.front.is_draining() {
            // systemd has been told that the service stops, and must not be told that it is ready.
            let report = ReloadReport::ending(&ReloadRefused::Ending);
            report.log(cause);
            return report;
        }
        self.notify.reloading().await;
        let report = match self.wanted().await {
            Ok(wanted) => self.apply(wanted).await,
            Err(failure) => ReloadReport::refused(&failure),
        };
        count(report.result);
        report.log(cause);
        self.notify.reloaded(&report.summary()).await;
        report
    }

    async fn apply(&mut self, wanted: Wanted) -> ReloadReport {
        let mut report = self.report(&wanted);
        if report.result != Outcome::Ok {
            return report;
        }
        let Wanted { mut settings, effective, .. } = wanted;
        // What is wrong with it is wrong with the configuration, and was found with that.
        for ((key, tls), material) in LISTENERS.iter().zip(&self.tls).zip(std::mem::take(&mut settings.tls)) {
            if tls.renew(material) {
                tracing::info!(
                    event = "tls.renewed",
                    listener = key,
                    "connections from now on get another certificate"
                );
            }
        }
        let config = Arc::new(effective);
        // The tree first: it lets what is in flight at backends that are gone finish, which the front cannot.
        match self.launcher.reload(config.clone()).await {
            Ok(done) => (report.relaunched, report.ended) = (done.relaunched, done.ended),
            Err(refused) => return ReloadReport::ending(&refused),
        }
        for note in &settings.notes {
            tracing::warn!(event = "config.note", "{note}");
        }
        report.strangers = self.front.reload(&config);
        self.access.reload(&config);
        self.metrics.configured(&config);
        if config.telemetry.log_level != self.settings.config.telemetry.log_level {
            // Read before: nothing is wrong with it.
            let _ = self.log_level.set(&config.telemetry.log_level);
        }
        self.settings = Settings { config, ..settings };
        report
    }

    fn report(&self, wanted: &Wanted) -> ReloadReport {
        let mut report = ReloadReport::of(&wanted.difference, &wanted.settings);
        // The same files may say something else.
        for ((key, tls), material) in LISTENERS.iter().zip(&self.tls).zip(&wanted.settings.tls) {
            if tls.differs(material.as_ref()) {
                report.result = Outcome::Ok;
                report.settings.retain(|known| known != key);
                report.settings.push((*key).to_owned());
            }
        }
        report
    }

    /// Reading files takes its time.
    async fn wanted(&self) -> Result<Wanted, Failure> {
        let (request, running) = (self.settings.request.clone(), self.settings.config.clone());
        let was_demo = self.settings.demo;
        let loaded = tokio::task::spawn_blocking(move || load_for(request, &running, was_demo)).await;
        loaded.map_err(|error| {
            Failure::Runtime(anyhow::anyhow!("the configuration could not be read: {error}"))
        })?
    }
}

fn count(outcome: Outcome) {
    match outcome {
        Outcome::Ok => reloads::count(Reload::Done),
        Outcome::Unchanged => reloads::count(Reload::Unchanged),
        Outcome::Failed => reloads::count(Reload::Failed),
        // Nothing is wrong with it.
        Outcome::Ending => {}
    }
}

/// What `request` says now, and what of it can be in effect beside what is running.
fn load_for(request: LoadRequest, running: &Config, was_demo: bool) -> Result<Wanted, Failure> {
    let read = request.as_of_now();
    let settings = Settings { request, ..load_again(read.clone())? };
    if settings.demo && !was_demo {
        let text = "the configuration that was read at the start is gone: what holds is kept\n    \
                    put the file back, or restart to serve the demo";
        return Err(Failure::Usage(text.to_owned()));
    }
    // The listeners stay as they are, so that what guards them must fit these, and not those that are wanted.
    let gateway = &running.gateway;
    let (listen, admin_listen) = (Some(gateway.listen.clone()), Some(gateway.admin_listen.clone()));
    let checked = load_again(LoadRequest { listen, admin_listen, ..read })?;
    let mut effective = Config::clone(&checked.config).until_restart(running);
    // A file with a value may have been written between the two: what is compared and what is put into effect are the same.
    effective.backends.clone_from(&settings.config.backends);
    log::check(&effective.telemetry)?;
    let difference = Difference::between(running, &settings.config);
    Ok(Wanted { settings, effective, difference })
}

#[cfg(test)]
mod tests {
    use mcpvisor_config::Source;

    use super::*;

    fn request(text: &str) -> LoadRequest {
        let files = vec![Source::Text { name: "test.toml".into(), text: text.into() }];
        LoadRequest { files, ..LoadRequest::default() }
    }

    /// A file that is right for loopback would open a service that is bound to everything to everybody.
    #[test]
    fn keys_are_checked_against_the_listener_that_stays() {
        let sha256 = "0".repeat(64);
        let running = format!(
            "[gateway]\nlisten = \"0.0.0.0:8080\"\n[auth]\nkeys = [{{ id = \"a\", sha256 = \"{sha256}\" }}]\n[backends.a]\ncommand = \"x\"\n"
        );
        let running = load_again(request(&running)).ok().unwrap();
        let refused = load_for(request("[backends.a]\ncommand = \"x\"\n"), &running.config, false);
        let problems = refused.err().unwrap().to_string();
        assert!(problems.contains("auth.keys"), "{problems}");
        let keyed = format!(
            "[auth]\nkeys = [{{ id = \"b\", sha256 = \"{sha256}\" }}]\n[backends.a]\ncommand = \"x\"\n"
        );
        let wanted = load_for(request(&keyed), &running.config, false).ok().unwrap();
        assert_eq!(wanted.effective.gateway.listen, "0.0.0.0:8080");
        assert_eq!(wanted.difference.needs_restart, ["gateway.listen"]);
        assert_eq!(wanted.difference.settings, ["auth.keys"]);
    }

    /// A file that was moved away would end every backend, and serve the demo in their place.
    #[test]
    fn a_configuration_that_is_gone_is_no_order_to_serve_the_demo() {
        let folder = tempfile::tempdir().unwrap();
        let nothing =
            LoadRequest { search: true, folder: folder.path().to_owned(), ..LoadRequest::default() };
        let running = load_again(request("[backends.a]\ncommand = \"x\"\n")).ok().unwrap();
        let problem = load_for(nothing.clone(), &running.config, false).err().unwrap().to_string();
        assert!(problem.contains("is gone"), "{problem}");
        let demo = load_again(nothing.clone()).ok().unwrap();
        assert!(load_for(nothing, &demo.config, true).is_ok_and(|wanted| wanted.difference.is_empty()));
    }
}
