//! What only the fuzz targets see (`fuzz/`): pure parts of the front, as plain functions.

pub use crate::front::fuzzing::{
    Sealed, accepts, bound, checked, decoded, event, event_id, is_modern, lets_in, open_cursor, open_state,
    seal_cursor, seal_state, unbound,
};
pub use crate::telemetry::traces::fuzzed as trace;
