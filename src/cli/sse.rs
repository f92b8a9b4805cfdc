//! Server-sent events, as they arrive.

use bytes::BytesMut;
use reqwest::Response;
use serde_json::Value;

/// What each event of a response carries.
pub(super) struct Events {
    response: Response,
    read: BytesMut,
}

impl Events {
    pub(super) fn of(response: Response) -> Self {
        Self { response, read: BytesMut::new() }
    }

    /// The next one; `None`: the service has ended the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, reqwest::Error> {
        loop {
            while let Some(event) = self.whole() {
                if let Some(value) = data(&event) {
                    return Ok(Some(value));
                }
            }
            match self.response.chunk().await? {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// Takes one off what was read, with the blank line that ends it.
    fn whole(&mut self) -> Option<BytesMut> {
        let end = memchr::memmem::find(&self.read, b"\n\n")?;
        Some(self.read.split_to(end + 2))
    }
}

/// Comments have none.
fn data(event: &[u8]) -> Option<Value> {
    let lines = event.split(|byte| *byte == b'\n');
    let data: Vec<&[u8]> = lines.filter_map(|line| line.strip_prefix(b"data:")).collect();
    serde_json::from_slice(&data.concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::data;

    #[test]
    fn comments_carry_nothing() {
        assert_eq!(data(b"id: 1\ndata: {\"a\":1}\n\n"), Some(serde_json::json!({ "a": 1 })));
        assert_eq!(data(b":\n\n"), None);
    }
}
