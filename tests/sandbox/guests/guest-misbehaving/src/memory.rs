//! What a guest can do to time and to its own memory.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

pub fn spin() {
    let mut number: u64 = 0;
    while black_box(number) != 1 {
        number = number.wrapping_add(2);
    }
}

/// The compiler does not see that no depth is the last.
pub fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX {
        return 0;
    }
    let frame = black_box([depth; 64]);
    recurse(depth + 1).wrapping_add(frame[(depth % 64) as usize])
}

pub fn allocate() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1; 1 << 20]));
    }
}

/// How often this instance was called, from 1.
pub fn count() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}
