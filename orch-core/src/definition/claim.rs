//! Resources, and the claims that tasks have on them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::task::{is_default, millis};
use crate::{error::Problem, id::ResourceId};

/// Something that only so many may use at once: an agent, a file, a database, an API.
///
/// A resource has any number of units, or a capacity of so many; a [`Claim`] takes some of them. It may also limit how many
/// requests and tokens are granted in a minute. A resource that nobody declared has no limits, but an exclusive claim on it
/// still excludes all others.
///
/// ```
/// use orch_core::{Claim, Graph, Resource, Task};
///
/// let graph = Graph::builder("migrate")
///     .resource(Resource::new("database").capacity(4))
///     .task(Task::new("copy").claim(Claim::shared("database").units(2)))
///     .task(Task::new("switch").after("copy").claim(Claim::exclusive("database")))
///     .build()?;
/// assert_eq!(graph.resources()["database"].capacity, Some(4));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The name that claims give.
    pub name: ResourceId,
    /// What it is, for showing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ResourceKind,
    /// How many units there are; at least 1. `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// How many claims are granted in a minute; at least 1. `None`: no limit. See [`Resource::requests_per_minute`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// How many [expected tokens](Claim::tokens) are granted in a minute; at least 1. `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Each run has its own: what one run holds does not matter to another. Default: all runs of an engine share it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per_run: bool,
}

impl Resource {
    /// A custom resource without limits.
    pub fn new(name: impl Into<ResourceId>) -> Self {
        Self {
            name: name.into(),
            kind: ResourceKind::Custom,
            capacity: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            per_run: false,
        }
    }

    /// What it is. Default: [`ResourceKind::Custom`].
    #[must_use]
    pub fn kind(mut self, kind: ResourceKind) -> Self {
        self.kind = kind;
        self
    }

    /// So many units, at least 1. Default: no limit.
    #[must_use]
    pub fn capacity(mut self, units: u32) -> Self {
        self.capacity = Some(units);
        self
    }

    /// So many grants a minute, at least 1. Default: no limit.
    ///
    /// A token bucket: it holds a minute's worth, is full at first, and fills evenly. In any span of `t` seconds there are
    /// thus at most `n + n·t/60` grants.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    /// So many expected tokens a minute, at least 1. Default: no limit. A bucket as that of the requests; a claim that
    /// expects more than a minute's worth waits for a full bucket and leaves it that much in debt.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// Each run has its own. Default: all runs of an engine share it.
    #[must_use]
    pub fn per_run(mut self) -> Self {
        self.per_run = true;
        self
    }

    /// What is wrong with it, as it stands at `place`.
    pub(crate) fn problems(&self, place: &str) -> Vec<Problem> {
        let mut problems = name_problems(&self.name, || place.to_owned());
        let limits = [
            ("capacity", self.capacity == Some(0)),
            ("requests_per_minute", self.requests_per_minute == Some(0)),
            ("tokens_per_minute", self.tokens_per_minute == Some(0)),
        ];
        for (field, _) in limits.into_iter().filter(|(_, zero)| *zero) {
            let message = "a limit of 0 would let no task run; give at least 1, or none";
            problems.push(Problem::error("INVALID_VALUE", message).at(format!("{place}.{field}")));
        }
        problems
    }
}

/// What a resource is. Only for showing: no kind behaves otherwise than another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// An agent of which there are only so many.
    Agent,
    /// A file or a folder.
    File,
    /// A database.
    Database,
    /// A service with limits on requests and tokens.
    Api,
    /// Anything else.
    #[default]
    Custom,
}

/// That a task, or anybody else, uses a resource while it runs.
///
/// A task's claims are granted all at once or not at all, so tasks of one run cannot deadlock. They are given back when the
/// attempt ends, before the wait for the next one.
///
/// ```
/// use std::time::Duration;
/// use orch_core::Claim;
///
/// let claim = Claim::shared("openai").tokens(12_000).wait(Duration::from_secs(90));
/// assert_eq!((claim.units, claim.priority), (1, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// On what.
    pub resource: ResourceId,
    /// Beside whom.
    pub mode: ClaimMode,
    /// How many units of the capacity, at least 1. Default: 1. An exclusive claim takes the whole resource, whatever it says
    /// here.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub units: u32,
    /// Higher goes first among those who wait for the resource. Default: 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// How long to wait at most, up to [`Claim::LONGEST`]; zero: not at all. Default: as long as it takes.
    #[serde(default, rename = "wait_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
    /// How long it may be held at most, more than zero and up to [`Claim::LONGEST`]. Then the resource goes to the next one,
    /// and the attempt is stopped. Default: until it is given back.
    #[serde(default, rename = "lease_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub lease: Option<Duration>,
    /// How many tokens it will probably use of an API, for its limit on tokens. Default: 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tokens: u64,
}

impl Claim {
    /// The longest wait or lease: 100 years of 365.25 days.
    pub const LONGEST: Duration = Duration::from_secs(100 * 31_557_600);

    /// Beside nobody: the whole resource.
    pub fn exclusive(resource: impl Into<ResourceId>) -> Self {
        Self::new(resource, ClaimMode::Exclusive)
    }

    /// Beside all others that share it, as far as its capacity goes.
    pub fn shared(resource: impl Into<ResourceId>) -> Self {
        Self::new(resource, ClaimMode::Shared)
    }

    /// Beside those that share it, but beside no other upgradable one, so that it may become exclusive later.
    pub fn upgradable(resource: impl Into<ResourceId>) -> Self {
        Self::new(resource, ClaimMode::Upgradable)
    }

    /// A claim of one unit.
    pub fn new(resource: impl Into<ResourceId>, mode: ClaimMode) -> Self {
        Self { resource: resource.into(), mode, units: 1, priority: 0, wait: None, lease: None, tokens: 0 }
    }

    /// So many units, at least 1. Default: 1.
    #[must_use]
    pub fn units(mut self, units: u32) -> Self {
        self.units = units;
        self
    }

    /// Higher goes first among those who wait for the resource. Default: 0.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Waits at most that long; zero: not at all. Default: as long as it takes.
    #[must_use]
    pub fn wait(mut self, at_most: Duration) -> Self {
        self.wait = Some(at_most);
        self
    }

    /// Holds it at most that long, more than zero. Default: until it is given back.
    #[must_use]
    pub fn lease(mut self, at_most: Duration) -> Self {
        self.lease = Some(at_most);
        self
    }

    /// Will probably use so many tokens. Default: 0.
    #[must_use]
    pub fn tokens(mut self, expected: u64) -> Self {
        self.tokens = expected;
        self
    }

    /// What is wrong with it, as it stands at `place`, on a resource of that capacity.
    pub(crate) fn problems(&self, capacity: Option<u32>, place: impl Fn() -> String) -> Vec<Problem> {
        let mut problems = name_problems(&self.resource, &place);
        let mut refuse = |field: &str, message: String| {
            problems.push(Problem::error("INVALID_VALUE", message).at(format!("{}.{field}", place())));
        };
        if self.units == 0 {
            refuse("units", "a claim on no units is none; give at least 1".to_owned());
        }
        if let Some(capacity) = capacity.filter(|&capacity| self.mode != ClaimMode::Exclusive && self.units > capacity)
        {
            let Self { resource, units, .. } = self;
            refuse("units", format!("asks for {units} units of `{resource}`, which has {capacity}"));
        }
        if self.lease.is_some_and(|lease| lease.is_zero()) {
            refuse("lease", "a lease of 0 ends before it begins; leave it out for none".to_owned());
        }
        for (field, time) in [("wait", self.wait), ("lease", self.lease)] {
            if time.is_some_and(|time| time > Self::LONGEST) {
                refuse(field, "is longer than 100 years; leave it out for no limit".to_owned());
            }
        }
        problems
    }
}

fn name_problems(name: &ResourceId, place: impl Fn() -> String) -> Vec<Problem> {
    let bytes = name.as_str().len();
    let message = match bytes {
        0 => "a resource needs a name".to_owned(),
        _ if bytes > ResourceId::MAX_BYTES => {
            format!("a name has at most {} bytes, this one has {bytes}", ResourceId::MAX_BYTES)
        }
        _ => return Vec::new(),
    };
    vec![Problem::error("INVALID_NAME", message).at(place())]
}

/// Beside whom a claim is granted. Of two claims of one task on one resource the stronger counts: it is the greater one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimMode {
    /// Beside all others that share it or hold it upgradably, as far as the capacity goes.
    Shared,
    /// As shared, but beside no other upgradable one; it may become exclusive when the others have left.
    Upgradable,
    /// Beside nobody.
    Exclusive,
}

impl ClaimMode {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Upgradable => "upgradable",
            Self::Exclusive => "exclusive",
        }
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `skip_serializing_if` asks for this shape")]
fn is_one(units: &u32) -> bool {
    *units == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Task};

    #[test]
    fn claims_that_could_never_be_granted_are_named() {
        let century = Claim::LONGEST + Duration::from_millis(1);
        let error = Graph::builder("g")
            .resource(Resource::new("none").capacity(0))
            .resource(Resource::new("api").requests_per_minute(0).tokens_per_minute(0))
            .resource(Resource::new("two").capacity(2))
            .resource(Resource::new("esc\u{1b}[2J").capacity(0))
            .task(Task::new("a").claim(Claim::shared("two").units(0)).claim(Claim::shared("two").units(3)))
            .task(Task::new("b").claim(Claim::exclusive("two").units(3).lease(Duration::ZERO)))
            .task(Task::new("c").claim(Claim::shared("x").wait(century).lease(century)).claim(Claim::shared("")))
            .task(Task::new("good").claim(Claim::upgradable("two").wait(Duration::ZERO).lease(Claim::LONGEST)))
            .build()
            .unwrap_err();
        insta::assert_snapshot!(error, @r"
        the graph `g` has 10 problems
          error[INVALID_VALUE] resources.api.requests_per_minute: a limit of 0 would let no task run; give at least 1, or none
          error[INVALID_VALUE] resources.api.tokens_per_minute: a limit of 0 would let no task run; give at least 1, or none
          error[INVALID_VALUE] resources.esc\u{1b}[2J.capacity: a limit of 0 would let no task run; give at least 1, or none
          error[INVALID_VALUE] resources.none.capacity: a limit of 0 would let no task run; give at least 1, or none
          error[INVALID_VALUE] tasks.a.claims[0].units: a claim on no units is none; give at least 1
          error[INVALID_VALUE] tasks.a.claims[1].units: asks for 3 units of `two`, which has 2
          error[INVALID_VALUE] tasks.b.claims[0].lease: a lease of 0 ends before it begins; leave it out for none
          error[INVALID_VALUE] tasks.c.claims[0].wait: is longer than 100 years; leave it out for no limit
          error[INVALID_VALUE] tasks.c.claims[0].lease: is longer than 100 years; leave it out for no limit
          error[INVALID_NAME] tasks.c.claims[1]: a resource needs a name
        ");
    }

    #[test]
    fn a_claim_has_one_form() {
        let claim = Claim::upgradable("db").units(2).priority(-1).wait(Duration::from_secs(3)).tokens(9);
        let json = serde_json::json!({
            "resource": "db", "mode": "upgradable", "units": 2, "priority": -1, "wait_ms": 3000, "tokens": 9,
        });
        assert_eq!(serde_json::to_value(&claim).unwrap(), json);
        assert_eq!(serde_json::from_value::<Claim>(json).unwrap(), claim);
        let short = serde_json::json!({"resource": "db", "mode": "shared"});
        assert_eq!(serde_json::from_value::<Claim>(short.clone()).unwrap(), Claim::shared("db"));
        assert_eq!(serde_json::to_value(Claim::shared("db")).unwrap(), short);
        assert!(serde_json::from_value::<Claim>(serde_json::json!({"resource": "db"})).is_err(), "the mode is said");
        assert_eq!(ClaimMode::Exclusive.name(), "exclusive");
    }
}
