//! Who is told, and at which address.

use std::{fmt, str::FromStr};

use serde_json::Value;
use ureq::http::Uri;

use super::{discord, notice::Notice};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// Which form a target reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A webhook of Discord.
    Discord,
    /// An incoming webhook of Slack, or of what is compatible with it.
    Slack,
    /// Any other: it gets the notice as JSON, `{"version": 1, "title", "description", "content", "color", "at", "fields"}`.
    Webhook,
}

impl TargetKind {
    /// Its name: `discord`, `slack` or `webhook`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discord => "discord",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }

    /// The notice in that form, within the limits of who reads it.
    pub fn payload(self, notice: &Notice) -> Value {
        match self {
            Self::Discord => discord::discord(notice),
            Self::Slack => discord::slack(notice),
            Self::Webhook => discord::generic(notice),
        }
    }
}

impl FromStr for TargetKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::Discord, Self::Slack, Self::Webhook];
        known.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let message = format!("`{}` is no kind of target; use discord, slack or webhook", Printable(text));
            Error::new(ErrorKind::InvalidValue, message)
        })
    }
}

/// The variables that hold the address of a target, each with its kind, which is also its name.
const VARIABLES: [(TargetKind, &str); 3] = [
    (TargetKind::Discord, "DISCORD_WEBHOOK_URL"),
    (TargetKind::Slack, "SLACK_WEBHOOK_URL"),
    (TargetKind::Webhook, "ORCH_WEBHOOK_URL"),
];

/// What a target may be. `TargetOptions::default()`: https to the outside only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetOptions {
    /// Also http, and addresses of this machine: for a server of one's own, and for tests. Default: no.
    pub local: bool,
}

/// Who is told. Its address is a secret: `Debug` leaves it out, and nothing gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    name: String,
    kind: TargetKind,
    address: String,
    options: TargetOptions,
}

impl Target {
    /// A target of that name, which letters carry and people see.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue), without the address in it: if it is no URL, is not https, holds a user and
    /// password, or is none of the kind's: Discord's are `https://discord.com/api/webhooks/…`.
    pub fn new(name: impl Into<String>, kind: TargetKind, address: &str, options: TargetOptions) -> Result<Self> {
        let (name, address) = (name.into(), address.trim());
        let refuse = |why: &str| {
            let message = format!("the address of `{}` {why}; it is not shown, since it is a secret", Printable(&name));
            Err(Error::new(ErrorKind::InvalidValue, message))
        };
        let Ok(uri) = address.parse::<Uri>() else { return refuse("is no URL") };
        let Some(authority) = uri.authority() else { return refuse("has no host") };
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if options.local => {}
            _ => return refuse("does not begin with https://"),
        }
        if authority.as_str().contains('@') {
            return refuse("holds a user or a password");
        }
        let host = authority.host().to_ascii_lowercase();
        let is_discord = ["discord.com", "discordapp.com"]
            .iter()
            .any(|known| host == *known || host.strip_suffix(known).is_some_and(|before| before.ends_with('.')));
        if kind == TargetKind::Discord && !options.local && !(is_discord && uri.path().starts_with("/api/webhooks/")) {
            return refuse("is no webhook of Discord, which begin with https://discord.com/api/webhooks/");
        }
        let address = uri.to_string();
        Ok(Self { name, kind, address, options })
    }

    /// Who is told by the variables `DISCORD_WEBHOOK_URL`, `SLACK_WEBHOOK_URL` and `ORCH_WEBHOOK_URL`, which `read` looks up. With
    /// `ORCH_WEBHOOK_LOCAL=1` also servers of this machine.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if none is set; those of [`new`](Target::new), with the variable's name.
    pub fn of_variables(read: impl Fn(&str) -> Option<String>) -> Result<Vec<Self>> {
        let options = TargetOptions { local: read("ORCH_WEBHOOK_LOCAL").is_some_and(|value| value == "1") };
        let mut targets = Vec::new();
        for (kind, variable) in VARIABLES {
            // An empty variable is how a CI without the secret says that there is none.
            if let Some(address) = read(variable).filter(|address| !address.trim().is_empty()) {
                let target = Self::new(kind.name(), kind, &address, options);
                targets.push(target.map_err(|error| error.with("variable", variable))?);
            }
        }
        if targets.is_empty() {
            let names = VARIABLES.map(|(_, variable)| variable).join(", ");
            let message = format!("nobody is to be told: set one of {names} to the address of a webhook");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(targets)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which form it reads.
    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    /// What it may be.
    pub fn options(&self) -> TargetOptions {
        self.options
    }

    /// Where it is. Not public: a secret that nobody can ask for is not shown by mistake.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t-t0k3n";

    fn refused(kind: TargetKind, address: &str) -> String {
        let error = Target::new("chat", kind, address, TargetOptions::default()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        error.to_string()
    }

    #[test]
    fn addresses_are_checked_and_never_told() {
        let good = format!("https://discord.com/api/webhooks/1/{SECRET}");
        let target = Target::new("chat", TargetKind::Discord, &good, TargetOptions::default()).unwrap();
        assert_eq!((target.name(), target.address()), ("chat", good.as_str()));
        assert!(!format!("{target:?}").contains(SECRET));
        for (kind, address, why) in [
            (
                TargetKind::Discord,
                format!("https://discord.com.evil.example/api/webhooks/1/{SECRET}"),
                "no webhook of Discord",
            ),
            (TargetKind::Discord, format!("https://evildiscord.com/api/webhooks/1/{SECRET}"), "no webhook of Discord"),
            (TargetKind::Discord, format!("https://discord.com/other/{SECRET}"), "no webhook of Discord"),
            (TargetKind::Webhook, format!("http://example.org/{SECRET}"), "https://"),
            (TargetKind::Webhook, format!("file:///{SECRET}"), "is no URL"),
            (TargetKind::Webhook, format!("/{SECRET}"), "has no host"),
            (TargetKind::Webhook, format!("https://me:{SECRET}@example.org/"), "a user or a password"),
            (TargetKind::Webhook, format!("not a url {SECRET}"), "is no URL"),
            (TargetKind::Webhook, String::new(), "is no URL"),
        ] {
            let message = refused(kind, &address);
            assert!(message.contains(why), "{message}");
        }
        let local = TargetOptions { local: true };
        assert!(Target::new("test", TargetKind::Discord, "http://127.0.0.1:9/x", local).is_ok());
    }
}
