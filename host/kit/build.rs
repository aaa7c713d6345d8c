//! Compiles `src/build/reproducible.c`, which is part of this crate as the bytes of a shared library.

use std::{env, fs, path::Path};

fn main() {
    const SOURCE: &str = "src/build/reproducible.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let library = Path::new(&variable("OUT_DIR")).join("reproducible.so");
    // It knows the system calls of one system. Elsewhere the library is empty.
    let system = ["OS", "ARCH", "ENV"].map(|part| variable(&format!("CARGO_CFG_TARGET_{part}")));
    if system != ["linux", "x86_64", "gnu"] {
        fs::write(&library, []).unwrap_or_else(|error| panic!("cannot write {}: {error}", library.display()));
        return;
    }
    let mut compiler = cc::Build::new().std("gnu11").pic(true).get_compiler().to_command();
    compiler.args(["-Wall", "-Wextra", "-Werror", "-shared", SOURCE, "-ldl", "-o"]).arg(&library);
    let status = compiler.status().unwrap_or_else(|error| panic!("{compiler:?} could not be started: {error}"));
    assert!(status.success(), "{compiler:?} failed");
}
