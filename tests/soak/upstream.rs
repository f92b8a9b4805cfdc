//! A server that is not the service's own: it is there, and then it is not.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Dice, fixture};

/// rmcp's own server, always at the same address.
pub struct Upstream {
    running: RefCell<Child>,
    pub url: String,
}

impl Upstream {
    pub fn start() -> Self {
        let (child, url) = spawn("127.0.0.1:0");
        Self { running: RefCell::new(child), url }
    }

    /// Kills it now and then; after a moment it is there again, and knows no session of before.
    pub async fn come_and_go(&self, mut dice: Dice, until: Instant) {
        let address = self.url.trim_start_matches("http://").trim_end_matches("/mcp");
        loop {
            let pause = Duration::from_millis(1000 + dice.below(5000));
            if Instant::now() + pause > until {
                return;
            }
            tokio::time::sleep(pause).await;
            self.kill();
            tokio::time::sleep(Duration::from_millis(dice.below(700))).await;
            let (child, url) = spawn(address);
            assert_eq!(url, self.url);
            *self.running.borrow_mut() = child;
        }
    }

    fn kill(&self) {
        let mut child = self.running.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(address: &str) -> (Child, String) {
    let mut command = Command::new(fixture());
    let mut child = command.args(["rmcp-http", address]).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    assert!(url.starts_with("http"), "the upstream did not start: {url:?}");
    (child, url.trim().to_owned())
}
