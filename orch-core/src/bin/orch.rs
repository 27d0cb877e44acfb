//! The program `orch`: everything is in [`orch_core`].

fn main() {}
