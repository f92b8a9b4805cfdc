//! Whether a limit may be behind the end of a server.

use mcpvisor_config::Sandbox;

use crate::process::ExitStatus;

/// SIGXCPU of Linux; no other limit is told by a signal of its own.
const TIME_IS_UP: i32 = 24;
/// With these a program ends that cannot get memory: SIGILL, SIGTRAP (V8), SIGABRT (Rust, C++, glibc), SIGBUS and SIGSEGV (whoever
/// does not look at what it was given).
const OUT_OF_MEMORY: [i32; 5] = [4, 5, 6, 7, 11];
/// What a shell adds to the signal that ended its child.
const SHELL: i32 = 128;

/// What to say besides the status. The kernel tells of processor time; of memory it only refuses more, so that is a guess and
/// said as one.
pub(crate) fn likely_cause(sandbox: &Sandbox, status: ExitStatus) -> Option<&'static str> {
    let signal = match status {
        ExitStatus::Signal(signal) => signal,
        ExitStatus::Code(code) if code > SHELL => code - SHELL,
        ExitStatus::Code(_) | ExitStatus::Unknown => return None,
    };
    if signal == TIME_IS_UP && !sandbox.cpu_time.is_zero() {
        return Some("its processor time is used up (sandbox.cpu_time)");
    }
    let starved = sandbox.memory > 0 && OUT_OF_MEMORY.contains(&signal);
    starved.then_some("perhaps it was refused memory (sandbox.memory)")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// If this failed, whoever set a limit too low would look for a bug in the server.
    #[test]
    fn a_limit_is_named_where_it_can_be_the_cause() {
        let none = Sandbox::default();
        let limited = Sandbox { memory: 1 << 26, cpu_time: Duration::from_secs(1), ..Sandbox::default() };
        let says = |sandbox, status| likely_cause(sandbox, status).unwrap_or("");
        assert!(says(&limited, ExitStatus::Signal(24)).contains("sandbox.cpu_time"));
        assert!(says(&limited, ExitStatus::Code(152)).contains("sandbox.cpu_time"), "by way of a shell");
        assert!(says(&limited, ExitStatus::Signal(6)).contains("sandbox.memory"));
        for status in
            [ExitStatus::Signal(9), ExitStatus::Signal(15), ExitStatus::Code(6), ExitStatus::Unknown]
        {
            assert_eq!(likely_cause(&limited, status), None, "{status}");
        }
        assert_eq!(likely_cause(&none, ExitStatus::Signal(24)), None);
        assert_eq!(likely_cause(&none, ExitStatus::Signal(6)), None);
    }
}
