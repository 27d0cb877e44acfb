//! The native half of the Python package `orch`.
//!
//! A door to [`orch_core`]: it takes values in, calls the core and gives values out. It decides nothing. Today it only
//! tells its version; the driver and the classes come with the Python issue.

use pyo3::prelude::*;

/// The extension module `orch._orch`.
#[pymodule(gil_used = false)]
fn _orch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", orch_core::VERSION)
}
