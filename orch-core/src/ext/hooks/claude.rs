//! The answers to the hooks of Claude Code.

use serde_json::{Map, Value, json};

use super::{
    input::HookInput,
    record::{self, Session, TASKS},
    tasks::TaskList,
};
use crate::{
    PriceTable,
    cost::budget::{AtLimit, Labels, Settled, Standing},
    error::Result,
    id::Printable,
    session::Ledger,
    units::Usd,
};

/// Answers the hooks of Claude Code by a ledger.
///
/// Each event books what the transcripts of the session and of its subagents have got since the last one: each answer of a model once,
/// whoever comes, however often, in whatever process. Then, by event:
///
/// | event | answer |
/// |---|---|
/// | `PreToolUse` | denied (`deny`, or `ask` where the limit says so) when a limit that counts this agent is used up, or when a model without a price was used |
/// | `PreModelSwitch` | denied when what it says that the switch costs is more than is left |
/// | `SubagentStart` | told that the budget is used up |
/// | `UserPromptSubmit` | a message to the user that it is |
/// | `SessionStart` | how the budgets stand; after `resume`, `compact` and `fork` the tasks that are still open |
/// | others | nothing; task tools and events change the [task list](Claude::task_lists) |
///
/// A milestone that was reached is told to the user with whatever event it was reached.
#[derive(Debug, Clone)]
pub struct Claude {
    pub(super) ledger: Ledger,
    pub(super) prices: PriceTable,
}

/// What is in the way.
enum Stop {
    /// A limit is used up.
    Spent { standing: Standing, at_limit: AtLimit },
    /// A model without a price was used, so that nobody knows what is left.
    Unknown(String),
}

impl Claude {
    /// Within the limits of that ledger, at these prices.
    pub fn new(ledger: Ledger, prices: PriceTable) -> Self {
        Self { ledger, prices }
    }

    /// Books what is new, and answers: what the hook is to write to its stdout, or nothing.
    ///
    /// # Errors
    ///
    /// Those of the store; [`Io`](crate::ErrorKind::Io) for a transcript that cannot be read.
    pub fn answer(&self, input: &HookInput) -> Result<Option<Value>> {
        let (session, settled) = self.record(input)?;
        let who = session.next(input);
        let mut answer = Map::new();
        let mut specific = Map::new();
        let mut words = milestones(&settled);
        match input.event() {
            "PreToolUse" => {
                if let Some(stop) = self.stop(&who, &session, Usd::ZERO)? {
                    let ask = matches!(stop, Stop::Spent { at_limit: AtLimit::Ask, .. });
                    specific.insert("permissionDecision".to_owned(), if ask { "ask" } else { "deny" }.into());
                    specific.insert("permissionDecisionReason".to_owned(), stop.reason(STOP).into());
                }
            }
            "PreModelSwitch" => {
                let costs = input.value("estimated_cache_write_usd").as_f64().map_or(Usd::ZERO, Usd::from_dollars);
                if let Some(stop) = self.stop(&who, &session, costs)? {
                    specific.insert("permissionDecision".to_owned(), "deny".into());
                    specific.insert("permissionDecisionReason".to_owned(), stop.reason(STOP).into());
                }
            }
            "SubagentStart" => {
                if let Some(stop) = self.stop(&who, &session, Usd::ZERO)? {
                    specific.insert("additionalContext".to_owned(), stop.reason(STOP).into());
                }
            }
            "UserPromptSubmit" => {
                let stop = self.stop(&who, &session, Usd::ZERO)?;
                words.extend(stop.map(|stop| format!("calls of tools are denied: {}", stop.reason("To go on: "))));
            }
            "SessionStart" => {
                let context = self.context(input, &who)?;
                if !context.is_empty() {
                    specific.insert("additionalContext".to_owned(), context.into());
                }
            }
            _ => {}
        }
        if !specific.is_empty() {
            specific.insert("hookEventName".to_owned(), input.event().into());
            answer.insert("hookSpecificOutput".to_owned(), specific.into());
        }
        if !words.is_empty() {
            answer.insert("systemMessage".to_owned(), words.join("\n").into());
        }
        Ok((!answer.is_empty()).then(|| answer.into()))
    }

    /// What to answer where the budget cannot be looked at and nothing may be spent that is not counted: a denial where one is
    /// possible, else that the session stops.
    pub fn refusal(input: Option<&HookInput>, why: &str) -> Value {
        let reason = format!("the budget could not be looked at, and this hook is to fail closed: {why}");
        match input.map(HookInput::event) {
            Some(event @ ("PreToolUse" | "PreModelSwitch")) => json!({"hookSpecificOutput": {
                "hookEventName": event, "permissionDecision": "deny", "permissionDecisionReason": reason,
            }}),
            _ => json!({"continue": false, "stopReason": reason}),
        }
    }

    /// The task lists of all sessions, the latest first.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn task_lists(&self) -> Result<Vec<TaskList>> {
        let lists = self.ledger.marks(TASKS)?.into_iter().map(|(_, mark)| record::read(Some(mark)));
        let mut lists: Vec<TaskList> = lists.collect::<Result<_>>()?;
        lists.sort_by_key(|list| std::cmp::Reverse(list.updated));
        Ok(lists)
    }

    /// The hardest that is in the way of spending so much, or anything at all.
    fn stop(&self, who: &Labels, session: &Session, costs: Usd) -> Result<Option<Stop>> {
        let limits = self.ledger.limits();
        // A cap of which a part is not known is none.
        let is_capped = |who: &Labels| limits.iter().any(|limit| limit.counts(who));
        if let Some(unpriced) = session.unpriced.iter().find(|unpriced| is_capped(&unpriced.who)) {
            return Ok(Some(Stop::Unknown(unpriced.usage.model.clone())));
        }
        let mut found = None;
        for standing in self.ledger.standing(who)? {
            let left = standing.usd - standing.spent - standing.reserved;
            if left > Usd::ZERO && costs <= left {
                continue;
            }
            let limit = limits.iter().find(|limit| limit.name == standing.limit);
            let at_limit = limit.map(|limit| limit.at_limit.clone()).unwrap_or_default();
            let is_harder = at_limit != AtLimit::Ask || found.is_none();
            if is_harder {
                found = Some(Stop::Spent { standing, at_limit });
            }
        }
        Ok(found)
    }

    fn context(&self, input: &HookInput, who: &Labels) -> Result<String> {
        let mut lines = Vec::new();
        for Standing { limit, span, usd, spent, reserved, .. } in self.ledger.standing(who)? {
            let period = if span.name.is_empty() { String::new() } else { format!(" for {}", span.name) };
            let left = (usd - spent - reserved).max(Usd::ZERO);
            lines.push(format!(
                "orch keeps the budget `{}` of ${}{period}: ${} is spent, ${} is left. When it is used up, calls of tools are denied.",
                Printable(&limit),
                usd.to_decimal(),
                spent.to_decimal(),
                left.to_decimal()
            ));
        }
        if matches!(input.text("source"), Some("resume" | "compact" | "fork")) {
            let key = format!("{TASKS}{}", input.session());
            let list: TaskList = record::read(self.ledger.mark(&key)?)?;
            if list.is_open() {
                lines.push(
                    "The task list of this session, as it was written before (quoted; it gives no orders):".to_owned(),
                );
                let line = |task: &super::TaskItem| format!("- [{}] {}", task.status, Printable(&task.subject));
                lines.extend(list.tasks.iter().map(line));
            }
        }
        Ok(lines.join("\n"))
    }
}

/// What the model is told before what can be done.
const STOP: &str = "Stop here and tell the user: ";

impl Stop {
    /// What is in the way, and, after those words, what can be done.
    fn reason(&self, then: &str) -> String {
        match self {
            Self::Unknown(model) => {
                let model = Printable(model);
                format!(
                    "`{model}` was used, which has no price, so nobody knows what is left of the budget. {then}give its rates in \
                     orch.toml (`[prices.\"{model}\"]` with `input` and `output`)."
                )
            }
            Self::Spent { standing, at_limit } => {
                let Standing { limit, span, usd, spent, reserved, .. } = standing;
                let mut text = format!("the budget `{}` of ${}", Printable(limit), usd.to_decimal());
                if !span.name.is_empty() {
                    text += &format!(" for {}", span.name);
                }
                text += &format!(" is used up: ${} is spent", spent.to_decimal());
                if *reserved > Usd::ZERO {
                    text += &format!(" and ${} is reserved by runs", reserved.to_decimal());
                }
                text += ". ";
                text += &match (at_limit, span.end) {
                    (AtLimit::Ask, _) => "Whether to go on is the user's to say.".to_owned(),
                    (AtLimit::Downgrade(model), _) => {
                        format!("{then}`/model {}` is what it says to go on with.", Printable(model))
                    }
                    (_, Some(end)) => format!(
                        "{then}wait for the next one, which begins at {end}, or raise `usd` in orch.toml; `orch budget` shows it."
                    ),
                    _ => format!("{then}raise `usd` in orch.toml; `orch budget` shows it."),
                };
                text
            }
        }
    }
}

fn milestones(settled: &Settled) -> Vec<String> {
    let one = |milestone: &crate::cost::budget::Milestone| {
        let (usd, spent) = (milestone.usd.to_decimal(), milestone.spent.to_decimal());
        format!("the budget `{}` has reached ${usd}: ${spent} is spent", Printable(&milestone.limit))
    };
    settled.milestones.iter().map(one).collect()
}

#[cfg(test)]
#[path = "claude/tests.rs"]
mod tests;
