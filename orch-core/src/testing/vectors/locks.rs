//! Scripts of a lock table, in virtual milliseconds.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    Claim, Resource, Result,
    locks::table::{Ask, Asked, Asker, Deadlock, Grant, LockTable, Refusal, Ticket, Told, Waits, Word},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{ms, read, wrong};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default = "yes")]
    end_deadlocks: bool,
    steps: Vec<Step>,
}

fn yes() -> bool {
    true
}

/// What happens at a time: exactly one of the fields that name a request or an owner.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Step {
    at_ms: u64,
    /// A request of that name asks for `claims`: on its own, for `owner`, or for the owner of the request `beside`.
    ask: Option<String>,
    owner: Option<String>,
    beside: Option<String>,
    claims: Vec<Claim>,
    rank: u32,
    /// Of a request or an upgrade.
    wait_ms: Option<u64>,
    release: Option<String>,
    release_all: Option<String>,
    renew: Option<String>,
    /// The request whose claim on `resource` becomes exclusive.
    upgrade: Option<String>,
    resource: String,
    /// Says which deadlocks there are.
    deadlocks: bool,
    /// Says how the resource of that name stands.
    stats: Option<String>,
}

struct Play {
    table: LockTable,
    tickets: BTreeMap<String, Ticket>,
    log: Vec<Value>,
}

/// Plays the script; what was answered and told, each as `[at_ms, request, word]`.
pub(super) fn run(input: Value) -> Result<Value> {
    let input: Input = read(input)?;
    let mut play = Play { table: LockTable::default(), tickets: BTreeMap::new(), log: Vec::new() };
    play.table.end_deadlocks(input.end_deadlocks);
    for resource in &input.resources {
        play.table.declare(0, resource)?;
    }
    for step in input.steps {
        // What happens by time alone, at its time.
        while let Some(at) = play.table.wake_at().filter(|at| *at <= Duration::from_millis(step.at_ms)) {
            play.table.turn(at);
            play.hear(ms(at));
        }
        let at_ms = step.at_ms;
        play.step(step)?;
        play.hear(at_ms);
    }
    Ok(json!(play.log))
}

impl Play {
    fn say(&mut self, at_ms: u64, name: &str, word: Value) {
        self.log.push(json!([at_ms, name, word]));
    }

    fn ticket(&self, name: &str) -> Result<Ticket> {
        self.tickets.get(name).copied().ok_or_else(|| wrong(format!("no request `{name}`")))
    }

    fn name(&self, ticket: Ticket) -> String {
        self.tickets.iter().find(|(_, known)| **known == ticket).map_or("?".into(), |(name, _)| name.clone())
    }

    fn step(&mut self, step: Step) -> Result<()> {
        let now = Duration::from_millis(step.at_ms);
        let wait = step.wait_ms.map(Duration::from_millis);
        if let Some(name) = &step.ask {
            let once: Arc<str> = name.as_str().into();
            let asker = match (&step.owner, &step.beside) {
                (Some(owner), None) => Asker::Named(owner),
                (None, Some(beside)) => Asker::Holder(self.ticket(beside)?),
                (None, None) => Asker::Once(&once),
                _ => return Err(wrong("a request has either `owner` or `beside`")),
            };
            let ask = Ask { asker, scope: 0, claims: &step.claims, rank: step.rank, wait };
            let answer = self.table.ask(now, &ask);
            self.answer(step.at_ms, name, answer);
        } else if let Some(name) = &step.release {
            let there = self.table.release(now, self.ticket(name)?);
            self.say(step.at_ms, name, json!({"released": there}));
        } else if let Some(owner) = &step.release_all {
            let count = self.table.release_all(now, owner);
            self.say(step.at_ms, owner, json!({"released_all": count}));
        } else if let Some(name) = &step.renew {
            let renewed = self.table.renew(now, self.ticket(name)?);
            self.say(step.at_ms, name, json!({"renewed": renewed}));
        } else if let Some(name) = &step.upgrade {
            match self.table.upgrade(now, self.ticket(name)?, &step.resource, wait) {
                Some(answer) => self.answer(step.at_ms, name, answer),
                None => self.say(step.at_ms, name, json!("holds nothing to upgrade")),
            }
        } else if step.deadlocks {
            let found: Vec<Value> = self.table.deadlocks().iter().map(circle).collect();
            self.say(step.at_ms, "table", json!({"deadlocks": found}));
        } else if let Some(name) = &step.stats {
            let stats = self.table.stats(0, name).ok_or_else(|| wrong(format!("nobody uses `{name}`")))?;
            let word = json!({
                "capacity": stats.capacity, "used": stats.used, "exclusive": stats.exclusive, "waiting": stats.waiting,
                "granted": stats.granted, "refused": stats.refused, "expired": stats.expired,
                "waited_ms": ms(stats.waited),
                "longest_wait_ms": ms(stats.longest_wait),
            });
            self.say(step.at_ms, name, word);
        } else {
            self.table.turn(now);
        }
        Ok(())
    }

    fn answer(&mut self, at_ms: u64, name: &str, answer: Asked) {
        let word = match answer {
            Asked::Granted(Grant { ticket, fence }) => {
                self.tickets.insert(name.to_owned(), ticket);
                json!({"granted": fence})
            }
            Asked::Waits(Waits { ticket, resource, holder }) => {
                self.tickets.insert(name.to_owned(), ticket);
                json!({"waits": {"resource": resource, "holder": holder}})
            }
            Asked::Refused(refusal) => refused(&refusal),
        };
        self.say(at_ms, name, word);
    }

    fn hear(&mut self, at_ms: u64) {
        let told: Vec<Told> = self.table.told().collect();
        for Told { ticket, word } in told {
            let word = match word {
                Word::Granted { fence } => json!({"granted": fence}),
                Word::Upgraded { fence } => json!({"upgraded": fence}),
                Word::Refused(refusal) => refused(&refusal),
                Word::Expired { resource, fence } => json!({"lease_over": {"resource": resource, "fence": fence}}),
                Word::Deadlock(deadlock) => json!({"deadlock": circle(&deadlock)}),
                Word::Look => continue,
            };
            let name = self.name(ticket);
            self.say(at_ms, &name, word);
        }
    }
}

fn refused(refusal: &Refusal) -> Value {
    let why = match refusal {
        Refusal::Late { .. } => "late",
        Refusal::TooMuch { .. } => "too much",
        Refusal::Deadlock(_) => "deadlock",
        Refusal::Gone => "gone",
    };
    json!({"refused": why, "message": refusal.to_string()})
}

fn circle(deadlock: &Deadlock) -> Value {
    json!({"cycle": deadlock.to_string(), "victim": deadlock.victim().map(|link| &link.owner)})
}
