//! What the commands say when something is wrong.

use std::fs;
use std::process::Command;

use super::common::{Client, Service, backend};
use super::{about, err, mcpvisor, said, session_of};

/// The exit code and what was said of it.
fn refused(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "nothing that a script could take for an answer");
    (output.status.code().unwrap(), err(&output))
}

/// Whoever mistypes a name would look for the fault in the service.
#[tokio::test]
async fn a_name_that_is_wrong_is_answered_with_those_that_are_right() {
    let service = Service::start(&[backend("files", &[], ""), backend("memory", &[], "")].concat()).await;
    let client = Client::open(&service, "files").await;
    let session = session_of(&service, &client).await;
    let _other = Client::open(&service, "files").await;
    for command in ["restart", "stop", "start", "logs"] {
        let (code, said) = refused(&mut about(&service, &[command, "flies"]));
        assert_eq!(code, 64, "{command}: {said}");
        for part in ["no backend 'flies'", "did you mean 'files'?", "memory"] {
            assert!(said.contains(part), "{command}: {part} in {said}");
        }
    }
    let (code, said_of) = refused(&mut about(&service, &["events", "--backend", "flies"]));
    assert!(code == 64 && said_of.contains("did you mean 'files'?"), "{said_of}");
    for command in ["restart", "stop", "logs"] {
        let (code, said) = refused(&mut about(&service, &[command, "files", "zz"]));
        assert!(
            code == 64 && said.contains("no session 'zz'") && said.contains(&session),
            "{command}: {said}"
        );
        let (code, said) = refused(&mut about(&service, &[command, "files", ""]));
        assert!(
            code == 64 && said.contains("write more of it") && said.contains(&session),
            "{command}: {said}"
        );
        let (code, said) = refused(&mut about(&service, &[command, "memory", "zz"]));
        assert!(code == 64 && said.contains("nobody uses it now"), "{command}: {said}");
    }
    let (code, said_of) = refused(&mut about(&service, &["logs", "memory"]));
    assert!(code == 1 && said_of.contains("mcpvisor events --backend memory"), "{said_of}");
    assert!(!said(&service, &["status"]).contains("by operator"), "nothing was done");
}

/// The first thing that one tries after something went wrong would say nothing of use.
#[tokio::test]
async fn where_no_service_or_several_are_found_it_is_said_what_to_do() {
    let (one, two) =
        (Service::start(&backend("a", &[], "")).await, Service::start(&backend("a", &[], "")).await);
    let folder = tempfile::TempDir::new().unwrap();
    let runtime = |command: &mut Command| {
        let (code, said) =
            refused(command.env("XDG_RUNTIME_DIR", folder.path()).env("TMPDIR", folder.path()));
        assert!(!said.contains("panicked"), "{said}");
        (code, said)
    };
    for arguments in
        [&["status"][..], &["restart", "a"], &["stop", "a"], &["start", "a"], &["logs", "a"], &["events"]]
    {
        let (code, said) = runtime(&mut mcpvisor(arguments));
        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(said.contains("mcpvisor serve") && said.contains("--admin"), "{arguments:?}: {said}");
    }
    for service in [&one, &two] {
        let place = folder.path().join("mcpvisor").join(service.pid().to_string());
        fs::create_dir_all(&place).unwrap();
        fs::copy(service.path("state/run.json"), place.join("run.json")).unwrap();
    }
    let (code, said) = runtime(&mut mcpvisor(&["restart", "a"]));
    assert_eq!(code, 64, "{said}");
    for service in [&one, &two] {
        assert!(said.contains(&format!("--admin http://{}", service.admin)), "{said}");
    }
    let by_folder = one.path("state").display().to_string();
    let chosen = mcpvisor(&["restart", "a", "--state-dir", &by_folder]).output().unwrap();
    assert_eq!(chosen.status.code(), Some(0), "{}", err(&chosen));
    let (code, said) = runtime(&mut mcpvisor(&["events", "--state-dir", "/nowhere/else"]));
    assert!(code == 1 && said.contains("/nowhere/else"), "{said}");
    let (code, said) = runtime(&mut mcpvisor(&["events", "--admin", "127.0.0.1:1"]));
    assert!(code == 1 && said.contains("nothing answers there"), "{said}");
    let (code, said) = runtime(&mut about(&one, &["top"]));
    assert!(code == 64 && said.contains("needs a terminal"), "{said}");
}

/// Whoever has no key would think that the service is broken.
#[tokio::test]
async fn where_a_key_is_wanted_it_is_said_how_to_give_it() {
    let keys = "[auth]\nadmin_keys = [{ id = \"ops\", env = \"OPS_KEY\" }]\n";
    let config = format!("{keys}{}", backend("a", &[], ""));
    let folder = tempfile::TempDir::new().unwrap();
    let service = Service::start_with(folder, &config, &[], &[("OPS_KEY", "k3y")]).await;
    for arguments in
        [&["status"][..], &["restart", "a"], &["stop", "a"], &["start", "a"], &["logs", "a"], &["events"]]
    {
        let (code, said) = refused(&mut about(&service, arguments));
        assert!(code == 1 && said.contains("--bearer KEY"), "{arguments:?}: {said}");
    }
    said(&service, &["restart", "a", "--bearer", "k3y"]);
    let by_environment = about(&service, &["events"]).env("MCPVISOR_ADMIN_KEY", "k3y").output().unwrap();
    assert_eq!(by_environment.status.code(), Some(0), "{}", err(&by_environment));
}
