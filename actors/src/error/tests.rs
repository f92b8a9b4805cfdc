use serde_json::{Value, json};

use super::*;
use crate::fault::FaultReason;

#[test]
fn a_lost_request_says_what_happened_and_whether_to_retry() {
    let mut fault = Fault::new(FaultReason::Exit, "exit code 3");
    fault.exit_code = Some(3);
    let refusal = Refusal::BackendLost {
        backend: "demo".into(),
        fault: fault.into(),
        retryable: false,
        error_count: 2,
        max_error_count: 10,
    };
    let value: Value = serde_json::from_slice(&refusal.to_message(Some(b"7"))).unwrap();
    assert_eq!(value["id"], 7);
    assert_eq!(value["error"]["code"], -31001);
    assert_eq!(
        value["error"]["data"],
        json!({"backend":"demo","reason":"exit","exit_code":3,"retryable":false,"error_count":2,"max_error_count":10})
    );
}

#[test]
fn a_refusal_that_passes_says_when_to_come_back() {
    let refused_for = |time| Refusal::BackendUnavailable {
        backend: "demo".into(),
        reason: Unavailable::Cooling,
        retry_after: Some(time),
        cause: None,
    };
    // Rounded down, whoever waits so long would come too early, and be told to come at once.
    for (time, ms) in [(Duration::from_secs(30), 30_000), (Duration::from_micros(1), 1), (Duration::ZERO, 0)]
    {
        assert_eq!(refused_for(time).data().unwrap()["retry_after_ms"], ms);
    }
}

#[test]
fn an_unknown_server_is_named_with_the_nearest_one() {
    let refusal = Refusal::UnknownBackend { name: "memroy".into(), nearest: Some("memory".into()) };
    assert_eq!(refusal.to_string(), "server 'memroy' not found in config; did you mean 'memory'?");
}
