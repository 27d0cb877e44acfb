//! For the build scripts of the bindings: tells the linker how to make the module smaller, in words that it is tried with first.

use std::{
    env::var,
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

/// Functions of the same code are one; and what only has to be moved to where the module is loaded is a bit, not 24 bytes.
const SMALLER: [&str; 2] = ["-Wl,--icf=all", "-Wl,-z,pack-relative-relocs"];

pub(crate) fn smaller() -> io::Result<()> {
    let is = |name: &str, wanted: &str| var(name).is_ok_and(|value| value == wanted);
    // Only what is installed, and only where it runs on the system that builds it.
    let is_for_here =
        is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && var("HOST") == var("TARGET");
    if is("PROFILE", "release") && is_for_here {
        for argument in SMALLER {
            if is_understood(argument)? {
                println!("cargo::rustc-cdylib-link-arg={argument}");
            }
        }
    }
    Ok(())
}

/// Whether the linker that this build has takes it, and this system runs what comes of it.
fn is_understood(argument: &str) -> io::Result<bool> {
    let of = |name: &str| var(name).unwrap_or_default();
    let program = Path::new(&of("OUT_DIR")).join("tried");
    let source = program.with_extension("rs");
    fs::write(&source, "fn main() {}")?;
    let mut rustc = Command::new(of("RUSTC"));
    rustc.args(of("CARGO_ENCODED_RUSTFLAGS").split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg(format!("-Clink-arg={argument}")).arg("-o").arg(&program).arg(&source);
    let is_done = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    Ok(is_done(&mut rustc) && is_done(&mut Command::new(&program)))
}
