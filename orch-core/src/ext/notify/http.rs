//! Sends by HTTP.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde_json::Value;
use ureq::{
    Agent,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use super::target::Target;

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
#[derive(Debug, Clone)]
pub struct HttpCourier {
    outside: Agent,
    anywhere: Agent,
}

/// For the whole exchange.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: u64 = 64 * 1024;

impl HttpCourier {
    /// Opens no connection yet.
    pub fn new() -> Self {
        let config = || {
            Agent::config_builder()
                .timeout_global(Some(PATIENCE))
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("orch/", env!("CARGO_PKG_VERSION")))
        };
        let outside = Outside(DefaultResolver::default());
        Self {
            outside: Agent::with_parts(config().https_only(true).build(), DefaultConnector::default(), outside),
            // A server of one's own is not reached through somebody else's proxy.
            anywhere: Agent::new_with_config(config().proxy(None).build()),
        }
    }
}

impl Default for HttpCourier {
    fn default() -> Self {
        Self::new()
    }
}

impl Courier for HttpCourier {
    fn carry(&self, target: &Target, payload: &Value) -> Result<Answer, String> {
        let agent = if target.options().local { &self.anywhere } else { &self.outside };
        let mut answer = agent.post(target.address()).send_json(payload).map_err(|error| why(&error))?;
        let status = answer.status().as_u16();
        let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(seconds);
        let retry_after = header.or_else(|| {
            let body = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().ok()?;
            seconds(&serde_json::from_str::<Value>(&body).ok()?.get("retry_after")?.to_string())
        });
        Ok(Answer { status, retry_after })
    }
}

/// A count of seconds, perhaps with a fraction. A date is passed over: the wait is then as without one.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// Why there was no answer. Not the library's own words: they may hold the address.
fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        ureq::Error::HostNotFound => "its host has no address that may be used".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "no secure connection was possible".to_owned(),
        _ => "it could not be sent".to_owned(),
    }
}

/// Finds only addresses outside of this machine and of what a cloud tells its machines, whatever a name stands for.
#[derive(Debug)]
struct Outside(DefaultResolver);

impl Resolver for Outside {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let mut outside = self.empty();
        let allowed = |address: &&SocketAddr| is_outside(address.ip());
        found.iter().filter(allowed).for_each(|address| outside.push(*address));
        if outside.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(outside) }
    }
}

fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast())
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_outside(IpAddr::V4(v4)),
            None => {
                // Where one cloud tells its machines their secrets over IPv6: fd00:ec2::/32.
                let is_metadata = v6.segments().starts_with(&[0xfd00, 0x0ec2]);
                let inside = v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast();
                !inside && !is_metadata
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_machine_and_of_clouds_are_inside() {
        for inside in [
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "fd00:ec2::254",
        ] {
            assert!(!is_outside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["162.159.128.233", "10.1.2.3", "2606:4700::1"] {
            assert!(is_outside(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn waits_are_seconds_with_a_fraction() {
        assert_eq!(seconds(" 0.35 "), Some(Duration::from_millis(350)));
        for odd in ["-1", "NaN", "1e99", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }
}
