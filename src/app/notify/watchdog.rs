//! The signs of life that systemd waits for.

use std::os::unix::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

/// As long as `/livez` waits, whose question this is.
const LONGEST: Duration = Duration::from_secs(1);

/// Gives one twice per interval, as systemd recommends, if the Registry answers. If it does not, it is asked more often:
/// it may just be being replaced, and whoever waited for half the interval again would come too late.
pub(super) async fn run<A: Future<Output = bool>>(
    address: SocketAddr,
    interval: Duration,
    alive: impl Fn(Duration) -> A,
) {
    let (ordinary, soon) = (interval / 2, interval / 8);
    let mut told = true;
    loop {
        let sent = match alive(soon.min(LONGEST)).await {
            true => super::send(&address, "WATCHDOG=1").await.map_err(|error| error.to_string()),
            false => Err("the registry does not answer".to_owned()),
        };
        if let (Err(error), true) = (&sent, told) {
            tracing::warn!(
                event = "service.watchdog_failed",
                error,
                "no sign of life for systemd; it may end the service"
            );
        }
        told = sent.is_ok();
        sleep(if told { ordinary } else { soon }).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::net::UnixDatagram;
    use tokio::time::timeout;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(400);

    /// A socket, and how often it was asked whether the service lives; from the `recovers`th time on it does.
    fn watch(recovers: usize) -> (UnixDatagram, Arc<AtomicUsize>) {
        let name = format!("mcpvisor-test-{}", getrandom::u64().unwrap());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let socket = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(run(address, INTERVAL, move |_| {
            let alive = count.fetch_add(1, Relaxed) >= recovers;
            async move { alive }
        }));
        (UnixDatagram::from_std(socket).unwrap(), asked)
    }

    /// If this failed, a service whose supervision has died would look alive to systemd for ever.
    #[tokio::test]
    async fn there_is_no_sign_of_life_without_life() {
        let (socket, asked) = watch(usize::MAX);
        let mut message = [0; 64];
        assert!(timeout(INTERVAL * 2, socket.recv(&mut message)).await.is_err());
        assert!(asked.load(Relaxed) > 4, "it is asked more often than a living one");
    }

    /// If this failed, a service would be killed because its registry had been replaced once.
    #[tokio::test]
    async fn what_lives_again_says_so_within_the_interval() {
        let (socket, _) = watch(2);
        let mut message = [0; 64];
        let length = timeout(INTERVAL * 50, socket.recv(&mut message)).await.unwrap().unwrap();
        assert_eq!(&message[..length], b"WATCHDOG=1");
    }
}
