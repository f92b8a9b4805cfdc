//! The allocator of the service: jemalloc, since what sessions took is to be given back after them.
//!
//! With glibc's own nothing was given back after 1,000 sessions, and each further thousand took some more (`docs/performance.md`).
//! Elsewhere than on Linux with glibc it is whatever the system has.
#![allow(unsafe_code)]

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// One arena, for few threads allocate much; what is free goes back to the system a second later, from a thread of jemalloc's own,
/// so that it does when the service is idle as well; threads keep only small things at hand.
// SAFETY: jemalloc has this name as a `const char *`, which it reads before `main` and never writes; the text ends in a NUL.
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: &[u8; 87] =
    b"narenas:1,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,lg_tcache_max:10\0";
