//! Chaos: whatever a server, a client or the machine does, a user sees what was promised, and nobody else notices.
//!
//! In each test ([`world::World`]) the server of one session misbehaves, while another session of the same backend and one of
//! another backend work on: every call of theirs is answered, by the server they have had, and promptly. Afterwards the session
//! goes on, faults and restarts are counted by their reason and nothing else is, and nothing is left. All servers print, log
//! JSON and say bare values on standard output before every frame, so each test also shows that this harms nothing.
//!
//! | what happens | where it is tested |
//! |---|---|
//! | `kill -9` | `chaos/kill.rs`; what the call is told, and when: `crash.rs`; of the service and its guard: `guard.rs` |
//! | `SIGSTOP` | `chaos/stop.rs` |
//! | half lines | `chaos/lines.rs`; a server that dies in one: `crash.rs` |
//! | 100 MB lines | `chaos/lines.rs`; on standard error: `chaos/floods.rs` |
//! | floods on standard error | `chaos/floods.rs`; from the start on and without end: `overload.rs` |
//! | closed standard input | `chaos/closed_pipes.rs` |
//! | closed standard output, the process lives | `chaos/closed_pipes.rs` |
//! | fork trees | `chaos/fork_tree.rs`; two hundred sessions that leave processes: `leaks.rs` |
//! | a program that cannot be run | `chaos/exec_failure.rs`; from the start on: `crash.rs` |
//! | no file descriptors left | `chaos/descriptors.rs` |
//! | a full disk for the state folder, or for the log | `chaos/full_disk.rs` |
//! | a clock that jumps | no test: `clippy.toml` refuses to read it, but where a time is shown to people |
//! | a client that stops reading | `chaos/slow_reader.rs`; what it gets when it reads again: `overload.rs` |
//! | fifty sessions of a crash-looping backend | `chaos/crash_loop.rs`; with the breaker: `breaker.rs` |
//! | prints, JSON logs, bare values on standard output | every test here; by themselves: `overload.rs` |
//! | the same to servers and under clients of other people | `third_party/clients/typescript_chaos.mjs`, `python_crashes.py` |
//! | bad input of clients | `bad_input.rs`, `bad_http.rs` |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "chaos/world.rs"]
mod world;

#[path = "chaos/closed_pipes.rs"]
mod closed_pipes;
#[path = "chaos/crash_loop.rs"]
mod crash_loop;
#[path = "chaos/descriptors.rs"]
mod descriptors;
#[path = "chaos/exec_failure.rs"]
mod exec_failure;
#[path = "chaos/floods.rs"]
mod floods;
#[path = "chaos/fork_tree.rs"]
mod fork_tree;
#[path = "chaos/full_disk.rs"]
mod full_disk;
#[path = "chaos/kill.rs"]
mod kill;
#[path = "chaos/lines.rs"]
mod lines;
#[path = "chaos/slow_reader.rs"]
mod slow_reader;
#[path = "chaos/stop.rs"]
mod stop;
