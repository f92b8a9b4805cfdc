//! What a container is started with.

use super::Checks;
use crate::container::{is_image, is_mount};
use crate::key_path::KeyPath;
use crate::{Backend, Network, Sandbox};

impl Checks<'_> {
    pub(super) fn container(&mut self, backend: &Backend, at: &KeyPath) {
        let Some(container) = &backend.container else { return };
        if !is_image(&container.image) {
            let hint = "write it as \"ghcr.io/owner/image:tag\"";
            self.fault(&at.key("container"), &[], "not the name of an image", hint);
        }
        for (index, _) in container.mounts.iter().enumerate().filter(|(_, mount)| !is_mount(mount)) {
            let hint = "write it as \"/host/path:/container/path:ro\" (or :rw)";
            self.fault(&at.key("mounts").index(index), &[], "not a mount", hint);
        }
        if let Some((index, option)) = container.option_of_ours() {
            let what =
                format!("{option} is not for a container that mcpvisor talks to, finds and ends itself");
            self.fault(&at.key("run_args").index(index), &[], what, "remove it");
        }
        self.contained(&backend.sandbox, &at.key("sandbox"));
    }

    /// Of a sandbox a container has what its engine has a word for.
    fn contained(&mut self, sandbox: &Sandbox, at: &KeyPath) {
        let hint = "a container sees its image and its mounts, and nothing else";
        for (key, set, hint) in [
            ("nice", sandbox.nice != 0, "give run_args = [\"--cpu-shares=…\"]"),
            ("read_only", !sandbox.read_only.is_empty(), hint),
            ("read_write", !sandbox.read_write.is_empty(), hint),
            ("network", sandbox.network == Network::NoTcp, "write \"none\" or \"open\""),
            ("group", sandbox.user.is_empty() && !sandbox.group.is_empty(), "give sandbox.user too"),
        ] {
            if set {
                self.fault(&at.key(key), &[], "cannot be had for a container", hint);
            }
        }
    }
}
