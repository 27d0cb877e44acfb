//! Tells the linker how to make the module smaller.

#[path = "../orch-core/scripts/linker.rs"]
mod linker;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=../orch-core/scripts/linker.rs");
    linker::smaller()
}
