//! A terminal of a test's own, and a command in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::common::PATIENCE;

pub struct Terminal {
    child: Child,
    ours: File,
    theirs: File,
    read: Receiver<Vec<u8>>,
    /// All that was written to it.
    pub seen: String,
}

impl Terminal {
    /// Starts the command in a terminal of 120 by 30.
    pub fn start(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let size = Winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let no_control = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
        let mut open = OpenOptions::new();
        let open = open.read(true).write(true).custom_flags(no_control);
        let theirs = open.open(name.to_str().unwrap()).unwrap();
        let end = || theirs.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm").spawn().unwrap();
        let ours = File::from(ours);
        let mut reader = ours.try_clone().unwrap();
        let (sender, read) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, ours, theirs, read, seen: String::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until this has been written since the last time.
    pub fn shows(&mut self, part: &str) {
        let until = Instant::now() + PATIENCE;
        let mut new = String::new();
        while !new.contains(part) {
            let left = until.saturating_duration_since(Instant::now());
            let bytes = self.read.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("in vain: {part:?} in {new:?}"));
            new += &String::from_utf8_lossy(&bytes);
        }
        self.seen += &new;
    }

    pub fn types(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether it takes keys one by one, as programs do that take the whole screen.
    pub fn is_raw(&self) -> bool {
        !tcgetattr(&self.theirs).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// Waits for the end of the command.
    pub fn ends(&mut self) -> ExitStatus {
        let from = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while let Ok(bytes) = self.read.try_recv() {
                    self.seen += &String::from_utf8_lossy(&bytes);
                }
                return status;
            }
            assert!(from.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
