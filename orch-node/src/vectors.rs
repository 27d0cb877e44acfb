//! The conformance vectors: what the engine inside this module makes of them. For tests.

use napi_derive::napi;
use orch_core::testing::vectors;

use crate::{convert, error::Raised};

/// What the engine makes of the input of a vector of that area, through the same conversions as everything that crosses.
#[napi]
pub fn vector(area: String, input: String) -> napi::Result<String> {
    convert::shown(&vectors::run(&area, convert::read(&input, "the input of a vector")?).raised()?)
}

/// The areas that the engine knows.
#[napi]
pub fn vector_areas() -> Vec<&'static str> {
    vectors::areas().collect()
}
