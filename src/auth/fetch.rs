//! A document of the issuer's, over HTTPS. Bounded in time and in size; redirects are not followed.

use std::time::Duration;

use anyhow::ensure;

/// One look may take so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// No set of keys is longer.
const LONGEST: usize = 256 << 10;

/// The way to one document.
pub(super) struct Fetch {
    client: reqwest::Client,
    url: reqwest::Url,
}

impl Fetch {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(url)?;
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // Somebody who can redirect could choose the keys.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, url })
    }

    pub(super) async fn get(&self) -> anyhow::Result<Vec<u8>> {
        let request = self.client.get(self.url.clone()).header("accept", "application/json");
        let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
        ensure!(answer.status().is_success(), "it answers {}", answer.status());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            ensure!(body.len() + chunk.len() <= LONGEST, "it answers with more than {LONGEST} bytes");
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
