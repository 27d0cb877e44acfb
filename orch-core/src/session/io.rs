//! The one runtime for slow seams.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle};

/// The runtime that answers what a session may not wait for: the caller's where there is one, else [our own](own), on one
/// thread, started when first needed and kept for the life of the process.
pub(super) fn runtime() -> Option<Handle> {
    Handle::try_current().ok().or_else(own)
}

/// Our own runtime, for what goes on when the run, and perhaps the caller's runtime, has ended.
pub(super) fn own() -> Option<Handle> {
    static OWN: OnceLock<Option<Handle>> = OnceLock::new();
    OWN.get_or_init(start).clone()
}

fn start() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    let serve = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("orch-io".into()).spawn(serve).ok()?;
    Some(handle)
}
