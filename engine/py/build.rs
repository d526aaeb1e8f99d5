//! Compiles the preloadable isatty shim beside the module, so that the wheel can carry it inside.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=shim/isatty.rs");
    let output = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("isatty.so");
    let target = std::env::var_os("TARGET").expect("cargo sets TARGET");
    let compiler = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let status = Command::new(compiler)
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "isatty",
            "--crate-type",
            "cdylib",
            "--target",
        ])
        .arg(&target)
        .args([
            "-C",
            "opt-level=2",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
            "shim/isatty.rs",
            "-o",
        ])
        .arg(&output)
        .status()
        .expect("rustc can be started");
    assert!(status.success(), "the isatty shim does not compile");
}
