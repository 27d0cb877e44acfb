//! Errors of the core, so that JavaScript can make the right class of them.

use napi::{Error, Status};
use serde_json::json;

/// What stands between code, message and problems: no message has it.
const BETWEEN: char = '\0';

/// Raises errors of the core: `result.raised()?`.
pub(crate) trait Raised<T> {
    /// The value, or an error that `js/errors.js` reads: code, message, problems as JSON.
    fn raised(self) -> napi::Result<T>;
}

impl<T> Raised<T> for orch_core::Result<T> {
    fn raised(self) -> napi::Result<T> {
        self.map_err(|error| {
            let problems: Vec<_> = error
                .problems()
                .iter()
                .map(|problem| {
                    json!({
                        "code": &*problem.code,
                        "severity": problem.severity.to_string(),
                        "path": &*problem.path,
                        "line": problem.line,
                        "message": &*problem.message,
                    })
                })
                .collect();
            let code = error.kind().code();
            let message = error.to_string().replace(BETWEEN, " ");
            let problems = serde_json::Value::from(problems);
            Error::new(Status::GenericFailure, format!("{code}{BETWEEN}{message}{BETWEEN}{problems}"))
        })
    }
}
