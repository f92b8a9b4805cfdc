//! The process that confines itself and then becomes a server.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use mcpvisor_config::{Network, Sandbox};
use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, nice, setrlimit};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::identity::Identity;
use super::report::{Refusal, Teller};
use super::{Order, namespace, rules};
use crate::process;

/// What it exits with when it cannot; nobody looks, since it says why.
const REFUSED: i32 = 125;
/// Between the signal that a program can catch when its processor time is used up, and the one that it cannot.
pub(crate) const CPU_GRACE: Duration = Duration::from_secs(5);

/// Confines this process as it is told, and becomes the program that follows; without one it ends well. A program that passes
/// `LauncherOptions::confine` must call this first thing when it finds itself started with those arguments, with what follows them,
/// before it starts a thread.
pub fn run_confined(arguments: &[OsString]) -> ! {
    // What fails of this would fail the open below too.
    let _ = process::close_inherited_fds();
    let teller = Teller::open();
    let refusal = match become_it(arguments) {
        Ok(()) => std::process::exit(0),
        Err(refusal) => refusal,
    };
    teller.tell(&refusal);
    std::process::exit(REFUSED)
}

fn become_it(arguments: &[OsString]) -> Result<(), Refusal> {
    let [order, command @ ..] = arguments else { return Err(Refusal::of("sandbox", "no order")) };
    let order = serde_json::from_slice::<Order>(order.as_encoded_bytes());
    confine(&order.map_err(|error| Refusal::of("sandbox", error))?)?;
    match command {
        [program, arguments @ ..] if program != OsStr::new("") => {
            let error = Command::new(program).args(arguments).exec();
            Err(Refusal::Exec(error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error())))
        }
        _ => Ok(()),
    }
}

/// What needs rights comes before they are given up, and what this process needs itself is given up last.
fn confine(order: &Order) -> Result<(), Refusal> {
    let Order { sandbox, identity } = order;
    if sandbox.network == Network::None {
        namespace::leave_network(identity.is_some())?;
    }
    let rules = rules::rules(sandbox)?;
    if sandbox.nice != 0 {
        nice(sandbox.nice).map_err(|error| refused("nice", error, "only root can go before others"))?;
    }
    limits(sandbox)?;
    if let Some(identity) = identity {
        become_somebody_else(identity)?;
    }
    set_no_new_privs(true).map_err(|error| Refusal::of("sandbox", io::Error::from(error)))?;
    if let Some(rules) = rules {
        rules::obey(rules)?;
    }
    limit("memory", Resource::Data, sandbox.memory as u64, 0)
}

fn limits(sandbox: &Sandbox) -> Result<(), Refusal> {
    // A core file holds every secret of the process, and lies where the limits of the sandbox do not hold.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| Refusal::of("sandbox", io::Error::from(error)))?;
    limit("files", Resource::Nofile, sandbox.files as u64, 0)?;
    limit("processes", Resource::Nproc, sandbox.processes as u64, 0)?;
    limit("cpu_time", Resource::Cpu, sandbox.cpu_time.as_secs(), CPU_GRACE.as_secs())
}

/// Sets a limit that cannot be raised again, the hard one so much higher; 0 leaves it as it is.
fn limit(key: &str, resource: Resource, value: u64, grace: u64) -> Result<(), Refusal> {
    if value == 0 {
        return Ok(());
    }
    let most = getrlimit(resource).maximum;
    let hard = value.saturating_add(grace);
    // The grace is ours to give: a lower limit that holds already is no reason to refuse.
    let hard = most.filter(|&most| value <= most && most < hard).unwrap_or(hard);
    let wanted = Rlimit { current: Some(value), maximum: Some(hard) };
    let hint = match most {
        Some(most) => format!("more than the {most} that mcpvisor itself may give"),
        None => "the system will not".to_owned(),
    };
    setrlimit(resource, wanted).map_err(|error| refused(key, error, &hint))
}

/// Groups, group, user: in any other order the right to change the next is gone. Real, effective and saved: no way back.
fn become_somebody_else(identity: &Identity) -> Result<(), Refusal> {
    let key = if identity.uid.is_some() { "user" } else { "group" };
    let failed = |error: Errno| refused(key, error, "root in a container may lack CAP_SETUID and CAP_SETGID");
    let groups: Vec<Gid> = identity.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    set_thread_groups(&groups).map_err(failed)?;
    let gid = Gid::from_raw(identity.gid);
    set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    if let Some(uid) = identity.uid.map(Uid::from_raw) {
        set_thread_res_uid(uid, uid, uid).map_err(failed)?;
    }
    Ok(())
}

fn refused(key: &str, error: Errno, hint: &str) -> Refusal {
    Refusal::of(format!("sandbox.{key}"), format!("{}; {hint}", io::Error::from(error)))
}
