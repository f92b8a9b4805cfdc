//! What of a request says who asks.

use std::sync::Arc;

use reqwest::header::HeaderValue;

use super::token::{Token, TokenError, TokenSource};
use crate::credentials::{Credentials, Newest};

/// Whose credentials an upstream gets.
#[derive(Clone, Default)]
pub enum Authorization {
    /// Those in the configured headers, if any.
    #[default]
    Configured,
    /// The client's own.
    Client(Arc<dyn Newest>),
    /// A token that mcpvisor has got for itself.
    Token(TokenSource),
}

/// What one request goes out with.
pub(super) enum Shown {
    Nothing,
    Client(HeaderValue),
    Token(Arc<Token>),
}

impl Authorization {
    /// `own`: what the client has sent with this very request; `None`: it is not a client's.
    pub(super) async fn of(&self, own: Option<&Credentials>) -> Result<Shown, TokenError> {
        match self {
            Self::Configured => Ok(Shown::Nothing),
            Self::Client(newest) => {
                let newest = if own.is_none() { newest.newest() } else { None };
                let header = own.or(newest.as_ref()).and_then(Credentials::header);
                Ok(header.map_or(Shown::Nothing, |header| Shown::Client(header.clone())))
            }
            Self::Token(source) => source.token().await.map(Shown::Token),
        }
    }

    /// Another token in place of one that the upstream has refused; `None`: there is no other.
    pub(super) async fn in_place_of(&self, refused: &Shown) -> Option<Result<Shown, TokenError>> {
        match (self, refused) {
            (Self::Token(source), Shown::Token(refused)) => {
                Some(source.in_place_of(refused).await.map(Shown::Token))
            }
            _ => None,
        }
    }
}

impl Shown {
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Client(header) => Some(header),
            Self::Token(token) => Some(token.header()),
        }
    }
}
