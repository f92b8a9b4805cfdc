//! Tells this start of the service from every other.

use std::sync::Arc;

/// 64 random bits as hex: part of the marker that every child carries.
pub(crate) fn random_instance() -> Arc<str> {
    let bits = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    format!("{bits:016x}").into()
}
