//! The program `orch`: everything is in [`orch_core::cli`].

use std::{io, process::ExitCode};

fn main() -> ExitCode {
    orch_core::cli::main(std::env::args_os(), &mut io::stdout(), &mut io::stderr())
}
