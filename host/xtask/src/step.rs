//! What a chore prints: one line a step, with the time it took.

use std::time::Instant;

use anyhow::Result;

/// Runs one step of a chore and prints its name, its outcome and its time.
pub fn step(name: &str, work: impl FnOnce() -> Result<String>) -> Result<()> {
    let start = Instant::now();
    let outcome = work()?;
    println!("{name:<22} {outcome} ({:.1} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Says what a step that takes a while is doing.
pub fn note(text: &str) {
    println!("  {text}");
}
