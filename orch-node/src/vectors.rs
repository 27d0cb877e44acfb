//! The conformance vectors: what the engine inside this module makes of them. For tests: feature `vectors`.

use napi_derive::napi;
use orch_core::testing::vectors;
use serde::Deserialize;
use serde_json::Value;

use crate::{convert, error::Raised};

/// A vector's file, of which only the input matters here.
#[derive(Deserialize)]
struct Vector {
    input: Value,
}

/// What the engine makes of the input of a vector of that area, through the same conversions as everything that crosses. It is
/// given the text of the file: JavaScript knows one kind of numbers, and would make 1 of 1.0.
#[napi(skip_typescript)]
pub fn vector(area: String, text: String) -> napi::Result<String> {
    let Vector { input } = convert::read(&text, "the vector")?;
    convert::shown(&vectors::run(&area, input).raised()?)
}

/// The areas that the engine knows.
#[napi(skip_typescript)]
pub fn vector_areas() -> Vec<&'static str> {
    vectors::areas().collect()
}
