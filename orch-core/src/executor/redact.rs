//! Takes secrets out of text before it is shown, stored or sent.

use std::{borrow::Cow, fmt, ops::Range};

/// Takes secrets out of text. Every sink that writes what a program said should pass it through one.
///
/// Two sorts of secret are found: *known values*, given by the caller (usually those of environment variables), and text
/// that *looks like* a secret: keys of Anthropic and OpenAI (`sk-ant-…`, `sk-…`), tokens of GitHub (`ghp_…`,
/// `github_pat_…` and their kin), GitLab, Slack and npm, access keys of AWS, JSON Web Tokens, webhook addresses of Discord
/// and Slack, what follows `Authorization:` and `Bearer`, and the user part of a URL. What is found becomes `[redacted]`.
///
/// It is a safety net, not a proof: a secret of an unknown form that nobody named passes through, and so does a secret
/// that is cut in two or encoded. A private key in PEM form is found only as a known value.
///
/// ```
/// use orch_core::Redactor;
///
/// let redactor = Redactor::new().with_secret("correct horse battery");
/// assert_eq!(redactor.redact("the pass phrase is correct horse battery"), "the pass phrase is [redacted]");
/// assert_eq!(redactor.redact("push to https://me:hunter2@example.org/x"), "push to https://[redacted]@example.org/x");
/// assert_eq!(redactor.redact("a task-force of sk-learn"), "a task-force of sk-learn");
/// ```
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret that contains another goes as a whole.
    known: Vec<String>,
}

/// What a secret becomes.
const REDACTED: &str = "[redacted]";

/// A known value shorter than this is left alone: replacing `dev` or `1234` everywhere would hide more than it protects.
const SHORTEST_KNOWN: usize = 8;

impl Redactor {
    /// Finds what looks like a secret, and no known values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds that value too, wherever it stands: as it is and as JSON writes it, and each of its lines where it has several.
    /// Values and lines shorter than 8 bytes are ignored.
    #[must_use]
    pub fn with_secret(mut self, value: impl AsRef<str>) -> Self {
        for line in value.as_ref().lines().map(str::trim) {
            if line.len() >= SHORTEST_KNOWN && !REDACTED.contains(line) {
                let json = serde_json::Value::from(line).to_string();
                let escaped = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(line);
                if escaped != line {
                    self.known.push(escaped.to_owned());
                }
                self.known.push(line.to_owned());
            }
        }
        self.known.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.known.dedup();
        self
    }

    /// Finds the values of those variables whose *name* says that they are secret: it contains `TOKEN`, `SECRET`,
    /// `PASSWORD`, `PASSPHRASE`, `CREDENTIAL`, `WEBHOOK` or `API_KEY`, or ends with `_KEY` or `_PAT`, in any case.
    #[must_use]
    pub fn with_variables<N: AsRef<str>, V: AsRef<str>>(self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        variables.into_iter().fold(self, |redactor, (name, value)| {
            if is_secret_name(name.as_ref()) { redactor.with_secret(value) } else { redactor }
        })
    }

    /// The text without its secrets. Borrowed when there were none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.known {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), REDACTED));
            }
        }
        match without_patterns(&text) {
            Some(redacted) => Cow::Owned(redacted),
            None => text,
        }
    }
}

impl fmt::Debug for Redactor {
    /// Tells how many values are known, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} known values)", self.known.len())
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let says_so = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "WEBHOOK", "API_KEY", "APIKEY"];
    // MAX_OUTPUT_TOKENS counts tokens; it is none.
    !name.ends_with("TOKENS")
        && (says_so.iter().any(|word| name.contains(word)) || name.ends_with("_KEY") || name.ends_with("_PAT"))
}

/// Replaces all that looks like a secret; `None` when nothing does.
fn without_patterns(text: &str) -> Option<String> {
    let mut redacted: Option<String> = None;
    let (mut kept, mut at) = (0, 0);
    while at < text.len() {
        match secret_at(text, at) {
            // All patterns are ASCII, and so are the bytes around a match: these places are between characters.
            Some(secret) => {
                let into = redacted.get_or_insert_default();
                into.push_str(text.get(kept..secret.start).unwrap_or_default());
                into.push_str(REDACTED);
                (kept, at) = (secret.end, secret.end);
            }
            None => at += 1,
        }
    }
    let mut redacted = redacted?;
    redacted.push_str(text.get(kept..).unwrap_or_default());
    Some(redacted)
}

/// The secret whose pattern begins at byte `at`. It is never empty and never ends before `at`.
fn secret_at(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..)?;
    let first = *rest.first()?;
    if first == b':' {
        return user_part(rest).map(|part| at + part.start..at + part.end);
    }
    let is_word_start = at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|byte| !is_word(*byte));
    if !is_word_start {
        return None;
    }
    let secret = match first {
        b's' => key(rest, b"sk-ant-", 12).or_else(|| mixed_key(rest, b"sk-", 20)),
        b'g' => [&b"ghp_"[..], b"gho_", b"ghu_", b"ghs_", b"ghr_"]
            .iter()
            .find_map(|prefix| key(rest, prefix, 20))
            .or_else(|| key(rest, b"github_pat_", 20))
            .or_else(|| key(rest, b"glpat-", 16)),
        b'x' => [&b"xoxb-"[..], b"xoxp-", b"xoxa-", b"xoxr-", b"xoxs-"].iter().find_map(|p| key(rest, p, 10)),
        b'n' => key(rest, b"npm_", 30),
        b'A' | b'a' => {
            aws_key_id(rest).or_else(|| aws_secret(rest)).or_else(|| authorization(rest)).or_else(|| webhook(rest))
        }
        b'B' | b'b' => bearer(rest),
        b'e' => web_token(rest),
        b'h' => key_after(rest, b"hooks.slack.com/services/"),
        _ => None,
    }?;
    Some(at + secret.start..at + secret.end)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// How many of the first bytes are such.
fn run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(**byte)).count()
}

/// The end of `prefix` in `bytes`, when they begin with it, in any case.
fn after(bytes: &[u8], prefix: &[u8]) -> Option<usize> {
    let start = bytes.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(prefix.len())
}

/// A key: the exact prefix, then at least `shortest` of letters, digits, `_` and `-`.
fn key(bytes: &[u8], prefix: &[u8], shortest: usize) -> Option<Range<usize>> {
    let length = run(bytes.strip_prefix(prefix)?, is_word);
    (length >= shortest).then_some(0..prefix.len() + length)
}

/// A key that is told from hyphenated words by having both digits and capitals, or many digits.
fn mixed_key(bytes: &[u8], prefix: &[u8], shortest: usize) -> Option<Range<usize>> {
    let key = key(bytes, prefix, shortest)?;
    let body = bytes.get(key.clone())?;
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    (digits >= 4 || digits >= 1 && body.iter().any(u8::is_ascii_uppercase)).then_some(key)
}

/// What follows that address, up to its end.
fn key_after(bytes: &[u8], prefix: &[u8]) -> Option<Range<usize>> {
    let start = after(bytes, prefix)?;
    let length = run(bytes.get(start..)?, |byte| is_word(byte) || byte == b'/');
    (length > 0).then_some(start..start + length)
}

/// `AKIA` or `ASIA` and 16 capitals and digits.
fn aws_key_id(bytes: &[u8]) -> Option<Range<usize>> {
    let tail = bytes.strip_prefix(b"AKIA").or_else(|| bytes.strip_prefix(b"ASIA"))?;
    let length = run(tail, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (length == 16 && !tail.get(16).is_some_and(|byte| is_word(*byte))).then_some(0..20)
}

/// What follows `aws_secret_access_key` and a sign of assignment.
fn aws_secret(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = after(bytes, b"aws_secret_access_key")?;
    start += run(bytes.get(start..)?, |byte| matches!(byte, b' ' | b'=' | b':' | b'"' | b'\'' | b'\\'));
    let length = run(bytes.get(start..)?, is_token);
    (length >= SHORTEST_KNOWN).then_some(start..start + length)
}

/// RFC 9110's token68, the characters of credentials.
fn is_token(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
}

/// The credentials of an `Authorization` header, whatever its scheme.
fn authorization(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = after(bytes, b"authorization")?;
    let signs = run(bytes.get(start..)?, |byte| matches!(byte, b' ' | b'=' | b':' | b'"' | b'\'' | b'\\'));
    if !bytes.get(start..start + signs)?.iter().any(|byte| matches!(byte, b'=' | b':')) {
        return None;
    }
    start += signs;
    let word = run(bytes.get(start..)?, is_token);
    let scheme = bytes.get(start..start + word)?;
    let is_scheme =
        [&b"bearer"[..], b"basic", b"token", b"digest"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    if is_scheme {
        start += word;
        start += run(bytes.get(start..)?, |byte| byte == b' ');
    }
    let length = run(bytes.get(start..)?, is_token);
    (length > 0).then_some(start..start + length)
}

/// What follows `Bearer`, where it is long and has a digit, as tokens have and words have not.
fn bearer(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = after(bytes, b"bearer")?;
    let gap = run(bytes.get(start..)?, |byte| byte == b' ');
    start += gap;
    let token = bytes.get(start..)?;
    let length = run(token, is_token);
    let has_digit = token.get(..length)?.iter().any(u8::is_ascii_digit);
    (gap > 0 && length >= 16 && has_digit).then_some(start..start + length)
}

/// A JSON Web Token: three parts of base64url, the first of them a JSON object.
fn web_token(bytes: &[u8]) -> Option<Range<usize>> {
    bytes.strip_prefix(b"eyJ")?;
    let header = run(bytes, is_word);
    let payload = run(bytes.get(header..)?.strip_prefix(b".")?, is_word);
    let signature = run(bytes.get(header + 1 + payload..)?.strip_prefix(b".")?, is_word);
    (header >= 10 && payload >= 10).then_some(0..header + payload + signature + 2)
}

/// The token of a Discord webhook address: `api/webhooks/<digits>/<token>`.
fn webhook(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = after(bytes, b"api/")?;
    // Newer addresses carry a version: api/v10/webhooks.
    if let Some(versioned) = bytes.get(start..)?.strip_prefix(b"v") {
        start += 1 + run(versioned, |byte| byte.is_ascii_digit());
        start += after(bytes.get(start..)?, b"/")?;
    }
    start += after(bytes.get(start..)?, b"webhooks/")?;
    let digits = run(bytes.get(start..)?, |byte| byte.is_ascii_digit());
    start += digits;
    start += after(bytes.get(start..)?, b"/")?;
    let length = run(bytes.get(start..)?, is_word);
    (digits > 0 && length > 0).then_some(start..start + length)
}

/// The user part of a URL, where it has a password or is as long as a token: `://user:password@`.
fn user_part(bytes: &[u8]) -> Option<Range<usize>> {
    let rest = bytes.strip_prefix(b"://")?;
    let is_authority = |byte: u8| byte > b' ' && byte < 0x7f && !b"/?#\"'<>\\`".contains(&byte);
    let authority = rest.get(..run(rest, is_authority))?;
    let length = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = authority.get(..length)?;
    (user != REDACTED.as_bytes() && (user.contains(&b':') || length >= 16)).then_some(3..3 + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Redactor::new().redact(text), expected);
    }

    /// Built at run time, so that no scanner takes this file for a leak.
    fn joined(parts: &[&str]) -> String {
        parts.concat()
    }

    #[test]
    fn what_looks_like_a_secret_goes() {
        let secrets = [
            joined(&["sk-", "ant-api03-abcdefghijkl_mnop-qrst"]),
            joined(&["sk-", "proj-AbCdEfGhIjKlMnOp1234"]),
            joined(&["ghp", "_0123456789abcdefghijABCDEFGHIJ456789"]),
            joined(&["github", "_pat_11ABCDEFG0123456789_abcdef"]),
            joined(&["glpat", "-0123456789abcdefghij"]),
            joined(&["xoxb", "-123456789012-abcdef"]),
            joined(&["AKIA", "IOSFODNN7EXAMPLE"]),
            joined(&["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0In0.", "c2lnbmF0dXJl"]),
        ];
        for secret in secrets {
            check(&format!("key={secret}, done"), "key=[redacted], done");
            check(&secret, "[redacted]");
            check(&format!("\"{secret}\""), "\"[redacted]\"");
        }
    }

    #[test]
    fn the_secret_part_of_a_longer_text_goes() {
        for (text, expected) in [
            ("Authorization: Bearer abc", "Authorization: Bearer [redacted]"),
            ("\"authorization\":\"Basic dTpw\"", "\"authorization\":\"Basic [redacted]\""),
            ("curl -H 'bearer abcdefgh12345678'", "curl -H 'bearer [redacted]'"),
            ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=[redacted]"),
            ("https://discord.com/api/webhooks/123/ab-C_d ok", "https://discord.com/api/webhooks/123/[redacted] ok"),
            ("https://discordapp.com/api/v10/webhooks/1/x", "https://discordapp.com/api/v10/webhooks/1/[redacted]"),
            ("https://hooks.slack.com/services/T0/B0/x1", "https://hooks.slack.com/services/[redacted]"),
            ("postgres://u:p@ss@db/x", "postgres://[redacted]@db/x"),
            ("https://0123456789abcdef@github.com/a/b", "https://[redacted]@github.com/a/b"),
            ("a://b:c@d e://f:g@h", "a://[redacted]@d e://[redacted]@h"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn plain_text_stays() {
        for text in [
            "",
            "a task-force with sk-learn-and-other-long-hyphenated-words",
            "the bearer authentication scheme is used",
            "authorization is required",
            "ssh://git@github.com/a/b",
            "a: b://c/d@e",
            "https://example.org/?mail=a:b@c",
            "MAKIAVELLI AKIA AKIAshort",
            "eyJ is how they begin",
            "api/webhooks/ and api/webhooks/12",
            "héllo ✓ 日本",
        ] {
            assert!(matches!(Redactor::new().redact(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn known_values_go_in_every_form() {
        let redactor = Redactor::new().with_secret("first \"line\"\nsecond line\nx").with_secret("short");
        assert_eq!(redactor.redact("first \"line\" short"), "[redacted] short");
        assert_eq!(redactor.redact(r#"{"a":"first \"line\"\nsecond line"}"#), r#"{"a":"[redacted]\n[redacted]"}"#);
        assert_eq!(format!("{redactor:?}"), "Redactor(3 known values)");
    }

    #[test]
    fn variables_are_secret_by_their_name() {
        let redactor = Redactor::new().with_variables([
            ("MY_API_KEY", "value-one"),
            ("npm_authToken", "value-two"),
            ("MAX_OUTPUT_TOKENS", "100000000"),
            ("SSH_AUTH_SOCK", "/tmp/ssh-1/agent"),
            ("KEYBOARD", "qwerty-azerty"),
        ]);
        let text = "value-one value-two 100000000 /tmp/ssh-1/agent qwerty-azerty";
        assert_eq!(redactor.redact(text), "[redacted] [redacted] 100000000 /tmp/ssh-1/agent qwerty-azerty");
    }

    proptest! {
        #[test]
        fn any_text_is_taken_and_twice_is_once(text in "(?s)([ -~]|\\PC|sk-ant-|ghp_|eyJ|://|@|:|Bearer |api/webhooks/1/){0,60}") {
            let redactor = Redactor::new();
            let once = redactor.redact(&text).into_owned();
            prop_assert_eq!(redactor.redact(&once), once.clone());
        }

        #[test]
        fn a_known_secret_never_remains(before in ".{0,20}", secret in "[a-z]{8,20}", after in ".{0,20}") {
            let redactor = Redactor::new().with_secret(&secret);
            let redacted = redactor.redact(&format!("{before}{secret}{after}")).into_owned();
            prop_assert!(!redacted.contains(&secret));
        }
    }
}
