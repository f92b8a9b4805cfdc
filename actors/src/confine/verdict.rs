//! What may be behind the end of a server, besides itself: a limit, or the engine of its container.

use mcpvisor_config::{Backend, Sandbox};

use crate::process::ExitStatus;

/// SIGXCPU of Linux; no other limit is told by a signal of its own.
const TIME_IS_UP: i32 = 24;
/// With these a program ends that cannot get memory: SIGILL, SIGTRAP (V8), SIGABRT (Rust, C++, glibc), SIGBUS and SIGSEGV (whoever
/// does not look at what it was given).
const OUT_OF_MEMORY: [i32; 5] = [4, 5, 6, 7, 11];
/// With this the kernel ends what takes too much of a control group, as a container is one.
const KILLED: i32 = 9;
/// What a shell, and an engine, adds to the signal that ended its child.
const SHELL: i32 = 128;

/// What to say besides the status. The kernel tells of processor time; of memory it only refuses more, so that is a guess and
/// said as one.
pub(crate) fn likely_cause(backend: &Backend, status: ExitStatus) -> Option<&'static str> {
    let contained = backend.container.is_some();
    match status {
        // The codes of `docker run` and `podman run`.
        ExitStatus::Code(125) if contained => {
            Some("the engine of its container failed, and says why on standard error")
        }
        ExitStatus::Code(126 | 127) if contained => {
            Some("its image has no such program, or none that can be run")
        }
        ExitStatus::Signal(signal) => limit_behind(&backend.sandbox, signal, contained),
        ExitStatus::Code(code) if code > SHELL => limit_behind(&backend.sandbox, code - SHELL, contained),
        ExitStatus::Code(_) | ExitStatus::Unknown => None,
    }
}

fn limit_behind(sandbox: &Sandbox, signal: i32, contained: bool) -> Option<&'static str> {
    if signal == TIME_IS_UP && !sandbox.cpu_time.is_zero() {
        return Some("its processor time is used up (sandbox.cpu_time)");
    }
    let starved = OUT_OF_MEMORY.contains(&signal) || (contained && signal == KILLED);
    (sandbox.memory > 0 && starved).then_some("perhaps it was refused memory (sandbox.memory)")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// If this failed, whoever set a limit too low would look for a bug in the server.
    #[test]
    fn a_limit_is_named_where_it_can_be_the_cause() {
        let limited = Sandbox { memory: 1 << 26, cpu_time: Duration::from_secs(1), ..Sandbox::default() };
        let says = |signal, contained| limit_behind(&limited, signal, contained).unwrap_or("");
        assert!(says(24, false).contains("sandbox.cpu_time"));
        assert!(says(6, false).contains("sandbox.memory"));
        assert!(says(9, true).contains("sandbox.memory"));
        assert_eq!([says(9, false), says(15, false), says(15, true)], [""; 3]);
        assert_eq!(
            [limit_behind(&Sandbox::default(), 24, false), limit_behind(&Sandbox::default(), 6, true)],
            [None; 2]
        );
    }
}
