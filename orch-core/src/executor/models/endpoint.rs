//! Which model, where, and by whose key.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::api::Api;
use crate::{
    definition::{Resource, ResourceKind, millis},
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// A model that is asked by HTTP. In TOML:
///
/// ```toml
/// [models.analyst]
/// api = "anthropic"                # or openai_chat, openai_responses
/// model = "claude-sonnet-4-5"
/// max_output = 4000                # tokens
/// requests_per_minute = 50
/// fallback = ["coder"]             # asked instead where this one cannot answer
///
/// [models.coder]
/// api = "openai_chat"
/// model = "qwen3-coder"
/// base_url = "https://llm.example.com/v1"
/// key_env = "LLM_KEY"              # the variable that holds the key; "" for none
/// timeout_ms = 60000
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// The form of the API. Default: Anthropic's.
    pub api: Api,
    /// The model, as the provider calls it.
    pub model: String,
    /// Where the API is, up to the part of the path that its form has. Default: [`Api::base`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The variable of the environment that holds the key; empty: none is sent. Default: [`Api::key_env`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Who the model is to be, where a question does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// How many tokens it may answer at most. Default: 4,096.
    pub max_output: u64,
    /// For one call. Default: ten minutes.
    #[serde(rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often a call is repeated that a busy or broken endpoint did not answer. Default: 3.
    pub retries: u32,
    /// The longest wait between two of them; who asks for more is left for another endpoint. Default: one minute.
    #[serde(rename = "longest_wait_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub longest_wait: Option<Duration>,
    /// Endpoints that are asked instead, in order, where this one cannot answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<String>,
    /// How many calls may begin in a minute. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// How many expected tokens may begin in a minute. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Also http, and addresses of this machine: for a server of one's own, and for tests. Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            api: Api::default(),
            model: String::new(),
            base_url: None,
            key_env: None,
            system: None,
            max_output: 4096,
            timeout: None,
            retries: 3,
            longest_wait: None,
            fallback: Vec::new(),
            requests_per_minute: None,
            tokens_per_minute: None,
            local: false,
        }
    }
}

impl Endpoint {
    /// That model of that API, all else by default.
    pub fn new(api: Api, model: impl Into<String>) -> Self {
        Self { api, model: model.into(), ..Self::default() }
    }

    /// The variable that holds its key; empty: it has none.
    pub fn key_env(&self) -> &str {
        self.key_env.as_deref().unwrap_or(self.api.key_env())
    }

    pub(super) fn address(&self) -> String {
        let base = self.base_url.as_deref().unwrap_or(self.api.base()).trim_end_matches('/');
        format!("{base}{}", self.api.path())
    }

    /// The name of the resource that stands for it: all who use the same model of the same host share it.
    pub fn resource(&self) -> String {
        let base = self.base_url.as_deref().unwrap_or(self.api.base());
        let host = base.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        format!("model:{host}/{}", self.model)
    }
}

impl Endpoint {
    /// Its limits a minute as a resource, for tasks that ask it to claim. `None`: it has none.
    pub fn limits(&self) -> Option<Resource> {
        let mut resource = Resource::new(self.resource()).kind(ResourceKind::Api);
        (resource.requests_per_minute, resource.tokens_per_minute) = (self.requests_per_minute, self.tokens_per_minute);
        (resource.requests_per_minute.is_some() || resource.tokens_per_minute.is_some()).then_some(resource)
    }
}

/// The models that may be asked, by name. In JSON and TOML it is a table by name.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoints(BTreeMap<String, Endpoint>);

impl Endpoints {
    /// Adds or replaces one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, endpoint: Endpoint) -> Self {
        self.0.insert(name.into(), endpoint);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Endpoint)> {
        self.0.iter().map(|(name, endpoint)| (name.as_str(), endpoint))
    }

    /// The one of that name.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), with the names there are; [`InvalidValue`](ErrorKind::InvalidValue) if it names no model, or
    /// its address is no URL, holds a user or password, or is not https where it must be.
    pub fn find(&self, name: &str) -> Result<&Endpoint> {
        let shown = Printable(name);
        let Some(endpoint) = self.0.get(name) else {
            let known: Vec<String> = self.0.keys().map(|name| format!("`{}`", Printable(name))).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("there is no model `{shown}` (known: {known}); write `[models.{shown}]`");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let bad = |why: &str| Err(Error::new(ErrorKind::InvalidValue, format!("the model `{shown}` {why}")));
        if endpoint.model.is_empty() {
            return bad("does not say which; write `model = \"…\"`, as its provider calls it");
        }
        let base = endpoint.base_url.as_deref().unwrap_or(endpoint.api.base());
        let rest = match base.split_once("://") {
            Some(("https", rest)) => rest,
            Some(("http", rest)) if endpoint.local => rest,
            Some(("http", _)) => return bad("is asked by http, without encryption; `local = true` allows that"),
            _ => return bad("has no `base_url` that begins with https://"),
        };
        if rest.split('/').next().is_none_or(|host| host.is_empty() || host.contains('@')) {
            return bad("has a `base_url` without a host, or with a user in it");
        }
        Ok(endpoint)
    }

    /// That endpoint and what is asked instead, in order, each once.
    ///
    /// # Errors
    ///
    /// As [`find`](Endpoints::find), for all of them.
    pub fn chain<'a>(&'a self, names: &[String]) -> Result<Vec<(&'a str, &'a Endpoint)>> {
        let mut chain: Vec<(&'a str, &'a Endpoint)> = Vec::new();
        let mut waiting: Vec<&String> = names.iter().rev().collect();
        while let Some(name) = waiting.pop() {
            if chain.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let endpoint = self.find(name)?;
            chain.extend(self.0.get_key_value(name).map(|(name, _)| (name.as_str(), endpoint)));
            waiting.extend(endpoint.fallback.iter().rev());
        }
        if chain.is_empty() {
            return Err(Error::new(ErrorKind::InvalidValue, "no model is named that could be asked"));
        }
        Ok(chain)
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}
