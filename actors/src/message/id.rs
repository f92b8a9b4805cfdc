//! What a client may use as a request id.

use thiserror::Error;

use super::Envelope;

/// Why an id is refused (`-32600`; MCP: "string or integer, never null").
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum IdError {
    /// `"id": null`
    #[error("the id of a request must not be null")]
    Null,
    /// `1.5`, `1e3`
    #[error("the id of a request must be a string or an integer, not a fraction")]
    Fraction,
    /// `true`, `{}`, `[]`
    #[error("the id of a request must be a string or an integer")]
    Type,
}

/// The id of a client's request as raw JSON, if the protocol allows it.
pub fn client_id(message: &Envelope) -> Result<&[u8], IdError> {
    let id = message.id().ok_or(IdError::Null)?;
    match id.first() {
        Some(b'"') => Ok(id),
        Some(b'-' | b'0'..=b'9') if id.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => {
            Err(IdError::Fraction)
        }
        Some(b'-' | b'0'..=b'9') => Ok(id),
        Some(b'n') => Err(IdError::Null),
        _ => Err(IdError::Type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_integers_only() {
        let check = |id: &str| {
            let message =
                Envelope::parse(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#).into()).unwrap();
            client_id(&message).map(<[u8]>::to_vec)
        };
        assert_eq!(check("9007199254740993").unwrap(), b"9007199254740993");
        assert_eq!(check("-1").unwrap(), b"-1");
        assert_eq!(check(r#""1.5""#).unwrap(), br#""1.5""#);
        assert_eq!(check("1.5"), Err(IdError::Fraction));
        assert_eq!(check("1e3"), Err(IdError::Fraction));
        assert_eq!(check("null"), Err(IdError::Null));
        assert_eq!(check("true"), Err(IdError::Type));
        assert_eq!(check("[]"), Err(IdError::Type));
    }
}
