//! Tokens of mcpvisor's own (RFC 6749, 4.4, "Client Credentials Grant"; RFC 8707 `resource`).
//!
//! One task for each backend that wants them:
//! * Owns: the token, and those who wait for one.
//! * Receives: who needs a token, with the one that was refused if one was.
//! * Sends: requests to the token server, one at a time, however many wait for it.
//! * Dies when: nobody can ask any more.
//!
//! A token that is good is read without asking. One that is about to expire is still used while the next is fetched.

mod fetch;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mcpvisor_config::Oauth;
use reqwest::header::HeaderValue;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use fetch::TokenServer;
pub(crate) use tokens::Tokens;

/// Who needs a token waits no longer for it.
const PATIENCE: Duration = Duration::from_secs(15);
/// A token server that has failed is not asked again before.
const PAUSE: Duration = Duration::from_secs(1);
/// Questions that may wait; more than that wait to be asked.
const WAITING: usize = 64;

/// Why there is no token. Nothing in it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The token server could not be asked.
    #[error("the token server cannot be reached: {cause}")]
    Unreachable {
        /// Why, without its address.
        cause: String,
    },
    /// It has refused.
    #[error("the token server answers with HTTP status {status}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// The status.
        status: u16,
        /// `error` (RFC 6749, 5.2), if it is one of the codes that such errors have.
        code: Option<String>,
    },
    /// Its answer is no token.
    #[error("the answer of the token server {what}")]
    Unusable {
        /// What is wrong with it.
        what: &'static str,
    },
    /// It has not answered in time.
    #[error("the token server has not answered within {} s", PATIENCE.as_secs())]
    Late,
}

impl TokenError {
    /// Whether asking again is of no use before the configuration is another one.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=403, .. })
    }
}

/// One token. No `Debug`: it is a secret.
pub(super) struct Token {
    header: HeaderValue,
    /// `None`: until it is refused.
    life: Option<Life>,
}

#[derive(Clone, Copy)]
struct Life {
    renew_at: Instant,
    ends_at: Instant,
}

/// Where the tokens of one backend come from. Cheap to clone; all clones share one token.
#[derive(Clone)]
pub struct TokenSource {
    current: Arc<ArcSwapOption<Token>>,
    asks: mpsc::Sender<Ask>,
}

struct Ask {
    /// The token that was refused, or has come to its end.
    instead_of: Option<Arc<Token>>,
    reply: oneshot::Sender<Result<Arc<Token>, TokenError>>,
}

struct Fetcher {
    server: Arc<TokenServer>,
    current: Arc<ArcSwapOption<Token>>,
    waiting: Vec<oneshot::Sender<Result<Arc<Token>, TokenError>>>,
    fetching: Option<JoinHandle<Result<Token, TokenError>>>,
    /// The last one, and until when it is the answer.
    failed: Option<(TokenError, Instant)>,
}

impl Token {
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    fn is_good(&self, now: Instant) -> bool {
        self.life.is_none_or(|life| now < life.ends_at)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.life.is_none_or(|life| now < life.renew_at)
    }
}

impl Life {
    /// The last fifth of its time, at most a minute, is for the renewal.
    fn new(now: Instant, time: Duration) -> Self {
        let margin = (time / 5).min(Duration::from_secs(60));
        Self { renew_at: now + time - margin, ends_at: now + time }
    }
}

impl TokenSource {
    /// Nothing is fetched before somebody needs a token. Must be called on a runtime.
    pub fn new(oauth: &Oauth) -> Self {
        let (asks, asked) = mpsc::channel(WAITING);
        let current = Arc::<ArcSwapOption<Token>>::default();
        let server = Arc::new(TokenServer::new(oauth));
        let fetcher =
            Fetcher { server, current: current.clone(), waiting: Vec::new(), fetching: None, failed: None };
        tokio::spawn(fetcher.run(asked));
        Self { current, asks }
    }

    pub(super) async fn token(&self) -> Result<Arc<Token>, TokenError> {
        if let Some(token) = self.current.load().as_ref().filter(|token| token.is_fresh(Instant::now())) {
            return Ok(token.clone());
        }
        self.ask(None).await
    }

    pub(super) async fn in_place_of(&self, refused: &Arc<Token>) -> Result<Arc<Token>, TokenError> {
        self.ask(Some(refused.clone())).await
    }

    async fn ask(&self, instead_of: Option<Arc<Token>>) -> Result<Arc<Token>, TokenError> {
        let asked = async {
            let (reply, token) = oneshot::channel();
            // The task is there as long as somebody can ask.
            let _ = self.asks.send(Ask { instead_of, reply }).await;
            token.await.unwrap_or(Err(TokenError::Late))
        };
        timeout(PATIENCE, asked).await.unwrap_or(Err(TokenError::Late))
    }
}

impl Fetcher {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        loop {
            match &mut self.fetching {
                None => match asked.recv().await {
                    Some(ask) => self.asked(ask),
                    None => return,
                },
                Some(fetching) => tokio::select! {
                    fetched = fetching => {
                        // A panic of ours, or the end of the runtime.
                        self.fetched(fetched.unwrap_or(Err(TokenError::Late)));
                    }
                    ask = asked.recv() => match ask {
                        Some(ask) => self.asked(ask),
                        None => return fetching_no_more(self.fetching),
                    },
                },
            }
        }
    }

    fn asked(&mut self, Ask { instead_of, reply }: Ask) {
        let now = Instant::now();
        let current = self.current.load_full();
        if let (Some(current), Some(refused)) = (&current, &instead_of)
            && Arc::ptr_eq(current, refused)
        {
            // Nobody else need find that out.
            self.current.store(None);
        }
        let current = current.filter(|token| !instead_of.is_some_and(|refused| Arc::ptr_eq(token, &refused)));
        match current {
            // It has been renewed while the question was on its way.
            Some(token) if token.is_fresh(now) => return drop(reply.send(Ok(token))),
            Some(token) if token.is_good(now) => drop(reply.send(Ok(token))),
            _ => {
                if let Some((error, _)) = self.failed.as_ref().filter(|(_, until)| now < *until) {
                    return drop(reply.send(Err(error.clone())));
                }
                self.waiting.push(reply);
            }
        }
        let pausing = self.failed.as_ref().is_some_and(|(_, until)| now < *until);
        if self.fetching.is_none() && !pausing {
            let server = self.server.clone();
            self.fetching = Some(tokio::spawn(async move { server.fetch().await }));
        }
    }

    fn fetched(&mut self, fetched: Result<Token, TokenError>) {
        self.fetching = None;
        let fetched = fetched.map(Arc::new);
        match &fetched {
            Ok(token) => {
                self.failed = None;
                self.current.store(Some(token.clone()));
            }
            Err(error) => {
                tracing::warn!(event = "oauth.failed", client = self.server.client_id(), %error, "no token for an upstream");
                self.failed = Some((error.clone(), Instant::now() + PAUSE));
            }
        }
        for reply in self.waiting.drain(..) {
            let _ = reply.send(fetched.clone());
        }
    }
}

fn fetching_no_more(fetching: Option<JoinHandle<Result<Token, TokenError>>>) {
    if let Some(fetching) = fetching {
        fetching.abort();
    }
}
