//! OTEL: runs as spans and metrics of OpenTelemetry, with the names that its GenAI conventions have.
//!
//! [`Telemetry`] hears the events of a run. A run is a span `invoke_workflow`, each attempt of a task with an agent one
//! `invoke_agent`, what it used of a model one `chat`; tokens and times are metrics too. They go out as OTLP over HTTP in its JSON
//! form, on a thread of its own: a run never waits for it.
//!
//! What it does not do: it is off unless it is asked for, tells no prompts, outputs or messages of failures, and installs nothing
//! global. Calls of models are known only as sums, by what agents said at their end: a `chat` span is as long as its attempt.
//!
//! ```
//! use orch_core::ext::otel::OtelOptions;
//!
//! let given = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example.com:4318"), ("OTEL_SERVICE_NAME", "nightly")];
//! let options = OtelOptions::from_variables(|name| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))?;
//! assert_eq!(options.traces, "https://otel.example.com:4318/v1/traces");
//! # Ok::<(), orch_core::Error>(())
//! ```

mod export;
mod metrics;
mod options;
mod spans;
mod telemetry;

pub use export::{Exported, Exporter, HttpExporter};
pub use options::OtelOptions;
pub use telemetry::Telemetry;
