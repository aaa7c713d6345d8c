//! Bytes that are no plugin, and plugins some of whose bytes are others: an error or a plugin, never the end of the
//! process.

mod common;

use std::fs;

use brewer::Adaptor;
use brewer_plugin_host::{Limits, Plugin, PluginAdaptor, PluginOptions};
use common::{batch, component, engine, outputs, silent, student};

/// A sequence of random numbers (Marsaglia's xorshift), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

/// Loads and, where that is possible, calls it. Whether it came to an answer.
fn attempt(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    fs::write(&path, bytes).unwrap();
    let limits = Limits { call_seconds: 0.2, memory_bytes: 16 << 20, operations: 1000, ..Limits::default() };
    let options = PluginOptions { limits, log: silent(), ..Default::default() };
    let Ok(plugin) = Plugin::load(&engine(), &path, options) else { return false };
    let Ok(mut adaptor) = PluginAdaptor::new(&plugin) else { return false };
    adaptor.adapt(&student(0), &batch(), &outputs()).is_ok()
}

#[test]
fn random_bytes_are_refused() {
    let mut numbers = Numbers(1);
    for header in [&b""[..], b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0"] {
        for length in [1, 10, 1000, 100_000] {
            let mut bytes = header.to_vec();
            bytes.extend((0..length).map(|_| numbers.byte()));
            assert!(!attempt(&bytes), "{length} random bytes after {header:?} were a plugin");
        }
    }
}

/// Sizes, counts, types and code that are not what they say.
#[test]
fn a_plugin_with_other_bytes_is_an_error_or_a_plugin() {
    let official = fs::read(component("sequence-classification")).unwrap();
    let mut numbers = Numbers(2);
    let mut answers = 0;
    for _ in 0..150 {
        let mut bytes = official.clone();
        for _ in 0..=numbers.below(3) {
            // Nine in ten in the first half: types and imports are there, and code.
            let end = if numbers.below(10) == 0 { bytes.len() } else { bytes.len() / 2 };
            let position = numbers.below(end);
            bytes[position] = numbers.byte();
        }
        answers += usize::from(attempt(&bytes));
    }
    assert!(answers < 150, "no byte of a plugin matters");
    assert!(attempt(&official));
}
