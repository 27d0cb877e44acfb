//! Errors of the core as exceptions of Python.

use pyo3::{prelude::*, sync::PyOnceLock};

/// Raises errors of the core: `result.raised(py)?`.
pub(crate) trait Raised<T> {
    /// The value, or the exception of the error's code, with the problems of a definition.
    fn raised(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> Raised<T> for orch_core::Result<T> {
    fn raised(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}

/// The classes are in Python, by code: a new kind of error needs nothing here.
fn exception(py: Python<'_>, error: &orch_core::Error) -> PyErr {
    static OF_CODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let problems: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| (&*problem.code, problem.severity.to_string(), &*problem.path, problem.line, &*problem.message))
        .collect();
    OF_CODE
        .import(py, "orch._errors", "of_code")
        .and_then(|of_code| of_code.call1((error.kind().code(), error.to_string(), problems)))
        .map_or_else(|failed| failed, PyErr::from_value)
}
