//! What the engine is told to run. Pure.

use std::collections::BTreeMap;

use mcpvisor_config::{Container, Network, Sandbox};

use super::{BACKEND_LABEL, INSTANCE_LABEL, Named};
use crate::confine::CPU_GRACE;
use crate::glob;

/// Variables that steer the engine itself: it must not be given them for the container's sake.
const STEERING: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LD_*",
    "XDG_*",
    "SSH_*",
    "DOCKER_*",
    "BUILDKIT_*",
    "CONTAINER*",
    "REGISTRY_AUTH_FILE",
    "DBUS_SESSION_BUS_ADDRESS",
];
/// Of these, what it needs of our environment, besides what `env_pass` lets through: where its daemon is, and who asks.
const NEEDED: [&str; 8] = [
    "PATH",
    "HOME",
    "USER",
    "XDG_*",
    "DOCKER_*",
    "CONTAINER*",
    "REGISTRY_AUTH_FILE",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// A container to be started.
pub(crate) struct Run<'a> {
    pub(crate) backend: &'a str,
    pub(crate) container: &'a Container,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) named: &'a Named,
    pub(crate) instance: &'a str,
    /// For what runs in the container, as are the next.
    pub(crate) args: &'a [String],
    pub(crate) env: &'a BTreeMap<String, String>,
}

impl Run<'_> {
    /// The arguments of the engine.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut all: Vec<String> = ["run", "--rm", "-i", "--init"].map(str::to_owned).into();
        all.push(format!("--name={}", self.named.name));
        all.push(format!("--cidfile={}", self.named.cid_file.display()));
        all.push(format!("--label={INSTANCE_LABEL}={}", self.instance));
        all.push(format!("--label={BACKEND_LABEL}={}", self.backend));
        all.extend(limits(self.sandbox));
        if !self.container.entrypoint.is_empty() {
            all.push(format!("--entrypoint={}", self.container.entrypoint));
        }
        all.extend(self.container.mounts.iter().map(|mount| format!("--volume={mount}")));
        all.extend(self.env.iter().map(|(name, value)| variable(name, value)));
        all.extend(self.container.run_args.iter().cloned());
        all.push(self.container.image.clone());
        all.extend(self.args.iter().cloned());
        all
    }

    /// The variables that the engine takes from its own environment, so that they stand in no list of processes.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let given = self.env.iter().filter(|(name, _)| !steers(name));
        given.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// What the engine sees of our environment.
pub(crate) fn env_pass(globs: &[String]) -> Vec<String> {
    globs.iter().cloned().chain(NEEDED.map(str::to_owned)).collect()
}

fn steers(name: &str) -> bool {
    STEERING.iter().any(|pattern| glob::matches(pattern.as_bytes(), name.as_bytes()))
}

/// By its name only, so that its value is taken from the engine's environment; where that would change the engine itself, with it.
fn variable(name: &str, value: &str) -> String {
    if steers(name) { format!("--env={name}={value}") } else { format!("--env={name}") }
}

/// The sandbox in the engine's words.
fn limits(sandbox: &Sandbox) -> Vec<String> {
    let mut all = Vec::new();
    if sandbox.is_open() {
        return all;
    }
    all.extend(["--security-opt=no-new-privileges".to_owned(), "--ulimit=core=0".to_owned()]);
    let Sandbox { user, group, memory, files, processes, cpu_time, network, .. } = sandbox;
    let mut add = |asked: bool, option: String| all.extend(asked.then_some(option));
    let colon = if group.is_empty() { "" } else { ":" };
    add(!user.is_empty(), format!("--user={user}{colon}{group}"));
    add(*memory > 0, format!("--memory={memory}"));
    add(*files > 0, format!("--ulimit=nofile={files}:{files}"));
    add(*processes > 0, format!("--pids-limit={processes}"));
    let (soft, hard) = (cpu_time.as_secs(), (*cpu_time + CPU_GRACE).as_secs());
    add(soft > 0, format!("--ulimit=cpu={soft}:{hard}"));
    add(*network == Network::None, "--network=none".to_owned());
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn run(sandbox: &Sandbox, env: &[(&str, &str)]) -> (Vec<String>, BTreeMap<String, String>) {
        let container = Container {
            image: "ghcr.io/x/y:1".into(),
            entrypoint: "/bin/s".into(),
            mounts: vec!["/a:/b:ro".into()],
            run_args: vec!["--cpus=1".into()],
        };
        let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let named = Named::of("00ff", 7, Path::new("/run/m"));
        let args = ["stdio".to_owned()];
        let run = Run {
            backend: "github",
            container: &container,
            sandbox,
            named: &named,
            instance: "00ff",
            args: &args,
            env: &env,
        };
        (run.arguments(), run.env())
    }

    /// If this failed, a container would not speak, could not be found again, or would show its secrets in every list of processes.
    #[test]
    fn a_container_can_be_talked_to_and_found_and_keeps_its_secrets() {
        let (arguments, env) = run(&Sandbox::default(), &[("TOKEN", "secret"), ("HOME", "/root")]);
        assert_eq!(
            arguments.join(" "),
            "run --rm -i --init --name=mcpvisor-00ff-7 --cidfile=/run/m/mcpvisor-00ff-7.cid \
             --label=mcpvisor.instance=00ff --label=mcpvisor.backend=github --entrypoint=/bin/s --volume=/a:/b:ro \
             --env=HOME=/root --env=TOKEN --cpus=1 ghcr.io/x/y:1 stdio"
        );
        assert_eq!(
            env,
            BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]),
            "HOME steers the engine"
        );
    }

    /// If this failed, a sandbox would hold for commands and not for containers.
    #[test]
    fn a_sandbox_is_said_in_the_words_of_the_engine() {
        let sandbox = Sandbox {
            user: "1000".into(),
            group: "7".into(),
            memory: 1 << 30,
            files: 64,
            processes: 9,
            cpu_time: Duration::from_secs(60),
            network: Network::None,
            ..Sandbox::default()
        };
        let all = run(&sandbox, &[]).0.join(" ");
        for option in [
            "--security-opt=no-new-privileges",
            "--ulimit=core=0",
            "--user=1000:7",
            "--memory=1073741824",
            "--ulimit=nofile=64:64",
            "--pids-limit=9",
            "--ulimit=cpu=60:65",
            "--network=none",
        ] {
            assert!(all.contains(option), "{option} is not in {all}");
        }
        assert!(!run(&Sandbox::default(), &[]).0.join(" ").contains("--security-opt"));
    }
}
