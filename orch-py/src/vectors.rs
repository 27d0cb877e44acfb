//! The conformance vectors: what the engine inside this module makes of them. For tests: feature `vectors`.

use orch_core::testing::vectors;
use pyo3::prelude::*;

use crate::{convert, error::Raised};

/// What the engine makes of the input of a vector of that area, through the same conversions as everything that crosses.
#[pyfunction]
pub(crate) fn vector<'py>(py: Python<'py>, area: &str, input: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let input = convert::to_json(input)?;
    convert::to_python(py, &py.detach(|| vectors::run(area, input)).raised(py)?)
}

/// The areas that the engine knows.
#[pyfunction]
pub(crate) fn vector_areas() -> Vec<&'static str> {
    vectors::areas().collect()
}
