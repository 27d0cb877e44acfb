use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    sync::Arc,
    thread,
};

use super::*;
use crate::{
    Clock, Rates,
    cost::budget::{Column, Limit, Limits, Period},
    session::Charge,
    store::MemoryStore,
};

/// A session whose transcript grows.
struct Scene {
    hooks: Claude,
    folder: tempfile::TempDir,
}

fn dollars(usd: f64) -> Usd {
    Usd::from_dollars(usd)
}

impl Scene {
    /// A million tokens out cost a dollar, a million in nothing.
    fn new(limits: Vec<Limit>) -> Self {
        let prices = PriceTable::default().with("m", Rates::new(Usd::ZERO, dollars(1.0)));
        let (clock, _) = Clock::manual();
        let ledger = Ledger::new(Arc::new(MemoryStore::new(clock.clone())), Limits::new(limits).unwrap(), clock);
        Self { hooks: Claude::new(ledger, prices), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn says(&self, file: &str, id: &str, output: u64) {
        self.says_by("m", file, id, output);
    }

    fn says_by(&self, model: &str, file: &str, id: &str, output: u64) {
        let line = json!({
            "type": "assistant", "timestamp": "2025-01-01T00:00:00Z", "requestId": "r", "gitBranch": "main",
            "message": {"id": id, "model": model, "usage": {"input_tokens": 1, "output_tokens": output}},
        });
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(file)).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn input(&self, event: &str, more: Value) -> HookInput {
        let mut input = json!({
            "hook_event_name": event, "session_id": "s", "cwd": "/w/worktrees/blue/src",
            "transcript_path": self.path("s.jsonl"), "tool_name": "Bash",
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        HookInput::read(&input.to_string()).unwrap()
    }

    fn answer(&self, event: &str, more: Value) -> Option<Value> {
        self.hooks.answer(&self.input(event, more)).unwrap()
    }

    fn decision(&self) -> Option<(String, String)> {
        let answer = self.answer("PreToolUse", json!({}))?;
        let specific = &answer["hookSpecificOutput"];
        let text = |key: &str| specific[key].as_str().unwrap_or_default().to_owned();
        Some((text("permissionDecision"), text("permissionDecisionReason")))
            .filter(|(decision, _)| !decision.is_empty())
    }

    fn spent(&self) -> Usd {
        self.hooks.ledger.charges(None, None).unwrap().iter().map(|charge| charge.usd).sum()
    }
}

fn limit(usd: f64) -> Limit {
    Limit::new("all", dollars(usd))
}

#[test]
fn the_next_call_is_denied_when_the_budget_is_used_up() {
    let scene = Scene::new(vec![Limit { per: Period::Month, milestones: vec![dollars(1.0)], ..limit(2.0) }]);
    assert_eq!(scene.decision(), None, "there is no transcript yet");
    scene.says("s.jsonl", "a", 1_500_000);
    let told = scene.answer("PreToolUse", json!({})).unwrap();
    assert_eq!(told, json!({"systemMessage": "the budget `all` has reached $1: $1.5 is spent"}));
    assert_eq!(scene.decision(), None, "each milestone is told once");
    scene.says("s.jsonl", "b", 500_000);
    let (decision, reason) = scene.decision().unwrap();
    assert_eq!(decision, "deny");
    assert_eq!(
        reason,
        "the budget `all` of $2 for 2025-01 is used up: $2 is spent. Stop here and tell the user: wait for the next one, which \
         begins at 2025-02-01T00:00:00.000Z, or raise `usd` in orch.toml; `orch budget` shows it."
    );
    let subagent = scene.answer("SubagentStart", json!({"agent_id": "x", "agent_type": "Explore"})).unwrap();
    assert_eq!(subagent["hookSpecificOutput"], json!({"additionalContext": reason, "hookEventName": "SubagentStart"}));
    let to_user = scene.answer("UserPromptSubmit", json!({})).unwrap();
    let words = to_user["systemMessage"].as_str().unwrap();
    assert!(
        words.starts_with("calls of tools are denied: the budget `all`") && words.contains("To go on: wait"),
        "{words}"
    );
    for event in ["PostToolUse", "Stop", "SubagentStop", "SessionEnd", "TaskCreated", "Notification", "SomethingNew"] {
        assert_eq!(scene.answer(event, json!({})), None, "{event} is never in the way");
    }
}

#[test]
fn what_the_limit_says_decides() {
    let ask = Scene::new(vec![Limit { at_limit: AtLimit::Ask, ..limit(1.0) }]);
    ask.says("s.jsonl", "a", 1_000_000);
    assert_eq!(ask.decision().unwrap().0, "ask");
    let both = Scene::new(vec![limit(1.0), Limit { at_limit: AtLimit::Ask, ..Limit::new("ask", dollars(1.0)) }]);
    both.says("s.jsonl", "a", 1_000_000);
    assert_eq!(both.decision().unwrap().0, "deny", "the harder one");
    let other = Scene::new(vec![limit(1.0).of(Column::Agent, "reviewer")]);
    other.says("s.jsonl", "a", 1_000_000);
    assert_eq!(other.decision(), None, "the limit is for others");
    let cheaper = Scene::new(vec![Limit { at_limit: AtLimit::Downgrade("haiku".into()), ..limit(1.0) }]);
    cheaper.says("s.jsonl", "a", 1_000_000);
    assert!(cheaper.decision().unwrap().1.contains("`/model haiku`"), "{:?}", cheaper.decision());
}

#[test]
fn each_answer_is_charged_once() {
    let scene = Scene::new(vec![]);
    scene.says("s.jsonl", "a", 100);
    for _ in 0..3 {
        scene.answer("PostToolUse", json!({}));
    }
    // The same answer is written a line for each of its blocks, and grows meanwhile.
    scene.says("s.jsonl", "a", 100);
    scene.says("s.jsonl", "a", 250);
    scene.answer("Stop", json!({}));
    scene.says("s.jsonl", "a", 30);
    scene.answer("Stop", json!({}));
    // A session that goes on from it begins with a copy.
    let mut copy = fs::read(scene.path("s.jsonl")).unwrap();
    fs::write(scene.path("t.jsonl"), &copy).unwrap();
    scene.answer("SessionStart", json!({"session_id": "t", "transcript_path": scene.path("t.jsonl")}));
    // And a file that was written anew is read anew.
    copy.truncate(0);
    fs::write(scene.path("s.jsonl"), &copy).unwrap();
    scene.says("s.jsonl", "a", 250);
    scene.answer("Stop", json!({}));
    assert_eq!(scene.spent(), Usd::from_nanos(250_000));
    let tokens: u64 = scene
        .hooks
        .ledger
        .charges(None, None)
        .unwrap()
        .iter()
        .map(|charge| charge.usage.as_ref().unwrap().output)
        .sum();
    assert_eq!(tokens, 250);
}

#[test]
fn hooks_that_run_at_once_charge_once() {
    let scene = Scene::new(vec![limit(1_000.0)]);
    for nth in 0..200 {
        scene.says("s.jsonl", &format!("m{nth}"), 1_000);
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| drop(scene.answer("PreToolUse", json!({})))));
        }
    });
    assert_eq!(scene.spent(), dollars(0.2));
    assert_eq!(scene.hooks.ledger.charges(None, None).unwrap().len(), 200);
}

#[test]
fn subagents_count_under_their_kind() {
    let scene = Scene::new(vec![limit(1.0).each(Column::Agent)]);
    scene.answer("SubagentStart", json!({"agent_id": "x1", "agent_type": "reviewer"}));
    scene.says("s/subagents/agent-x1.jsonl", "a", 400_000);
    scene.says("agent-x2.jsonl", "b", 300_000);
    scene.says("s.jsonl", "c", 200_000);
    scene.answer("PreToolUse", json!({"agent_id": "x2", "agent_type": "writer"}));
    let end = json!({"agent_id": "x1", "agent_type": "reviewer", "agent_transcript_path": scene.path("s/subagents/agent-x1.jsonl")});
    scene.says("s/subagents/agent-x1.jsonl", "d", 600_000);
    scene.answer("SubagentStop", end);
    let spent = scene.hooks.ledger.spent_by(&[Column::Agent, Column::Worktree, Column::Branch], None, None).unwrap();
    let by: Vec<_> = spent.iter().map(|sum| (sum.of[0].as_deref().unwrap(), sum.usd)).collect();
    assert_eq!(by, [("reviewer", dollars(1.0)), ("writer", dollars(0.3)), ("claude", dollars(0.2))]);
    assert_eq!(spent[0].of[2].as_deref(), Some("main"));
    // Each has a limit of its own: the one has used it up, the session has not.
    let of = |agent: Value| {
        scene.answer("PreToolUse", agent).map(|answer| answer["hookSpecificOutput"]["permissionDecision"].clone())
    };
    assert_eq!(of(json!({"agent_id": "x1", "agent_type": "reviewer"})), Some("deny".into()));
    assert_eq!(of(json!({})), None);
}

#[test]
fn a_model_without_a_price_closes_the_budget_until_it_has_one() {
    let scene = Scene::new(vec![limit(5.0)]);
    scene.says_by("nobody's", "s.jsonl", "a", 1_000_000);
    let (decision, reason) = scene.decision().unwrap();
    assert_eq!(decision, "deny");
    assert!(reason.contains("`nobody's` was used, which has no price"), "{reason}");
    let prices = scene.hooks.prices.clone().with("nobody's", Rates::new(Usd::ZERO, dollars(2.0)));
    let again = Scene { hooks: Claude::new(scene.hooks.ledger.clone(), prices), folder: scene.folder };
    assert_eq!(again.decision(), None);
    assert_eq!(again.spent(), dollars(2.0));
    again.decision();
    assert_eq!(again.spent(), dollars(2.0), "once");
    let free = Scene::new(vec![]);
    free.says_by("nobody's", "s.jsonl", "a", 1_000_000);
    assert_eq!(free.decision(), None, "without a limit there is nothing to pass");
}

#[test]
fn a_dear_switch_of_models_is_denied() {
    let scene = Scene::new(vec![limit(1.0)]);
    let switch = |usd: f64| {
        scene.answer("PreModelSwitch", json!({"from_model": "m", "to_model": "n", "estimated_cache_write_usd": usd}))
    };
    assert_eq!(switch(1.0), None);
    assert_eq!(switch(1.01).unwrap()["hookSpecificOutput"]["permissionDecision"], "deny");
}

#[test]
fn a_session_that_goes_on_hears_of_budget_and_tasks() {
    let scene = Scene::new(vec![limit(5.0)]);
    let todos = json!([{"content": "write the report", "status": "in_progress"}]);
    scene.answer("PostToolUse", json!({"tool_name": "TodoWrite", "tool_input": {"todos": todos}}));
    let of = |source: &str| {
        let answer = scene.answer("SessionStart", json!({"source": source})).unwrap();
        answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap().to_owned()
    };
    assert!(
        of("startup").ends_with("$0 is spent, $5 is left. When it is used up, calls of tools are denied."),
        "{}",
        of("startup")
    );
    assert!(of("compact").ends_with("\n- [in_progress] write the report"), "{}", of("compact"));
    let lists = scene.hooks.task_lists().unwrap();
    assert_eq!((lists.len(), lists[0].session.as_str(), lists[0].tasks.len()), (1, "s", 1));
}

#[test]
fn money_that_runs_have_reserved_is_not_there() {
    let scene = Scene::new(vec![limit(1.0)]);
    let who = Labels::default().with(Column::Run, "r");
    let crate::session::Answer::Granted(booked) = scene.hooks.ledger.reserve(&[(who.clone(), dollars(1.0))]).unwrap()
    else {
        panic!()
    };
    let (_, reason) = scene.decision().unwrap();
    assert!(reason.contains("$0 is spent and $1 is reserved by runs"), "{reason}");
    scene.hooks.ledger.settle(&booked.id, vec![Charge::new(who, dollars(0.25))]).unwrap();
    assert_eq!(scene.decision(), None);
}

#[test]
fn odd_input_is_refused_and_never_a_panic() {
    for text in ["", "x", "[]", "{}", r#"{"hook_event_name": 3}"#, r#"{"hook_event_name": ""}"#] {
        assert!(HookInput::read(text).is_err(), "{text}");
    }
    let scene = Scene::new(vec![limit(1.0)]);
    for odd in [
        json!({"session_id": 3, "transcript_path": {}, "cwd": [], "agent_id": "../../x", "tool_input": "x", "tool_response": 4}),
        json!({"transcript_path": scene.folder.path(), "agent_transcript_path": "/nowhere/agent-y.jsonl"}),
        json!({"estimated_cache_write_usd": "much", "source": 4, "task_id": [3]}),
    ] {
        for event in Settings::events() {
            scene.hooks.answer(&scene.input(event, odd.clone())).unwrap();
        }
    }
}

use super::super::Settings;

#[test]
fn closed_is_denied_or_stopped() {
    let scene = Scene::new(vec![]);
    let tool = Claude::refusal(Some(&scene.input("PreToolUse", json!({}))), "the disk is full");
    assert_eq!(tool["hookSpecificOutput"]["permissionDecision"], "deny");
    assert_eq!(Claude::refusal(None, "x")["continue"], false);
}
