//! Sends by HTTP.

use std::time::Duration;

use serde_json::Value;

use super::target::Target;
use crate::executor::{HttpClient, HttpPost};

/// Carries a payload to a target.
pub trait Courier: Send + Sync {
    /// Posts it once. An answer of any status is an answer; an error is why there was none, without the address.
    fn carry(&self, target: &Target, payload: &Value) -> Result<Answer, String>;
}

/// What the other side answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// How long it asks to wait before the next one.
    pub retry_after: Option<Duration>,
}

/// Sends by HTTP/1.1 and TLS: ten seconds for the whole exchange, no redirect followed, no answer above 64 KiB read.
#[derive(Debug, Clone, Default)]
pub struct HttpCourier(HttpClient);

/// For the whole exchange.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: u64 = 64 * 1024;

impl HttpCourier {
    /// Opens no connection yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Courier for HttpCourier {
    fn carry(&self, target: &Target, payload: &Value) -> Result<Answer, String> {
        let (to, local) = (target.address(), target.options().local);
        let post = HttpPost { to, local, headers: &[], payload, patience: PATIENCE, longest: LONGEST_ANSWER };
        let reply = self.0.post(&post).map_err(|trouble| trouble.to_string())?;
        let in_body = || {
            let body: Value = serde_json::from_str(reply.body.as_deref().ok()?).ok()?;
            let seconds: f64 = body.get("retry_after")?.to_string().parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        Ok(Answer { status: reply.status, retry_after: reply.retry_after.or_else(in_body) })
    }
}
