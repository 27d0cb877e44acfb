//! Calls: one endpoint after the other, until one answers.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    ask::{Ask, PipelineSaid, PipelineStep, Said, fill},
    endpoint::{Endpoint, Endpoints},
    trouble::CallTrouble,
};
use crate::{
    clock::Clock,
    error::Result,
    executor::{HttpClient, HttpPost, HttpTrouble, Redactor},
    sync::Mutex,
    units::Usage,
};

const PATIENCE: Duration = Duration::from_mins(10);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_ANSWER: u64 = 32 * 1024 * 1024;

/// Waits between calls that nobody asked for: twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest piece of a wait, after which is looked whether somebody wants it to stop.
const PIECE: Duration = Duration::from_millis(100);

/// The most that a message of the other side takes in an error, in characters.
const LONGEST_MESSAGE: usize = 300;

/// Asks models by HTTP. Cheap to clone; whoever has a clone knows which endpoints are busy. Calls block.
///
/// ```no_run
/// use orch_core::executor::models::{Api, Ask, Endpoint, Endpoints, Models};
///
/// let endpoints = Endpoints::default()
///     .with("large", Endpoint { fallback: vec!["small".into()], ..Endpoint::new(Api::Anthropic, "claude-sonnet-4-5") })
///     .with("small", Endpoint::new(Api::OpenaiChat, "gpt-4o-mini"));
/// let said = Models::new(endpoints).complete(&["large".into()], &Ask::new("What is a graph?")).unwrap();
/// println!("{} says: {}, for {:?}", said.by, said.text, said.usage);
/// ```
#[derive(Clone)]
pub struct Models(Arc<Inner>);

/// The key that a variable of the environment holds.
type KeyOf = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

struct Inner {
    endpoints: Endpoints,
    client: HttpClient,
    clock: Clock,
    key: KeyOf,
    wait: Box<dyn Fn(Duration) + Send + Sync>,
    /// Until when nobody is to ask there, by resource.
    busy: Mutex<HashMap<String, Duration>>,
}

/// A call that no endpoint answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CallFailure {
    /// Why the last endpoint did not.
    pub trouble: CallTrouble,
    /// Which endpoints did not answer, in order, each with the reason.
    pub failed: Vec<(String, String)>,
    /// What was used all the same.
    pub usage: Usage,
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failed = self.failed.iter();
        if let Some((name, why)) = failed.next() {
            write!(f, "`{name}`: {why}")?;
        }
        failed.try_for_each(|(name, why)| write!(f, "; `{name}`: {why}"))
    }
}

impl std::error::Error for CallFailure {}

impl CallFailure {
    fn new(name: &str, trouble: CallTrouble) -> Self {
        Self { failed: vec![(name.to_owned(), trouble.to_string())], trouble, usage: Usage::default() }
    }
}

/// Who is heard between calls.
pub struct Watch<'a> {
    /// Whether somebody wants it to stop.
    pub stop: &'a dyn Fn() -> bool,
    /// Hears what was used so far, all together; an error ends it.
    pub used: &'a dyn Fn(&Usage) -> std::result::Result<(), String>,
}

impl Default for Watch<'_> {
    /// Nobody.
    fn default() -> Self {
        Self { stop: &|| false, used: &|_| Ok(()) }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Models {
    /// With these endpoints, and keys from the environment of this process.
    pub fn new(endpoints: Endpoints) -> Self {
        Self::with_parts(endpoints, Clock::system(), |name| std::env::var(name).ok(), std::thread::sleep)
    }

    /// The same with keys from elsewhere, and another clock and way to wait: for tests.
    pub fn with_parts(
        endpoints: Endpoints,
        clock: Clock,
        key: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        wait: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Self {
        let (client, busy) = (HttpClient::new(), Mutex::default());
        Self(Arc::new(Inner { endpoints, client, clock, key: Box::new(key), wait: Box::new(wait), busy }))
    }

    /// The endpoints.
    pub fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// Asks the first of these endpoints that answers, and those that stand in for them. Blocks.
    ///
    /// # Errors
    ///
    /// Why none answered, and what was used all the same.
    pub fn complete(&self, names: &[String], ask: &Ask) -> std::result::Result<Said, CallFailure> {
        self.complete_watched(names, ask, &Watch::default())
    }

    /// The same, where somebody may want it to stop, or has to hear what it costs.
    ///
    /// # Errors
    ///
    /// As [`complete`](Models::complete).
    pub fn complete_watched(
        &self,
        names: &[String],
        ask: &Ask,
        watch: &Watch<'_>,
    ) -> std::result::Result<Said, CallFailure> {
        let first = names.first().map_or("", String::as_str);
        let chain = self.0.endpoints.chain(names);
        let chain = chain.map_err(|error| CallFailure::new(first, CallTrouble::Unknown(error.to_string())))?;
        let (mut usage, mut failed, mut last) = (Usage::default(), Vec::new(), CallTrouble::Stopped);
        for (name, endpoint) in chain {
            let trouble = match self.0.ask(endpoint, ask, watch) {
                Ok((text, used)) => {
                    usage.add(&used);
                    match (watch.used)(&usage) {
                        Ok(()) => return Ok(Said { text, by: name.to_owned(), usage, failed }),
                        Err(why) => CallTrouble::Budget(why),
                    }
                }
                Err(trouble) => trouble,
            };
            if let CallTrouble::Refused { usage: used } = &trouble {
                usage.add(used);
            }
            failed.push((name.to_owned(), trouble.to_string()));
            let goes_on = trouble.may_fall_back();
            last = trouble;
            if !goes_on {
                break;
            }
        }
        Err(CallFailure { trouble: last, failed, usage })
    }

    /// One step after the other: each is asked with what those before it answered. It ends with the first step that nobody answers.
    /// Blocks.
    pub fn pipeline(&self, steps: &[PipelineStep], task: &str) -> PipelineSaid {
        self.pipeline_watched(steps, task, &Watch::default())
    }

    /// The same, where somebody may want it to stop, or has to hear what it costs.
    pub fn pipeline_watched(&self, steps: &[PipelineStep], task: &str, watch: &Watch<'_>) -> PipelineSaid {
        let mut done = PipelineSaid { steps: Vec::new(), usage: Usage::default(), failed: None, is_final: false };
        for step in steps {
            let mut words = vec![("task", task)];
            words.extend(done.steps.iter().map(|(name, said)| (name.as_str(), said.text.as_str())));
            let ask = Ask { prompt: fill(&step.ask.prompt, &words), ..step.ask.clone() };
            let before = done.usage.clone();
            let used = |usage: &Usage| {
                let mut all = before.clone();
                all.add(usage);
                (watch.used)(&all)
            };
            match self.complete_watched(&step.models, &ask, &Watch { stop: watch.stop, used: &used }) {
                Ok(said) => {
                    done.usage.add(&said.usage);
                    done.steps.push((step.name.clone(), said));
                }
                Err(failure) => {
                    done.usage.add(&failure.usage);
                    done.is_final = failure.trouble.is_final();
                    done.failed = Some((step.name.clone(), failure.to_string()));
                    break;
                }
            }
        }
        done
    }
}

impl Inner {
    /// Asks one endpoint, again and again where that may help.
    fn ask(
        &self,
        endpoint: &Endpoint,
        ask: &Ask,
        watch: &Watch<'_>,
    ) -> std::result::Result<(String, Usage), CallTrouble> {
        let resource = endpoint.resource();
        let longest = endpoint.longest_wait.unwrap_or(LONGEST_WAIT);
        let mut tries = 0;
        loop {
            // What another call was told holds for this one too: to ask all the same would count against the key.
            loop {
                let until = self.busy.lock().unwrap_or_else(PoisonError::into_inner).get(&resource).copied();
                let left = until.unwrap_or_default().saturating_sub(self.clock.elapsed());
                if left > longest {
                    return Err(CallTrouble::Busy(Some(left)));
                }
                if left.is_zero() {
                    break;
                }
                self.pause(left, watch)?;
            }
            if (watch.stop)() {
                return Err(CallTrouble::Stopped);
            }
            let trouble = match self.once(endpoint, ask) {
                Err(trouble) if trouble.may_repeat() => trouble,
                answered => return answered,
            };
            let doubled = FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(longest);
            let wait = match &trouble {
                CallTrouble::Busy(asked) => {
                    let wait = asked.unwrap_or(doubled);
                    let until = self.clock.elapsed().saturating_add(wait);
                    let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
                    let known = busy.entry(resource.clone()).or_default();
                    *known = until.max(*known);
                    Duration::ZERO
                }
                _ => doubled,
            };
            tries += 1;
            if tries > endpoint.retries {
                return Err(trouble);
            }
            self.pause(wait, watch)?;
        }
    }

    fn pause(&self, wait: Duration, watch: &Watch<'_>) -> std::result::Result<(), CallTrouble> {
        let end = self.clock.elapsed().saturating_add(wait);
        loop {
            if (watch.stop)() {
                return Err(CallTrouble::Stopped);
            }
            let left = end.saturating_sub(self.clock.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            (self.wait)(left.min(PIECE));
        }
    }

    fn once(&self, endpoint: &Endpoint, ask: &Ask) -> std::result::Result<(String, Usage), CallTrouble> {
        let variable = endpoint.key_env();
        let key = match variable {
            "" => None,
            // A line end after a key in a file is no part of it.
            name => match (self.key)(name).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()) {
                Some(key) => Some(key),
                None => {
                    return Err(CallTrouble::Key(format!(
                        "the variable `{name}`, which is to hold its key, is not set"
                    )));
                }
            },
        };
        let bearer = key.as_ref().map(|key| format!("Bearer {key}"));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        match (endpoint.api, &key, &bearer) {
            (super::Api::Anthropic, Some(key), _) => headers.push(("x-api-key", key)),
            (_, _, Some(bearer)) => headers.push(("authorization", bearer)),
            _ => {}
        }
        if endpoint.api == super::Api::Anthropic {
            headers.push(("anthropic-version", "2023-06-01"));
        }
        let asked = Ask { system: ask.system.clone().or_else(|| endpoint.system.clone()), ..ask.clone() };
        let max_output = ask.max_output.unwrap_or(endpoint.max_output).max(1);
        let payload = endpoint.api.payload(&endpoint.model, &asked, max_output);
        let address = endpoint.address();
        let patience = endpoint.timeout.unwrap_or(PATIENCE);
        let (to, local, longest) = (address.as_str(), endpoint.local, LONGEST_ANSWER);
        let post = HttpPost { to, local, headers: &headers, payload: &payload, patience, longest };
        let reply = self.client.post(&post).map_err(|trouble| match trouble {
            HttpTrouble::Late(_) | HttpTrouble::Unreadable => CallTrouble::Late(trouble.to_string()),
            HttpTrouble::Connection(kind) if kind != std::io::ErrorKind::ConnectionRefused => {
                CallTrouble::Late(trouble.to_string())
            }
            other => CallTrouble::Unreachable(other.to_string()),
        })?;
        let body = reply.body.map_err(|trouble| match trouble {
            HttpTrouble::Unreadable => CallTrouble::Garbage(trouble.to_string()),
            other => CallTrouble::Late(other.to_string()),
        });
        match reply.status {
            200..=299 => endpoint.api.read(&endpoint.model, &body?),
            status => {
                let message = message(&body.unwrap_or_default(), key.as_deref());
                Err(CallTrouble::of(status, reply.retry_after, &message))
            }
        }
    }
}

/// What the other side says of its error, without anything secret.
fn message(body: &str, key: Option<&str>) -> String {
    let Ok(answer) = serde_json::from_str::<serde_json::Value>(body) else { return String::new() };
    let text = ["/error/message", "/message", "/error"].iter().find_map(|path| answer.pointer(path)?.as_str());
    let Some(text) = text else { return String::new() };
    let text = match key {
        Some(key) => text.replace(key, "[redacted]"),
        None => text.to_owned(),
    };
    let text: String = Redactor::new().redact(&text).chars().take(LONGEST_MESSAGE).collect();
    format!(": {}", crate::id::Printable(&text))
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Models").field(&self.0.endpoints).finish()
    }
}

impl Models {
    /// Checks that all endpoints that these names lead to can be asked.
    ///
    /// # Errors
    ///
    /// As [`Endpoints::chain`].
    pub fn check(&self, names: &[String]) -> Result<()> {
        self.0.endpoints.chain(names).map(drop)
    }
}
