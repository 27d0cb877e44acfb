//! What calls were given before, and the keys that were made of it: the quick way to a hit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use orch_core::session::SharedCache;
use pyo3::{
    prelude::*,
    types::{PyBool, PyBytes, PyDict, PyInt, PyNone, PyString, PyTuple, PyType},
};

use crate::cache::{Cache, object};

/// So many calls are remembered; then it begins anew.
const MOST: usize = 4096;

/// Keys of one function by the arguments. Only the keys: what they stand for is asked of the cache each time.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Memo {
    cache: SharedCache,
    known: Py<PyDict>,
    hits: AtomicU64,
}

/// The key of a call, and the types of its arguments: 1, 1.0 and True are one place in a `dict`.
#[pyclass(frozen, module = "orch._orch")]
struct Known {
    key: Arc<str>,
    types: Vec<Py<PyType>>,
}

#[pymethods]
impl Memo {
    #[new]
    fn new(py: Python<'_>, cache: PyRef<'_, Cache>) -> Self {
        Self { cache: cache.shared.clone(), known: PyDict::new(py).unbind(), hits: AtomicU64::new(0) }
    }

    /// What the cache has for these arguments, if their key is remembered and it has anything; else `missing`.
    fn find<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        missing: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // What cannot be hashed is not here.
        let Ok(Some(known)) = self.known.bind(py).get_item(args) else { return Ok(missing) };
        let known = known.cast::<Known>()?.get();
        let same = known.types.len() == args.len()
            && args.iter_borrowed().zip(&known.types).all(|(arg, of)| arg.get_type_ptr() == of.bind(py).as_type_ptr());
        match same.then(|| self.cache.cache().find(&known.key)).flatten() {
            Some(entry) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                object(py, &entry)
            }
            None => Ok(missing),
        }
    }

    /// Remembers the key of a call, if all that it was given are plain values that cannot change.
    fn remember(&self, args: &Bound<'_, PyTuple>, key: &str) -> PyResult<()> {
        let py = args.py();
        let plain = |arg: &Bound<'_, PyAny>| {
            arg.is_exact_instance_of::<PyString>()
                || arg.is_exact_instance_of::<PyInt>()
                || arg.is_exact_instance_of::<PyBool>()
                || arg.is_exact_instance_of::<PyBytes>()
                || arg.is_exact_instance_of::<PyNone>()
        };
        if args.iter().all(|arg| plain(&arg)) {
            let known = self.known.bind(py);
            if known.len() >= MOST {
                known.clear();
            }
            let types = args.iter().map(|arg| arg.get_type().unbind()).collect();
            known.set_item(args, Known { key: key.into(), types })?;
        }
        Ok(())
    }

    /// How often it found something.
    #[getter]
    fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    fn clear(&self, py: Python<'_>) {
        self.known.bind(py).clear();
    }
}
