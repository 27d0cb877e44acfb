//! What a session used: its transcripts, as far as they were read, and each answer of a model charged once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    claude::Claude,
    input::HookInput,
    tasks::TaskList,
    transcript::{self, Message, New},
};
use crate::{
    clock::WallTime,
    cost::{
        budget::{Column, Labels, Settled},
        quotes,
    },
    error::{Error, ErrorKind, Result},
    session::{Charge, Entry, Priced},
    units::{ModelUsage, Usage, Usd},
};

/// What is kept of a session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    /// How far each transcript was read.
    files: BTreeMap<String, u64>,
    /// What kind each subagent is.
    agents: BTreeMap<String, String>,
    /// The model that each agent used last; the session's own has no name.
    models: BTreeMap<String, String>,
    branch: Option<String>,
    /// What was used of models that had no price.
    pub(super) unpriced: Vec<Unpriced>,
}

/// Something that was used, and nobody knows what it costs. It is charged when there is a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Unpriced {
    key: String,
    at: WallTime,
    pub(super) who: Labels,
    pub(super) usage: ModelUsage,
}

/// What was charged for an answer: its tokens by class, and the nano-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Charged([u64; 5], i64);

pub(super) const SESSION: &str = "claude/session/";
pub(super) const TASKS: &str = "claude/tasks/";
const MESSAGE: &str = "claude/message/";

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::Misuse, "a mark is no JSON").caused_by(error))
}

pub(super) fn read<T: DeserializeOwned + Default>(mark: Option<String>) -> Result<T> {
    let Some(mark) = mark else { return Ok(T::default()) };
    serde_json::from_str(&mark).map_err(|error| {
        let message = "what was kept of a session is in a form that this orch does not know; use a newer one";
        Error::new(ErrorKind::Corrupt, message).caused_by(error)
    })
}

fn classes(usage: &ModelUsage) -> [u64; 5] {
    [usage.input, usage.output, usage.cache_read, usage.cache_write, usage.cache_write_1h]
}

/// What one transcript has that is new: its name, whose it is, and how far it was read before.
struct Added {
    file: String,
    agent: Option<String>,
    from: u64,
    new: New,
}

impl Claude {
    /// Books what was used since the last time, and takes over what the event says of agents and tasks.
    pub(super) fn record(&self, input: &HookInput) -> Result<(Session, Settled)> {
        let key = format!("{SESSION}{}", input.session());
        let seen: Session = read(self.ledger.mark(&key)?)?;
        let mut added = Vec::new();
        for (path, agent) in input.transcripts() {
            let file = path.display().to_string();
            let from = seen.files.get(&file).copied().unwrap_or_default();
            match transcript::read(&path, from)? {
                Some(new) if new.read != from => added.push(Added { file, agent, from, new }),
                _ => {}
            }
        }
        let mut with_words = seen.clone();
        with_words.hear(input);
        let is_priced = |unpriced: &Unpriced| self.price(&unpriced.usage, unpriced.at).is_some();
        let is_news = !added.is_empty() || with_words != seen || seen.unpriced.iter().any(is_priced);
        if !is_news && !TaskList::is_told_by(input) {
            return Ok((seen, Settled::default()));
        }
        self.ledger.enter(|entry| {
            // Others may have been here since: the marks of the messages say what they charged.
            let mut session: Session = read(entry.mark(&key)?)?;
            session.hear(input);
            for one in &added {
                self.book(entry, &mut session, one, input)?;
            }
            for one in std::mem::take(&mut session.unpriced) {
                self.charge(entry, &mut session, one)?;
            }
            entry.set_mark(&key, Some(&text(&session)?))?;
            if TaskList::is_told_by(input) {
                let key = format!("{TASKS}{}", input.session());
                let mut list: TaskList = read(entry.mark(&key)?)?;
                if list.hear(input, self.ledger.now()) {
                    entry.set_mark(&key, Some(&text(&list)?))?;
                }
            }
            Ok(session)
        })
    }

    fn book(&self, entry: &mut Entry<'_>, session: &mut Session, added: &Added, input: &HookInput) -> Result<()> {
        for message in &added.new.messages {
            let agent = message.agent.clone().or_else(|| added.agent.clone());
            let who = session.who(input.session(), agent.as_deref(), message);
            let at = message.at.unwrap_or_else(|| self.ledger.now());
            let one = Unpriced { key: message.key.clone(), at, who, usage: message.usage.clone() };
            session.unpriced.retain(|other| other.key != one.key);
            self.charge(entry, session, one)?;
            session.models.insert(agent.unwrap_or_default(), message.usage.model.clone());
            session.branch = message.branch.clone().or_else(|| session.branch.take());
        }
        let read = session.files.entry(added.file.clone()).or_default();
        *read = if *read == added.from { added.new.read } else { added.new.read.max(*read) };
        Ok(())
    }

    /// Charges an answer, or what it grew by since it was charged: answers are written while they come.
    fn charge(&self, entry: &mut Entry<'_>, session: &mut Session, one: Unpriced) -> Result<()> {
        let key = format!("{MESSAGE}{}", one.key);
        let before: Charged = read(entry.mark(&key)?)?;
        let now = classes(&one.usage);
        if now.iter().zip(before.0).all(|(now, before)| *now <= before) {
            return Ok(());
        }
        let Some((usd, price)) = self.price(&one.usage, one.at) else {
            session.unpriced.push(one);
            return Ok(());
        };
        let mut usage = one.usage;
        if before != Charged::default() {
            let counts = [
                &mut usage.input,
                &mut usage.output,
                &mut usage.cache_read,
                &mut usage.cache_write,
                &mut usage.cache_write_1h,
            ];
            counts.into_iter().zip(before.0).for_each(|(count, before)| *count = count.saturating_sub(before));
            usage.requests = 0;
        }
        let more = usd - Usd::from_nanos(before.1);
        entry.charge(&Charge { at: one.at, usage: Some(usage), price: Some(price), ..Charge::new(one.who, more) })?;
        entry.set_mark(&key, Some(&text(&Charged(now, usd.nanos()))?))
    }

    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<(Usd, Priced)> {
        let usage = Usage::from(usage.clone());
        let quote = quotes(&self.prices, &usage, at).next()?.1?;
        Some((quote.total, Priced::from(&quote)))
    }
}

impl Session {
    /// What an event says of the session itself.
    fn hear(&mut self, input: &HookInput) {
        if let (Some(agent), Some(kind)) = (input.agent(), input.text("agent_type")) {
            self.agents.insert(agent.to_owned(), kind.to_owned());
        }
        let model = match input.event() {
            "SessionStart" => input.text("model"),
            "PostModelSwitch" => input.text("to_model"),
            _ => None,
        };
        if let Some(model) = model {
            self.models.insert(String::new(), model.to_owned());
        }
    }

    /// Who wrote that answer.
    fn who(&self, session: &str, agent: Option<&str>, message: &Message) -> Labels {
        let kind = match agent {
            Some(agent) => self.agents.get(agent).map_or("subagent", String::as_str),
            None if message.is_side => "subagent",
            None => MAIN,
        };
        let mut who = Labels::default()
            .with(Column::Run, session)
            .with(Column::Agent, kind)
            .with(Column::Model, &message.usage.model);
        if let Some(branch) = &message.branch {
            who = who.with(Column::Branch, branch);
        }
        match message.cwd.as_deref().and_then(worktree) {
            Some(worktree) => who.with(Column::Worktree, worktree),
            None => who,
        }
    }

    /// Who will write the next one.
    pub(super) fn next(&self, input: &HookInput) -> Labels {
        let agent = input.agent().unwrap_or_default();
        let kind = input.text("agent_type").or_else(|| self.agents.get(agent).map(String::as_str));
        let mut who = Labels::default()
            .with(Column::Run, input.session())
            .with(Column::Agent, kind.unwrap_or(if agent.is_empty() { MAIN } else { "subagent" }));
        if let Some(model) = self.models.get(agent).or_else(|| self.models.get("")) {
            who = who.with(Column::Model, model);
        }
        if let Some(branch) = &self.branch {
            who = who.with(Column::Branch, branch);
        }
        match input.text("cwd").and_then(worktree) {
            Some(worktree) => who.with(Column::Worktree, worktree),
            None => who,
        }
    }
}

/// What the agent of the session itself is called.
const MAIN: &str = "claude";

/// The worktree of a folder `worktrees/NAME`, where it is in one.
fn worktree(cwd: &str) -> Option<&str> {
    let mut parts = cwd.split(['/', '\\']);
    parts.find(|part| *part == "worktrees")?;
    parts.next().filter(|name| !name.is_empty())
}
