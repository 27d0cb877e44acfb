//! Values of Python as JSON, and back: one function each way.

use std::borrow::Cow;

use orch_core::{Error, ErrorKind};
use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};
use serde_json::{Map, Number, Value};

use crate::error::Raised;

/// How deep a value may be nested; a value that holds itself ends here too.
const DEEPEST: usize = 128;

/// The value as JSON. What is not a plain value of Python is asked for one, in `orch._values`: data classes, models of
/// pydantic, enumerations, times, paths, sets.
///
/// # Errors
///
/// `InvalidValue` where there is no JSON form, which names the place.
pub(crate) fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    walk(value, DEEPEST)
}

fn walk(value: &Bound<'_, PyAny>, deep: usize) -> PyResult<Value> {
    let py = value.py();
    if deep == 0 {
        return refuse(py, format!("a value is nested deeper than {DEEPEST} levels, or holds itself"));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    // Enumerations that are also text or numbers are plain values here, as they are for `json`.
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::String(self::text(text)?.into_owned()));
    }
    if value.is_instance_of::<PyInt>() {
        let number = value.extract::<i64>().map(Number::from).or_else(|_| value.extract::<u64>().map(Number::from));
        return number.map(Value::Number).or_else(|_| refuse(py, format!("the whole number {value} is too large")));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        let float = float.value();
        return Number::from_f64(float).map_or_else(
            || refuse(py, format!("{float} is no number of JSON; use None or a text")),
            |number| Ok(Value::Number(number)),
        );
    }
    // To ask an item for its plain form runs code, which may change what holds it: lists are iterated place by place, and of a
    // `dict` the items as they are now.
    if let Ok(items) = value.cast::<PyList>() {
        return items.iter().map(|item| walk(&item, deep - 1)).collect::<PyResult<_>>().map(Value::Array);
    }
    if let Ok(items) = value.cast::<PyTuple>() {
        return items.iter().map(|item| walk(&item, deep - 1)).collect::<PyResult<_>>().map(Value::Array);
    }
    if let Ok(items) = value.cast::<PyDict>() {
        let mut map = Map::with_capacity(items.len());
        for item in items.items().iter() {
            let (key, item): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let Ok(key) = key.cast::<PyString>() else {
                return refuse(py, format!("the key {} is no text", key.repr()?));
            };
            map.insert(text(key)?.into_owned(), walk(&item, deep - 1)?);
        }
        return Ok(Value::Object(map));
    }
    static PLAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    walk(&PLAIN.import(py, "orch._values", "plain")?.call1((value,))?, deep - 1)
}

fn refuse<T>(py: Python<'_>, why: String) -> PyResult<T> {
    Err(Error::new(ErrorKind::InvalidValue, why)).raised(py)
}

/// The text, in UTF-8.
///
/// # Errors
///
/// `InvalidValue` for one that holds half a character, which Python allows.
pub(crate) fn text<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    text.to_cow().or_else(|_| {
        let shown: String = text.repr()?.to_string_lossy().chars().take(60).collect();
        refuse(
            text.py(),
            format!("the text {shown} holds half a character (a lone surrogate); make it of valid characters"),
        )
    })
}

/// An argument that is a [`text`].
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let value = value.cast::<PyString>()?;
        Ok(Self(text(&value)?.into_owned()))
    }
}

/// An argument that is a text only to be shown: half a character in it is shown as `�`.
pub(crate) struct Shown(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Shown {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(value.cast::<PyString>()?.to_string_lossy().into_owned()))
    }
}

/// The JSON value as a value of Python.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into_pyobject(py)?.into_any(),
            (_, Some(number), _) => number.into_pyobject(py)?.into_any(),
            (.., number) => PyFloat::new(py, number.unwrap_or_default()).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(items) => {
            let dict = PyDict::new(py);
            for (key, item) in items {
                dict.set_item(key, to_python(py, item)?)?;
            }
            dict.into_any()
        }
    })
}

/// The plain form of a value: what it is after it has been JSON.
#[pyfunction]
pub(crate) fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    to_python(value.py(), &to_json(value)?)
}

/// Anything that has a JSON form, as a value of Python.
pub(crate) fn shown<'py, T: serde::Serialize + ?Sized>(py: Python<'py>, value: &T) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(value)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, "there is no JSON form").caused_by(error))
        .raised(py)?;
    to_python(py, &value)
}

/// A value of Python as a plain type of the core.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: &Bound<'_, PyAny>, what: &str) -> PyResult<T> {
    serde_json::from_value(to_json(value)?)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, format!("{what}: {error}")))
        .raised(value.py())
}
