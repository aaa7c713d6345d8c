//! What `--version` prints.

use brewer::device::{cuda_devices, libtorch_version};

use crate::table::{aligned, counted};

/// The version alone, as `-V` prints it.
pub const SHORT: &str = concat!("brewer-host ", env!("CARGO_PKG_VERSION"));

/// The version, the commit, libtorch and whether CUDA can be used.
pub fn long() -> String {
    let commit = option_env!("BREWER_COMMIT").unwrap_or("unknown, built from a source archive");
    let cuda = match cuda_devices() {
        Ok(count) => format!("yes, {}", counted(count, "device")),
        Err(reason) => format!("no ({reason})"),
    };
    let libtorch = libtorch_version().unwrap_or_else(|| "unknown".to_owned());
    let rows = [("commit", commit.to_owned()), ("libtorch", libtorch), ("CUDA", cuda)];
    let rows = rows.map(|(label, text)| vec![label.to_owned(), text]);
    format!("{SHORT}\n{}", aligned(&rows).join("\n"))
}
