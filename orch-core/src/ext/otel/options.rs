//! Where telemetry goes, by the variables that OpenTelemetry has for it.

use std::{fmt, time::Duration};

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// Where telemetry goes. Public fields and `Default`: a collector on this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct OtelOptions {
    /// Where spans are posted. Default: `http://localhost:4318/v1/traces`.
    pub traces: String,
    /// Where metrics are posted. Default: `http://localhost:4318/v1/metrics`.
    pub metrics: String,
    /// Headers of each request. They may be secret and are not shown.
    pub headers: Vec<(String, String)>,
    /// How long one request may take. Default: 10 s.
    pub timeout: Duration,
    /// Attributes of whoever sends. Default: `service.name` is `orch`.
    pub resource: Vec<(String, String)>,
    /// Whether what the conventions call experimental is told too: cost, and the newer counters. Default: no.
    pub latest: bool,
}

impl Default for OtelOptions {
    fn default() -> Self {
        Self {
            traces: "http://localhost:4318/v1/traces".to_owned(),
            metrics: "http://localhost:4318/v1/metrics".to_owned(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            resource: vec![("service.name".to_owned(), "orch".to_owned())],
            latest: false,
        }
    }
}

impl OtelOptions {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` (or `.._TRACES_ENDPOINT`, `.._METRICS_ENDPOINT`), `.._HEADERS`, `.._TIMEOUT` (in
    /// milliseconds), `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SEMCONV_STABILITY_OPT_IN` say.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for an address or a time that is none.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut options = Self::default();
        if let Some(base) = variable("OTEL_EXPORTER_OTLP_ENDPOINT") {
            let base = base.trim().trim_end_matches('/').to_owned();
            (options.traces, options.metrics) = (format!("{base}/v1/traces"), format!("{base}/v1/metrics"));
        }
        for (name, address) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &mut options.traces),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &mut options.metrics),
        ] {
            if let Some(own) = variable(name) {
                own.trim().clone_into(address);
            }
            if !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
                // Not the address: it may hold a password.
                let message =
                    format!("`{name}` or `OTEL_EXPORTER_OTLP_ENDPOINT` is no http address; write http://HOST:4318");
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
        }
        options.headers = pairs(&variable("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default());
        if let Some(millis) = variable("OTEL_EXPORTER_OTLP_TIMEOUT") {
            let millis = millis.trim().parse().map_err(|_| {
                let message =
                    format!("`OTEL_EXPORTER_OTLP_TIMEOUT` is `{}`, and must be milliseconds", Printable(&millis));
                Error::new(ErrorKind::InvalidValue, message)
            })?;
            options.timeout = Duration::from_millis(millis);
        }
        for (key, value) in pairs(&variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()) {
            options.resource.retain(|(known, _)| *known != key);
            options.resource.push((key, value));
        }
        if let Some(name) = variable("OTEL_SERVICE_NAME") {
            options.resource.retain(|(known, _)| known != "service.name");
            options.resource.push(("service.name".to_owned(), name));
        }
        let opted = variable("OTEL_SEMCONV_STABILITY_OPT_IN").unwrap_or_default();
        options.latest = opted.split(',').any(|name| name.trim() == "gen_ai_latest_experimental");
        Ok(options)
    }
}

/// `key=value,key=value`, with `%20` for what has a meaning there.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let (key, value) = (decoded(key.trim()), decoded(value.trim()));
        (!key.is_empty()).then_some((key, value))
    };
    text.split(',').filter_map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for OtelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("OtelOptions").field("headers", &headers).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&str, &str)]) -> Result<OtelOptions> {
        OtelOptions::from_variables(|name| {
            given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_say_where_it_goes() {
        assert_eq!(of(&[]).unwrap(), OtelOptions::default());
        let options = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4318/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/own"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x, odd ,a=b=c"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%2Cb%"),
            ("OTEL_SERVICE_NAME", "mine"),
            ("OTEL_SEMCONV_STABILITY_OPT_IN", "http, gen_ai_latest_experimental"),
        ])
        .unwrap();
        assert_eq!((options.traces.as_str(), options.metrics.as_str()), ("https://c:4318/v1/traces", "http://m/own"));
        let texts =
            |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>();
        assert_eq!(texts(&options.headers), ["authorization: Bearer x", "a: b=c"]);
        assert_eq!(texts(&options.resource), ["team: a,b%", "service.name: mine"]);
        assert!(options.latest && options.timeout == Duration::from_millis(250));
        assert!(!format!("{options:?}").contains("Bearer"), "{options:?}");
        assert!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")]).is_err());
        assert!(of(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]).is_err());
    }
}
