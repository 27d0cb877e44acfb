//! The one client for HTTP: notices go out by it, and models are called with it.

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

/// Sends JSON by HTTP/1.1 and TLS and reads the answer. No redirect is followed; addresses inside this machine and of what a cloud
/// tells its machines are reached only where it is said. Blocks.
#[derive(Debug, Clone)]
pub struct HttpClient {
    outside: Agent,
    anywhere: Agent,
}

/// What to send, and where.
#[derive(Clone)]
pub struct HttpPost<'a> {
    /// The address. It may be a secret: no error shows it.
    pub to: &'a str,
    /// Also http, and addresses of this machine: for a server of one's own, and for tests.
    pub local: bool,
    /// Headers. Their values may be secrets: no error shows them.
    pub headers: &'a [(&'a str, &'a str)],
    /// What is sent.
    pub payload: &'a Value,
    /// For the whole exchange.
    pub patience: Duration,
    /// Of the answer at most so many bytes are read; a longer one is an error.
    pub longest: u64,
}

impl std::fmt::Debug for HttpPost<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpPost").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// What the other side answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// How long it asks to wait, by the headers `retry-after-ms` and `retry-after` (seconds, perhaps with a fraction; a date is
    /// passed over).
    pub retry_after: Option<Duration>,
    /// The body, if it is text that could be read within the limit.
    pub body: Result<String, HttpTrouble>,
}

/// Why there was no answer. It shows neither address nor headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpTrouble {
    /// None within that time.
    Late(Duration),
    /// The host's name has no address that may be used.
    NoHost,
    /// The connection failed.
    Connection(std::io::ErrorKind),
    /// No secure connection was possible.
    Tls,
    /// The answer is longer than what is read, or no text.
    Unreadable,
    /// It could not be sent.
    Unsent,
}

impl std::fmt::Display for HttpTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late(patience) => write!(f, "no answer within {} s", patience.as_secs_f64()),
            Self::NoHost => f.write_str("its host has no address that may be used"),
            Self::Connection(kind) => write!(f, "the connection failed: {kind}"),
            Self::Tls => f.write_str("no secure connection was possible"),
            Self::Unreadable => f.write_str("its answer is too long, or no text"),
            Self::Unsent => f.write_str("it could not be sent"),
        }
    }
}

impl HttpTrouble {
    /// Not the library's own words: they may hold the address.
    fn of(error: &ureq::Error, patience: Duration) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Late(patience),
            ureq::Error::HostNotFound => Self::NoHost,
            ureq::Error::Io(error) => Self::Connection(error.kind()),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Self::Tls,
            ureq::Error::BodyExceedsLimit(_) => Self::Unreadable,
            _ => Self::Unsent,
        }
    }
}

impl HttpClient {
    /// Opens no connection yet.
    pub fn new() -> Self {
        let config = || {
            Agent::config_builder()
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

    /// Posts once. An answer of any status is an answer.
    ///
    /// # Errors
    ///
    /// Why there was none.
    pub fn post(&self, post: &HttpPost<'_>) -> Result<HttpReply, HttpTrouble> {
        let agent = if post.local { &self.anywhere } else { &self.outside };
        let request = agent.post(post.to).config().timeout_global(Some(post.patience)).build();
        let request = post.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let trouble = |error: ureq::Error| HttpTrouble::of(&error, post.patience);
        let mut answer = request.send_json(post.payload).map_err(trouble)?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let millis = header("retry-after-ms").and_then(seconds).map(|wait| wait / 1000);
        let retry_after = millis.or_else(|| header("retry-after").and_then(seconds));
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(post.longest).read_to_string().map_err(trouble);
        Ok(HttpReply { status, retry_after, body })
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

/// A count of seconds, perhaps with a fraction.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
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
