//! What a sandbox and a container cannot be.

use crate::support::{loaded, problem, refused_backends, request};

/// A typing error in a sandbox would be found out by a server that runs without it, or by one that does not run.
#[test]
fn a_sandbox_that_makes_no_sense_is_refused() {
    for (keys, key, what) in [
        ("nice = 20", "nice", "no such niceness"),
        ("nice = \"low\"", "nice", "where a whole number belongs"),
        ("memory = 4096", "memory", "too little to start in"),
        ("files = 3", "files", "too few to start with"),
        ("cpu_time = \"1500ms\"", "cpu_time", "not whole seconds"),
        ("user = \"a:b\"", "user", "not a name"),
        ("read_only = [\"usr\"]", "read_only[0]", "not an absolute path"),
        ("read_write = [\"/a\", \"/a\"]", "read_write[1]", "stands there twice"),
        ("read_only = [\"/a\"]\nsandbox.read_write = [\"/a\"]", "read_only[0]", "stands in read_write too"),
        ("network = \"closed\"", "network", "\"no_tcp\""),
    ] {
        let problem = problem(&format!("[backends.a]\ncommand = \"x\"\nsandbox.{keys}\n"));
        assert_eq!(problem.key, format!("backends.a.sandbox.{key}"), "{problem}");
        assert!(problem.to_string().contains(what), "{problem}");
    }
    let url = problem("[backends.a]\nurl = \"http://x\"\nsandbox.nice = 1");
    assert!(url.key == "backends.a.sandbox" && url.what.contains("together with command"), "{url}");
    let keys = "nice = -5\nsandbox.memory = \"4MiB\"\nsandbox.cpu_time = \"1h\"\nsandbox.network = \"none\"";
    loaded(request("a.toml", &format!("[backends.a]\ncommand = \"x\"\nsandbox.{keys}\n"), &[]));
}

/// A container would not start, or be one that nobody can talk to or find again.
#[test]
fn a_container_that_cannot_be_is_refused() {
    refused_backends(&[
        ("container = \"-v\"", "container", "not the name of an image"),
        ("container = \"i\"\nmounts = [\"x:/y\"]", "mounts[0]", "not a mount"),
        (
            "container = \"i\"\nrun_args = [\"--privileged\", \"--name=a\"]",
            "run_args[1]",
            "--name=a is not for",
        ),
        ("container = \"i\"\nengine = \"\"", "engine", "not a program"),
        ("container = \"i\"\nsandbox.nice = 1", "sandbox.nice", "cannot be had for a container"),
        ("container = \"i\"\nsandbox.network = \"no_tcp\"", "sandbox.network", "cannot be had"),
        (
            "container = \"i\"\nsandbox.read_only = [\"/usr\"]",
            "sandbox.read_only",
            "its image and its mounts",
        ),
        ("container = \"i\"\nsandbox.group = \"a\"", "sandbox.group", "give sandbox.user too"),
        ("container = \"i\"\nheaders = {}", "headers", "together with url"),
        ("command = \"x\"\nmounts = []", "mounts", "together with container"),
        ("url = \"http://x\"\nengine = \"podman\"", "engine", "together with container"),
    ]);
    let both = problem("[backends.a]\ncommand = \"x\"\ncontainer = \"i\"\n");
    assert!(both.what.contains("both command and container"), "{both}");
    let text = "[backends.a]\ncontainer = \"i\"\nargs = [\"x\"]\nsandbox = { memory = \"1GiB\", network = \"none\" }\n";
    let config = loaded(request("a.toml", text, &[])).config;
    assert_eq!(config.backends["a"].timeouts.launch.as_secs(), 120, "its image may have to be fetched");
}
