//! Again and back: the core's rules, asked by drivers in JavaScript. Times in milliseconds, passed in.

use std::collections::HashMap;

use napi_derive::napi;
use orch_core::{
    BreakerOptions, Error, ErrorKind, Failure, FailureKind, Graph, Retry, UndoOn,
    recovery::{
        breaker::{Ask, Breaker, Ticket},
        retry,
        saga::{self, Cause, End, Ended},
    },
};
use serde_json::Value;

use crate::{
    convert::{self, duration, millis},
    error::Raised,
};

fn failure(kind: &str, message: String) -> napi::Result<Failure> {
    let kind: FailureKind = serde_json::from_value(Value::from(kind))
        .map_err(|error| Error::new(ErrorKind::InvalidValue, "no kind of failure").caused_by(error))
        .raised()?;
    Ok(Failure { kind, message })
}

/// How long to wait after that attempt, from 1, failed; nothing: there is no further one. `policy` is as in the JSON of graphs.
#[napi]
pub fn retry_wait(policy: String, kind: String, message: String, attempt: u32, seed: f64) -> napi::Result<Option<f64>> {
    let policy: Retry = convert::read(&policy, "the policy of retries")?;
    Ok(retry::next(&policy, &failure(&kind, message)?, attempt, seed.to_bits()).map(millis))
}

/// What is said when the attempts are used up.
#[napi]
pub fn retry_exhausted(agent: String, message: String) -> String {
    retry::exhausted(&agent, &Failure::error(message))
}

/// The steps to undo, first to last: names of tasks of `graph`. `ended` are the names of those that worked, in order; `failed`
/// is the one that did not.
#[napi]
pub fn saga_undo(graph: String, ended: Vec<String>, failed: Option<String>) -> napi::Result<Vec<String>> {
    let graph = Graph::parse(&graph).raised()?;
    let ended = places(&graph, &ended)?;
    let task = failed.as_deref().and_then(|id| graph.find(id));
    let undo = saga::undo(&graph, &ended, &[Cause { task, on: UndoOn::Error }], &[]);
    Ok(undo.order.into_iter().map(|ix| graph.id(ix).as_str().to_owned()).collect())
}

/// The steps to undo to go back to when `from` of `ended` had ended, first to last.
#[napi]
pub fn saga_back(graph: String, ended: Vec<String>, from: u32) -> napi::Result<Vec<String>> {
    let graph = Graph::parse(&graph).raised()?;
    let undo = saga::back(&graph, &places(&graph, &ended)?, from as usize);
    Ok(undo.order.into_iter().map(|ix| graph.id(ix).as_str().to_owned()).collect())
}

fn places(graph: &Graph, names: &[String]) -> napi::Result<Vec<Ended>> {
    let place = |id: &String| match graph.find(id) {
        Some(task) => Ok(Ended { task, how: End::Done }),
        None => Err(Error::new(ErrorKind::NotFound, format!("there is no step `{id}`"))).raised(),
    };
    names.iter().map(place).collect()
}

/// The answer to whether an attempt may begin.
#[napi(object, object_from_js = false)]
pub struct Asked {
    /// It may: what to say at its end.
    pub ticket: Option<u32>,
    /// Else when to ask again, in milliseconds of the caller's clock.
    pub later_ms: Option<f64>,
}

/// A circuit breaker.
#[napi]
pub struct NativeBreaker {
    breaker: Breaker,
    tickets: HashMap<u32, Ticket>,
    next: u32,
}

#[napi]
impl NativeBreaker {
    /// `options` are as in the JSON of graphs.
    #[napi(constructor)]
    pub fn new(options: String) -> napi::Result<Self> {
        let options: BreakerOptions = convert::read(&options, "the options of the breaker")?;
        Ok(Self { breaker: Breaker::new(options), tickets: HashMap::new(), next: 0 })
    }

    /// `closed`, `open` or `half_open`.
    #[napi(getter)]
    pub fn state(&self) -> napi::Result<String> {
        let state = serde_json::to_value(self.breaker.state()).unwrap_or_default();
        Ok(state.as_str().unwrap_or_default().to_owned())
    }

    /// Whether an attempt may begin.
    #[napi]
    pub fn ask(&mut self, now_ms: f64) -> napi::Result<Asked> {
        Ok(match self.breaker.ask(duration(now_ms)?) {
            Ask::Later(at) => Asked { ticket: None, later_ms: Some(millis(at)) },
            Ask::Begin(ticket) => {
                self.next = self.next.wrapping_add(1);
                self.tickets.insert(self.next, ticket);
                Asked { ticket: Some(self.next), later_ms: None }
            }
        })
    }

    /// Says how an attempt ended; without a kind of failure it worked.
    #[napi]
    pub fn end(&mut self, ticket: u32, now_ms: f64, kind: Option<String>, message: Option<String>) -> napi::Result<()> {
        let failure = kind.map(|kind| failure(&kind, message.unwrap_or_default())).transpose()?;
        if let Some(ticket) = self.tickets.remove(&ticket) {
            let verdict = self.breaker.verdict(failure.as_ref());
            self.breaker.end(ticket, duration(now_ms)?, verdict);
        }
        Ok(())
    }

    /// Closes it.
    #[napi]
    pub fn close(&mut self) {
        self.breaker.close();
    }
}
