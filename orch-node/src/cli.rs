//! The command line, which is the core's.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use napi_derive::napi;

/// Runs `orch` with these arguments, the first of which is the program's name, and answers its exit code.
#[napi]
pub fn cli(args: Vec<String>) -> u8 {
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let ended = orch_core::cli::main(args, &mut stdout, &mut stderr);
    // Nobody else does: Node knows nothing of these streams. What cannot be written has been said by now.
    drop(stdout.flush());
    // The standard library does not tell the number of a code.
    (0..=u8::MAX).find(|&code| ExitCode::from(code) == ended).unwrap_or(1)
}
