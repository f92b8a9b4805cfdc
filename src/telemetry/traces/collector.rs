//! The way to whoever collects the traces. One that cannot be reached harms nobody.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// One batch may take so long, with its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer that says anything of use is longer.
const LONGEST_ANSWER: usize = 64 << 10;
/// Somebody who reads the log has heard of it.
const SILENCE: Duration = Duration::from_secs(300);

/// Sends batches. They come from a thread of the SDK, and leave by the runtime of the service.
pub(super) struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    /// `scheme://host:port`: what else an address has may be a secret.
    shown: String,
    trouble: Trouble,
}

/// Says that something is wrong, seldom.
struct Trouble {
    since: Instant,
    failed: AtomicU64,
    told_after_s: AtomicU64,
    told: AtomicBool,
}

impl Collector {
    pub(super) fn new(runtime: Handle, endpoint: &str) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(endpoint)?;
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, runtime, shown: url.origin().ascii_serialization(), trouble: Trouble::new() })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = self.client.clone();
        // The thread that waits here has no runtime of its own.
        let sent = self.runtime.spawn(async move {
            let mut answer = client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                let room = LONGEST_ANSWER.saturating_sub(body.len());
                body.extend(chunk.into_iter().take(room));
            }
            Ok::<_, reqwest::Error>((status, headers, Bytes::from(body)))
        });
        let (status, headers, body) = match sent.await? {
            Ok(answer) => answer,
            Err(error) => {
                self.trouble.tell(&self.shown, &chain(&error));
                return Err(error.into());
            }
        };
        if status.is_success() {
            self.trouble.over(&self.shown);
        } else {
            self.trouble.tell(&self.shown, &format!("it answers {status}"));
        }
        let mut response = Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }
}

impl HttpClient for Collector {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.send(request))
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.shown)
    }
}

impl Trouble {
    fn new() -> Self {
        Self { since: Instant::now(), failed: 0.into(), told_after_s: 0.into(), told: false.into() }
    }

    fn tell(&self, endpoint: &str, cause: &str) {
        let failed = self.failed.fetch_add(1, Relaxed) + 1;
        let now = self.since.elapsed().as_secs();
        let recently = now.saturating_sub(self.told_after_s.load(Relaxed)) < SILENCE.as_secs();
        if self.told.load(Relaxed) && recently {
            return;
        }
        self.told_after_s.store(now, Relaxed);
        self.told.store(true, Relaxed);
        tracing::warn!(
            event = "traces.unsent",
            endpoint,
            cause,
            failed,
            "traces are lost: telemetry.otlp_endpoint takes none"
        );
    }

    fn over(&self, endpoint: &str) {
        if self.told.swap(false, Relaxed) {
            let lost = self.failed.swap(0, Relaxed);
            tracing::info!(event = "traces.sent", endpoint, lost, "traces are taken again");
        }
    }
}

/// An error with what is behind it: the outermost says nothing that helps.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
