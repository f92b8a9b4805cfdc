//! Who gets in, and who does not.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::common::{PATIENCE, soon};
use crate::{calls, client, service, write};

/// Users would have to put something in front of it, or talk in the clear.
#[tokio::test]
async fn clients_that_trust_the_authority_get_in_and_others_do_not() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &authority.server());
    let service = service(&folder, false, "").await;
    calls(&client(&authority, None), &service).await.unwrap();
    assert!(calls(&client(&Authority::new(), None), &service).await.is_err(), "another authority");
    let mut plain = TcpStream::connect(&service.main).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = soon("the end", plain.read_to_end(&mut said)).await;
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"), "{said:?}");
}

/// Whoever reaches the port could use every backend.
#[tokio::test]
async fn where_clients_must_have_certificates_nobody_gets_in_without() {
    let (authority, users, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &authority.server());
    std::fs::write(folder.path().join("client_ca.pem"), &users.pem).unwrap();
    let service = service(&folder, true, "").await;
    calls(&client(&authority, Some(&users.user())), &service).await.unwrap();
    assert!(calls(&client(&authority, None), &service).await.is_err(), "none");
    let stranger = Authority::new().user();
    assert!(calls(&client(&authority, Some(&stranger)), &service).await.is_err(), "of another authority");
}

/// A handful of clients that say nothing would keep all others out, and for ever.
#[tokio::test]
async fn handshakes_that_do_not_go_on_disturb_nobody_and_end() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &authority.server());
    let service = service(&folder, false, "[http]\nheader_timeout = \"2s\"\n").await;
    let mut half = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(&service.main).await.unwrap();
        // The beginning of a ClientHello, or nothing at all.
        stream.write_all(if number % 2 == 0 { b"\x16\x03\x01\x02\x00\x01" } else { b"" }).await.unwrap();
        half.push(stream);
    }
    let start = Instant::now();
    calls(&client(&authority, None), &service).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "it had to wait for them: {:?}", start.elapsed());
    for stream in &mut half {
        let end = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await.expect("it is let go of");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    let reached = service.metric(r#"mcpvisor_limits_reached_total{limit="http.header_timeout"}"#).await;
    assert_eq!(reached, 40.0);
}
