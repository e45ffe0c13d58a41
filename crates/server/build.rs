//! Copies the browser libraries that npm brought (`npm ci --prefix web`) to where they are embedded from. Without them
//! the build goes on, says so, and the pages work as plain pages.

use std::{env, fs, path::PathBuf};

/// From `web/node_modules`, to the embedded folder.
const FILES: [(&str, &str); 5] = [
    ("htmx.org/dist/htmx.esm.min.js", "htmx.js"),
    ("htmx.org/LICENSE", "htmx.LICENSE"),
    ("uplot/dist/uPlot.esm.js", "uplot.js"),
    ("uplot/dist/uPlot.min.css", "uplot.css"),
    ("uplot/LICENSE", "uplot.LICENSE"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vendor = PathBuf::from(env::var("OUT_DIR")?).join("vendor");
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../web");
    // A release build may bring them ready from elsewhere, for machines without npm.
    let modules = env::var_os("BELLWETHER_NODE_MODULES")
        .map_or_else(|| web.join("node_modules"), PathBuf::from);
    println!("cargo::rerun-if-env-changed=BELLWETHER_NODE_MODULES");
    println!("cargo::rerun-if-changed={}", web.join("assets").display());
    println!(
        "cargo::rerun-if-changed={}",
        web.join("package-lock.json").display()
    );
    fs::create_dir_all(&vendor)?;
    let mut missing = Vec::new();
    for (from, to) in FILES {
        let source = modules.join(from);
        println!("cargo::rerun-if-changed={}", source.display());
        let target = vendor.join(to);
        if source.is_file() {
            fs::copy(&source, &target)?;
        } else {
            missing.push(from);
            if target.exists() {
                fs::remove_file(&target)?;
            }
        }
    }
    if !missing.is_empty() {
        println!(
            "cargo::warning=browser libraries are missing ({}): pages will work without live values and graphs to \
             point at; run `npm ci --prefix web` and build again",
            missing.join(", ")
        );
    }
    Ok(())
}
