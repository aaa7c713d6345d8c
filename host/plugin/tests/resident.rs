//! What hostile plugins took of the machine's memory is given back. A process of its own, because what is measured is the
//! memory of the whole process.

mod common;

use brewer::Adaptor;
use brewer_plugin_host::Limits;
use common::{batch, guest, outputs, resident_kib, student};
use serde_json::json;

/// What takes memory in the guest, in the host's tables, or in libtorch.
const DEEDS: [&str; 18] = [
    "allocate",
    "broadcast-huge",
    "expand-huge",
    "hoard-handles",
    "hoard-in-features",
    "hoard-in-lists",
    "huge-tensor",
    "leak-handles",
    "log-flood",
    "log-long",
    "long-name",
    "long-shape",
    "many-tensors",
    "multiply-huge",
    "panic",
    "recurse",
    "return-long",
    "write-much",
];

#[test]
fn memory_is_back_at_its_level() {
    let limits = Limits { memory_bytes: 1 << 30, tensor_bytes: 1 << 30, value_bytes: 1 << 28, ..Limits::default() };
    let round = || {
        for deed in DEEDS {
            let mut bad = guest(json!({ "do": deed }), limits.clone(), &[]);
            for step in 0..2 {
                // Most fail; what matters is what is left of them.
                _ = bad.adapt(&student(step), &batch(), &outputs());
            }
        }
    };
    round();
    let settled = resident_kib();
    for _ in 0..3 {
        round();
    }
    let grown = resident_kib().saturating_sub(settled);
    assert!(grown < 32 * 1024, "the host's memory grew by {grown} KiB in 3 rounds, from {settled} KiB");
}
