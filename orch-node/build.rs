//! Tells the linker how a Node addon is built, and how to make it smaller.

#[path = "../orch-core/scripts/linker.rs"]
mod linker;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=../orch-core/scripts/linker.rs");
    napi_build::setup();
    linker::smaller()
}
