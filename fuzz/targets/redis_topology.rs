#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealcast::fuzzing::redis_topology(bytes));
