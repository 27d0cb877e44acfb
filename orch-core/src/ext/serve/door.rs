//! Who is let in, and to what.

use crate::id::RunId;

/// The random part of the address.
#[derive(Debug, Clone)]
pub(super) struct Token(String);

impl Token {
    /// 128 random bits of the system.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares hashes, so that the time says nothing of how much is right, and of the length.
    fn is(&self, given: &str) -> bool {
        // `blake3::Hash` compares in constant time.
        blake3::hash(self.0.as_bytes()) == blake3::hash(given.as_bytes())
    }
}

/// What a request says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Who is meant: each `Host` header, and the one of the address where that has one.
    pub(super) hosts: &'a [&'a [u8]],
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

/// What it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing, and no word why: 403.
    Shut,
    /// 404.
    Nowhere,
    /// Nothing is changed here: 405.
    ReadOnly,
    /// The page.
    Page,
    /// The events, and those of a run.
    Events(Option<RunId>),
}

/// Who names another host came by a name that somebody points to this machine, and who does not know the token did not get the address from
/// whoever started this. Both hear nothing.
pub(super) fn way(asked: &Asked<'_>, token: &Token, port: u16) -> Way {
    let names = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let is_ours = |host: &&[u8]| names.iter().any(|name| host.eq_ignore_ascii_case(name.as_bytes()));
    let (given, rest) = asked.path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or(("", ""));
    // Both are always asked.
    let knows = token.is(given);
    let came = !asked.hosts.is_empty() && asked.hosts.iter().all(is_ours);
    if !(knows & came) {
        return Way::Shut;
    }
    if !matches!(asked.method, "GET" | "HEAD") {
        return Way::ReadOnly;
    }
    match rest {
        "" => Way::Page,
        "events" => {
            let named = asked.query.split('&').find_map(|pair| pair.strip_prefix("run="));
            match named.map(str::parse) {
                None => Way::Events(None),
                Some(Ok(run)) => Way::Events(Some(run)),
                Some(Err(_)) => Way::Nowhere,
            }
        }
        _ => Way::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_long() {
        let tokens = [(); 3].map(|()| Token::new().unwrap());
        assert!(tokens.iter().all(|token| token.as_str().len() == 32));
        assert!(tokens[0].as_str() != tokens[1].as_str() && tokens[1].as_str() != tokens[2].as_str());
    }

    #[test]
    fn only_who_knows_the_address_gets_in() {
        let token = Token("secret".to_owned());
        let ask = |method, hosts: &[&str], path| {
            let (path, query) = str::split_once(path, '?').unwrap_or((path, ""));
            let hosts: Vec<&[u8]> = hosts.iter().map(|host| host.as_bytes()).collect();
            way(&Asked { method, hosts: &hosts, path, query }, &token, 80_80)
        };
        let (own, run) = (&["127.0.0.1:8080"][..], RunId::from_parts(1, 2));
        for (method, hosts, path, want) in [
            ("GET", own, "/secret/", Way::Page),
            ("HEAD", &["LocalHost:8080"][..], "/secret/", Way::Page),
            ("GET", own, "/secret/events", Way::Events(None)),
            ("GET", own, &format!("/secret/events?run={run}")[..], Way::Events(Some(run))),
            ("GET", own, "/secret/events?run=x", Way::Nowhere),
            ("GET", own, "/secret/other", Way::Nowhere),
            ("GET", own, "/secret//", Way::Nowhere),
            ("POST", own, "/secret/", Way::ReadOnly),
            ("OPTIONS", own, "/secret/events", Way::ReadOnly),
            ("POST", own, "/wrong/", Way::Shut),
            ("GET", own, "/secret", Way::Shut),
            ("GET", own, "/", Way::Shut),
            ("GET", own, "secret/", Way::Shut),
            ("GET", own, "/Secret/", Way::Shut),
            ("GET", own, "/secre/", Way::Shut),
            ("GET", own, "/secrets/", Way::Shut),
            ("GET", own, "//", Way::Shut),
            ("GET", own, "/favicon.ico", Way::Shut),
            ("GET", &[], "/secret/", Way::Shut),
            ("GET", &["127.0.0.1"], "/secret/", Way::Shut),
            ("GET", &["127.0.0.1:8081"], "/secret/", Way::Shut),
            ("GET", &["evil.example:8080"], "/secret/", Way::Shut),
            ("GET", &["localhost.evil.example:8080"], "/secret/", Way::Shut),
            ("GET", &["127.0.0.1:8080", "evil.example"], "/secret/", Way::Shut),
            ("GET", &["127.0.0.1:8080@evil.example"], "/secret/", Way::Shut),
        ] {
            assert_eq!(ask(method, hosts, path), want, "{method} {hosts:?} {path}");
        }
    }
}
