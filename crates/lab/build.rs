//! Builds the program that runs inside the test image, linked statically so that the image needs no libraries for it.
//! It is a cargo target of this crate as well, for its tests and lints; what goes into the image is this build of it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("guest");
    let built = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bellwether-guest");
    println!("cargo::rerun-if-changed={}", source.display());
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let status = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "bellwether_guest",
            "--cap-lints",
            "allow",
        ])
        .args([
            "-C",
            "opt-level=2",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
            "-C",
            "target-feature=+crt-static",
        ])
        // The same program wherever the source lies, so that the image is the same too.
        .arg(format!("--remap-path-prefix={}=guest", source.display()))
        .arg("-o")
        .arg(&built)
        .arg(source.join("main.rs"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => println!(
            "cargo::error=building the test image's program ended with {status} (libc6-dev brings the static libc it needs)"
        ),
        Err(error) => println!("cargo::error=cannot run rustc: {error}"),
    }
    println!("cargo::rustc-env=BELLWETHER_GUEST={}", built.display());
}
