//! What is drawn on a terminal: `top`, `status --watch`, colours.

use rustix::process::Signal;

use super::common::{Client, Service, backend, signal};
use super::terminal::Terminal;
use super::{about, session_of};

const ENTERS: &str = "\x1b[?1049h";
const LEAVES: &str = "\x1b[?1049l";

/// A live view would not be live, or leave the terminal unusable.
#[tokio::test]
async fn top_shows_what_runs_as_it_changes_and_gives_the_terminal_back() {
    let service = Service::start(&backend("files", &[], "")).await;
    let mut top = Terminal::start(about(&service, &["top"]));
    // Blanks are not drawn, and of a change only what differs.
    top.shows("nobody");
    assert!(top.is_raw() && top.seen.contains(ENTERS));
    let client = Client::open(&service, "files").await;
    let session = session_of(&service, &client).await;
    top.shows(&session);
    top.types("s");
    top.shows("ory)");
    top.types("\x1b[B");
    top.shows("errors");
    top.types("q");
    assert_eq!(top.ends().code(), Some(0));
    assert!(!top.is_raw() && top.seen.contains(LEAVES), "{:?}", top.seen);
}

/// `kill` would leave a terminal that shows no keys.
#[tokio::test]
async fn top_gives_the_terminal_back_when_it_is_told_to_end() {
    let service = Service::start(&backend("files", &[], "")).await;
    for how in [Signal::TERM, Signal::HUP] {
        let mut top = Terminal::start(about(&service, &["top"]));
        top.shows("q quit");
        signal(top.pid(), how);
        assert_eq!(top.ends().code(), Some(0));
        assert!(!top.is_raw() && top.seen.contains(LEAVES), "{:?}", top.seen);
    }
}

/// A service that has ended would look as if it ran.
#[tokio::test]
async fn top_says_when_the_service_answers_no_more() {
    let service = Service::start(&backend("files", &[], "")).await;
    let mut top = Terminal::start(about(&service, &["top"]));
    top.shows("q quit");
    drop(service);
    top.shows("nothing answers");
    top.types("q");
    assert_eq!(top.ends().code(), Some(0));
}

/// Colours would be in files, or nowhere.
#[tokio::test]
async fn a_terminal_gets_colours_unless_they_are_not_wanted() {
    let service = Service::start(&backend("files", &[], "")).await;
    let _client = Client::open(&service, "files").await;
    let mut coloured = Terminal::start(about(&service, &["status"]));
    coloured.shows("\x1b[32mready\x1b[0m");
    assert_eq!(coloured.ends().code(), Some(0));
    let mut command = about(&service, &["status"]);
    command.env("NO_COLOR", "1");
    let mut plain = Terminal::start(command);
    plain.shows("ready");
    assert_eq!(plain.ends().code(), Some(0));
    assert!(!plain.seen.contains('\x1b'), "{:?}", plain.seen);
}

/// Whoever watches would see what was, or a screen that scrolls away.
#[tokio::test]
async fn watching_draws_over_what_was_there() {
    let service = Service::start(&backend("files", &[], "")).await;
    let mut watch = Terminal::start(about(&service, &["status", "--watch"]));
    watch.shows("no connections");
    let client = Client::open(&service, "files").await;
    let session = session_of(&service, &client).await;
    watch.shows(&session);
    assert_eq!(watch.seen.matches("\x1b[2J").count(), 1, "erased once, then overwritten");
}
