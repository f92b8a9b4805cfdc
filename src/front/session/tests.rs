use mcpvisor_actors::{CancellationToken, EndCause, Launcher, SessionRecord};
use mcpvisor_config::{LoadRequest, Source, load};
use tokio::sync::oneshot;

use super::*;
use crate::front::body::FrontBody;
use crate::front::events::FeedBody;
use crate::front::face::Faces;

struct World {
    launcher: Launcher,
    sessions: Sessions,
    face: Arc<Face>,
}

impl World {
    async fn new() -> Self {
        let text = "[backends.one]\ncommand = \"true\"\n".to_owned();
        let file = Source::Text { name: "test.toml".into(), text };
        let loaded = load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
        let config = Arc::new(loaded.config);
        let face = Faces::new(&config).get("one").unwrap().clone();
        let launcher = Launcher::new(config, CancellationToken::new()).await.unwrap();
        let sessions = Sessions::start(Arc::new(Table::new(10)), Duration::from_secs(3600));
        Self { launcher, sessions, face }
    }

    async fn session(&self, id: &str) -> Arc<Session> {
        let mailbox = Arc::new(Mailbox::default());
        let sink = Box::new(Sink(mailbox.clone()));
        let route = self.launcher.route("one", id, SessionRecord::default(), sink).unwrap();
        let session =
            Arc::new(Session::new(id.into(), "p".into(), self.face.clone(), Way::One(route), mailbox));
        assert!(self.sessions.spawn(session.clone()).await);
        let room = self.sessions.table().room().unwrap();
        self.sessions.table().insert(session.clone(), room);
        session
    }
}

/// Asks until there is an actor to answer: it is being rebuilt.
async fn open(session: &Session) -> FeedBody {
    loop {
        let (reply, opened) = oneshot::channel();
        session.send(SessionMsg::Open(OpenFeed { from: None, reply }));
        match opened.await {
            Ok(opened) => return opened.unwrap_or_else(|_| panic!("a new stream can always be opened")),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn said(feed: FeedBody) -> String {
    use http_body_util::BodyExt;
    let mut body = FrontBody::Feed(Box::new(feed));
    let piece = body.frame().await.map(|frame| frame.unwrap().into_data().unwrap());
    piece.map(|piece| String::from_utf8(piece.to_vec()).unwrap()).unwrap_or_default()
}

fn tell(session: &Session, text: &'static str) {
    session.send(SessionMsg::Event(SessionEvent::Message(text.into())));
}

/// A bug of ours would cost every client of it its session.
#[tokio::test]
async fn a_session_outlives_the_panic_of_its_actor() {
    let world = World::new().await;
    let session = world.session("s").await;
    let before = open(&session).await;
    session.send(SessionMsg::Panic);
    assert_eq!(said(before).await, "", "its stream ends, so that its client comes back");
    let after = open(&session).await;
    tell(&session, "{}");
    assert_eq!(said(after).await, "id: 0_1\ndata: {}\n\n");
    assert!(world.sessions.table().get("s").is_some());
}

/// One session's bug would end all the others.
#[tokio::test]
async fn sessions_outlive_the_panic_of_their_parent() {
    let world = World::new().await;
    let (one, other) = (world.session("1").await, world.session("2").await);
    world.sessions.panic();
    for session in [one, other] {
        let feed = open(&session).await;
        tell(&session, "{}");
        assert!(said(feed).await.contains("data: {}"));
    }
    world.session("3").await;
}

/// Streams would be held open by a service that has ended.
#[tokio::test]
async fn stopping_ends_every_stream() {
    let world = World::new().await;
    let feed = open(&*world.session("s").await).await;
    world.sessions.stop().await;
    assert_eq!(said(feed).await, "");
}

/// The ids of a rebuilt session would repeat, and a client resume at the wrong place.
#[tokio::test]
async fn event_ids_do_not_repeat_after_a_panic() {
    let world = World::new().await;
    let session = world.session("s").await;
    let feed = open(&session).await;
    tell(&session, "1");
    assert!(said(feed).await.starts_with("id: 0_1"));
    session.send(SessionMsg::Panic);
    let feed = open(&session).await;
    tell(&session, "2");
    assert!(said(feed).await.starts_with("id: 0_2"));
}

/// A session that ended twice would be counted twice, and the limit drift.
#[tokio::test]
async fn a_session_ends_once() {
    let world = World::new().await;
    world.session("s").await;
    let table = world.sessions.table();
    assert!(table.remove("s", EndCause::Delete).is_some());
    assert!(table.remove("s", EndCause::Ttl).is_none());
    let rooms: Vec<_> = std::iter::from_fn(|| table.room()).collect();
    assert_eq!(rooms.len(), 10);
}
