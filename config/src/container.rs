//! A server that runs in a container.

use std::path::Path;

/// `container = "image"` and what goes with it. The engine is the backend's `command`, the arguments of the image are its `args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The image, such as `ghcr.io/owner/image:tag`.
    pub image: String,
    /// What is run in it; empty = what the image says.
    pub entrypoint: String,
    /// `/host/path:/container/path`, with `:ro` or `:rw`.
    pub mounts: Vec<String>,
    /// Further options of the engine's `run`.
    pub run_args: Vec<String>,
}

/// Options of `run` by which a container would not be one that mcpvisor can talk to, find and end.
const OURS: [&str; 9] = ["-d", "--detach", "-t", "--tty", "-it", "-ti", "--name", "--cidfile", "--restart"];

impl Container {
    /// The option among `run_args` that is not for the user to give, with its place.
    pub(crate) fn option_of_ours(&self) -> Option<(usize, &str)> {
        let is_ours = |arg: &str| OURS.contains(&arg.split('=').next().unwrap_or(arg));
        let mut options = self.run_args.iter().map(String::as_str).enumerate();
        options.find(|(_, arg)| is_ours(arg))
    }
}

/// What begins with `-` would be an option of the engine.
pub(crate) fn is_image(image: &str) -> bool {
    !image.is_empty() && !image.starts_with('-') && !image.contains(char::is_whitespace)
}

pub(crate) fn is_mount(mount: &str) -> bool {
    let parts: Vec<_> = mount.split(':').collect();
    match parts.as_slice() {
        [source, target] | [source, target, "ro" | "rw"] => {
            Path::new(source).is_absolute() && Path::new(target).is_absolute()
        }
        _ => false,
    }
}
