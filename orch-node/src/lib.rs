//! The native half of the Node package.
//!
//! A door to [`orch_core`]: it takes values in, calls the core and gives values out. It decides nothing. Today it only
//! tells its version; the driver and the classes come with the Node issue.

use napi_derive::napi;

/// The version of the engine, for example `0.1.0`.
#[napi]
pub fn version() -> &'static str {
    orch_core::VERSION
}
