//! Sends OTLP over HTTP, in its JSON form.

use std::{sync::Arc, thread, time::Duration};

use serde_json::{Value, json};
use ureq::Agent;

use super::options::OtelOptions;

/// Carries what is to be told to a collector.
pub trait Exporter: Send + Sync {
    /// Posts it once: spans (`resourceSpans`) or metrics (`resourceMetrics`). `Err`: why it did not arrive, without the address.
    fn export(&self, what: &Value) -> Result<(), String>;
}

impl<E: Exporter + ?Sized> Exporter for Arc<E> {
    fn export(&self, what: &Value) -> Result<(), String> {
        (**self).export(what)
    }
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many spans arrived.
    pub spans: u64,
    /// How many did not, or came too fast.
    pub lost: u64,
    /// Why something did not arrive: the first reason.
    pub why: Option<String>,
}

/// Posts to the addresses of [`OtelOptions`]. A collector that is busy (429, 502, 503, 504) is asked once more after as long as it
/// wants, at most five seconds. No redirect is followed.
#[derive(Debug, Clone)]
pub struct HttpExporter {
    options: OtelOptions,
    agent: Agent,
}

const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl HttpExporter {
    /// Opens no connection yet.
    pub fn new(options: OtelOptions) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("orch/", env!("CARGO_PKG_VERSION")));
        Self { options, agent: Agent::new_with_config(config.build()) }
    }

    /// The status, and how long to wait.
    fn post(&self, what: &Value) -> Result<(u16, Duration), String> {
        let address = if what.get("resourceSpans").is_some() { &self.options.traces } else { &self.options.metrics };
        let request = self.agent.post(address);
        let request = self.options.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send_json(what).map_err(|error| self.why(&error))?;
        let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok((answer.status().as_u16(), Duration::from_secs(wait.unwrap_or(1)).min(LONGEST_WAIT)))
    }

    fn why(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => format!("no answer within {} ms", self.options.timeout.as_millis()),
            ureq::Error::HostNotFound => "its host has no address".to_owned(),
            ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "no secure connection was possible".to_owned(),
            _ => "it could not be sent".to_owned(),
        }
    }
}

impl Exporter for HttpExporter {
    fn export(&self, what: &Value) -> Result<(), String> {
        let (mut status, wait) = self.post(what)?;
        if matches!(status, 429 | 502 | 503 | 504) {
            thread::sleep(wait);
            (status, _) = self.post(what)?;
        }
        if (200..300).contains(&status) { Ok(()) } else { Err(format!("the collector answered {status}")) }
    }
}

/// Attributes in the form of OTLP: 64-bit numbers are text there.
pub(super) fn attributes(of: &[(&str, Value)]) -> Value {
    let one = |(key, value): &(&str, Value)| {
        let value = match value {
            Value::Bool(value) => json!({"boolValue": value}),
            Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
            Value::Number(number) => json!({"intValue": number.to_string()}),
            Value::String(text) => json!({"stringValue": text}),
            other => json!({"stringValue": other.to_string()}),
        };
        json!({"key": key, "value": value})
    };
    of.iter().filter(|(_, value)| !value.is_null()).map(one).collect()
}

/// Who sends.
pub(super) fn resource(options: &OtelOptions) -> Value {
    let own: Vec<(&str, Value)> =
        options.resource.iter().map(|(key, value)| (key.as_str(), Value::from(value.as_str()))).collect();
    json!({"attributes": attributes(&own)})
}

pub(super) fn scope() -> Value {
    json!({"name": "orch", "version": crate::VERSION})
}
