#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpvisor_fuzz::streams::check(data));
