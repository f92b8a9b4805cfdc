//! What operators do: renew certificates, check them, reach the admin listener.

use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::common::{Ask, Service, backend, eventually};
use crate::{calls, client, service, table, write};

fn mcpvisor(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
    command.args(arguments).stdin(Stdio::null()).env("NO_COLOR", "1").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A certificate could only be renewed by a restart, or a wrong one would take the service down.
#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_wrong_one_is_not() {
    let (first, second, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &first.server());
    let service = service(&folder, false, "").await;
    let (one, two) = (client(&first, None), client(&second, None));
    calls(&one, &service).await.unwrap();
    // The key of another certificate.
    std::fs::write(folder.path().join("key.pem"), second.server().key).unwrap();
    let refused = Ask::new("POST", "/api/v1/reload").send(&service.admin).await;
    assert_eq!(refused.status, 422);
    let problems = refused.text().await;
    assert!(
        problems.contains("gateway.tls.key") && problems.contains("is not the key of the certificate"),
        "{problems}"
    );
    let logged = async || service.log().contains("config.reload_failed").then_some(());
    eventually("the log says so", logged).await;
    assert_eq!(service.metric(r#"mcpvisor_config_reloads_total{result="failed"}"#).await, 1.0);
    calls(&one, &service).await.unwrap();
    write(folder.path(), &second.server());
    let looked = Ask::new("POST", "/api/v1/reload?dry_run=true").send(&service.admin).await.json().await;
    assert_eq!(looked["settings"][0], "gateway.tls", "{looked}");
    calls(&one, &service).await.unwrap();
    service.signal(Signal::HUP);
    let renewed = async || service.log().contains("tls.renewed").then_some(());
    eventually("it is renewed", renewed).await;
    calls(&two, &service).await.unwrap();
    assert!(calls(&one, &service).await.is_err(), "the old one is gone");
    let again = Ask::new("POST", "/api/v1/reload").send(&service.admin).await.json().await;
    assert_eq!(again["result"], "unchanged", "{again}");
}

/// Who renews certificates by a timer would have to tell the service each time.
#[tokio::test]
async fn a_certificate_that_changes_is_read_again_where_that_is_wanted() {
    let (first, second, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &first.server());
    let config = format!("[gateway]\nreload_on_change = true\n{}", table("tls", folder.path(), false));
    let service = Service::start_unasked(&format!("{config}{}", backend("a", &[], ""))).await;
    calls(&client(&first, None), &service).await.unwrap();
    write(folder.path(), &second.server());
    let two = client(&second, None);
    eventually("it is renewed", async || calls(&two, &service).await.ok()).await;
}

/// Its orders, and what it shows, could be read by everybody on the way.
#[tokio::test]
async fn the_admin_listener_speaks_tls_and_the_commands_reach_it() {
    let (authority, users, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &authority.server());
    std::fs::write(folder.path().join("client_ca.pem"), &users.pem).unwrap();
    let config = table("admin_tls", folder.path(), true);
    let service = Service::start_unasked(&format!("{config}{}", backend("a", &[], ""))).await;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, user) = (file("ca.pem", &authority.pem), users.user());
    let own = file("own.pem", &format!("{}{}", user.cert, user.key));
    let state = service.path("state").display().to_string();
    let status = mcpvisor(&["status", "--state-dir", &state, "--ca", &ca, "--cert", &own]);
    assert!(status.status.success() && said(&status).contains('a'), "{}", said(&status));
    for (what, arguments) in [("no authority", &["--cert", &own][..]), ("no certificate", &["--ca", &ca])] {
        let refused = mcpvisor(&[&["status", "--state-dir", &state], arguments].concat());
        assert_eq!(refused.status.code(), Some(1), "{what}");
        assert!(said(&refused).contains("--ca FILE"), "{what}: {}", said(&refused));
    }
    let url = format!("https://{}/metrics", service.admin);
    let page = client(&authority, Some(&user)).get(&url).send().await.unwrap();
    assert!(page.status().is_success());
    assert_eq!(Ask::new("GET", "/livez").send(&service.main).await.status, 200, "the other one is as it was");
}

/// A service would be started, or restarted, with files that do not fit, and not come up.
#[test]
fn check_says_whether_the_files_fit_and_how_long_they_are_good() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    write(folder.path(), &authority.server());
    let config = folder.path().join("mcpvisor.toml");
    let text = format!("{}{}", table("tls", folder.path(), false), backend("a", &[], ""));
    std::fs::write(&config, &text).unwrap();
    let check = || mcpvisor(&["check", "--config", config.to_str().unwrap()]);
    let good = said(&check());
    assert!(good.contains("is good for") && good.contains("(2100-01-02 00:00 UTC)"), "{good}");
    assert!(good.contains("tls = { cert = "), "{good}");
    std::fs::write(folder.path().join("key.pem"), authority.server().key).unwrap();
    let wrong = check();
    assert_eq!(wrong.status.code(), Some(64));
    assert!(said(&wrong).contains("is not the key of the certificate"), "{}", said(&wrong));
    std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
    assert!(said(&check()).contains("gateway.tls.cert: no certificate in"), "{}", said(&check()));
    std::fs::write(&config, text.replace("key = ", "# key = ")).unwrap();
    assert!(said(&check()).contains("gateway.tls.key: missing"), "{}", said(&check()));
}
