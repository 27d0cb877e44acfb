use std::fmt::Write as _;

use super::*;
use crate::{
    definition::{Graph, Task},
    event::{EventKind, FailureKind, RunState, SkipReason, TaskState},
    id::TaskIx,
    report::{Report, script::Script},
    units::{Usage, Usd},
};

fn graph() -> Graph {
    Graph::builder("/review")
        .task(Task::new("scan").agent("scanner"))
        .task(Task::new("style").after("scan").agent("reviewer"))
        .task(Task::new("logic").after("scan").agent("reviewer"))
        .task(Task::new("docs").after("scan").with(|options| options.description = "Check the docs".into()))
        .task(Task::new("verdict").after("style").after("logic").after("docs"))
        .build()
        .unwrap()
}

/// One line an item: `[x]` completed, `[>]` in progress, `[ ]` pending; what it is doing behind a bar.
fn show(list: &TodoList) -> String {
    let mut shown = String::new();
    for todo in &list.todos {
        let mark = match todo.status {
            TodoStatus::Pending => ' ',
            TodoStatus::InProgress => '>',
            TodoStatus::Completed => 'x',
        };
        writeln!(shown, "[{mark}] {} | {}", todo.content, todo.active_form).unwrap();
    }
    shown
}

fn half_done() -> Report {
    Script::new(&graph(), None)
        .start(0, "scan")
        .done(100, "scan")
        .start(100, "style")
        .start(100, "logic")
        .skip(100, "docs", SkipReason::Condition("inputs.docs".into()))
        .done(150, "style")
        .report()
}

fn failed() -> Report {
    let mut report = Script::new(&graph(), None)
        .start(0, "scan")
        .done_with(100, "scan", serde_json::Value::Null, Some(Usage::tokens("haiku", 1, 1)))
        .start(100, "style")
        .start(100, "logic")
        .fail(150, "style", FailureKind::Error, "exit code 1\u{1b}[2J")
        .fail(151, "logic", FailureKind::Cancelled, "stopped")
        .skip(151, "docs", SkipReason::Stopped)
        .skip(151, "verdict", SkipReason::Upstream(TaskIx(1)))
        .end(152, RunState::Failed)
        .report();
    report.price_with(|_| Some(Usd::from_nanos(5_000_000)));
    report
}

#[test]
fn the_json_has_the_tools_fields_and_no_other() {
    let report = Report::new(&Script::new(&graph(), None).plan);
    let list = todo_list(&report, TodoMode::Parallel);
    let json = serde_json::to_string(&list.todos[2]).unwrap();
    assert_eq!(json, r#"{"content":"  └─ scanner","status":"pending","activeForm":"Running scanner"}"#);
    let in_progress = Todo { status: TodoStatus::InProgress, ..list.todos[2].clone() };
    assert!(serde_json::to_string(&in_progress).unwrap().contains(r#""status":"in_progress""#));
    assert!(serde_json::to_string(&list).unwrap().starts_with(r#"{"todos":[{"content":"Initialize /review","#));
}

#[test]
fn parallel_mode_shows_what_is_under_way() {
    insta::assert_snapshot!(show(&todo_list(&half_done(), TodoMode::Parallel)), @"
    [x] Initialize /review | Initializing /review
    [x] Level 0: Execute 1 agents in parallel | Executing level 0
    [x]   └─ scanner | Running scanner
    [>] Level 1: Execute 3 agents in parallel | Executing level 1
    [x]   └─ reviewer (style) | Running reviewer (style)
    [>]   └─ reviewer (logic) | Running reviewer (logic)
    [x]   └─ docs (skipped) | Skipped
    [ ] Level 2: Execute 1 agents in parallel | Executing level 2
    [ ]   └─ verdict | Running verdict
    ");
}

#[test]
fn strict_mode_has_one_item_in_progress() {
    insta::assert_snapshot!(show(&todo_list(&half_done(), TodoMode::Strict)), @"
    [x] Initialize /review | Initializing /review
    [x] Level 0: Execute 1 agents in parallel | Executing level 0
    [x]   └─ scanner | Running scanner
    [>] Level 1: Execute 3 agents in parallel | Executing level 1
    [x]   └─ reviewer (style) | Running reviewer (style)
    [ ]   └─ reviewer (logic) | Running reviewer (logic)
    [x]   └─ docs (skipped) | Skipped
    [ ] Level 2: Execute 1 agents in parallel | Executing level 2
    [ ]   └─ verdict | Running verdict
    ");
}

#[test]
fn a_failed_run_is_not_shown_as_done() {
    insta::assert_snapshot!(show(&todo_list(&failed(), TodoMode::Parallel)), @r"
    [x] Initialize /review | Initializing /review
    [x] Level 0: Execute 1 agents in parallel | Executing level 0
    [x]   └─ scanner | Running scanner
    [>] Level 1: Execute 3 agents in parallel | Failed: 1 of 3 agents
    [>]   └─ reviewer (style) | Failed: exit code 1\u{1b}[2J
    [ ]   └─ reviewer (logic) | Running reviewer (logic)
    [ ]   └─ docs | Running docs
    [ ] Level 2: Execute 1 agents in parallel | Executing level 2
    [ ]   └─ verdict | Running verdict
    ");
    insta::assert_snapshot!(show(&todo_list(&failed(), TodoMode::Strict)), @r"
    [x] Initialize /review | Initializing /review
    [x] Level 0: Execute 1 agents in parallel | Executing level 0
    [x]   └─ scanner | Running scanner
    [>] Level 1: Execute 3 agents in parallel | Failed: 1 of 3 agents
    [x]   └─ x reviewer (style): Failed: exit code 1\u{1b}[2J | Failed: exit code 1\u{1b}[2J
    [ ]   └─ reviewer (logic) | Running reviewer (logic)
    [ ]   └─ docs | Running docs
    [ ] Level 2: Execute 1 agents in parallel | Executing level 2
    [ ]   └─ verdict | Running verdict
    ");
}

#[test]
fn strict_mode_never_has_two_items_in_progress_and_one_while_the_run_goes_on() {
    let script = Script::new(&graph(), None)
        .start(0, "scan")
        .done(100, "scan")
        .start(100, "style")
        .start(100, "logic")
        .start(100, "docs")
        .fail(150, "docs", FailureKind::Error, "no")
        .done(150, "style")
        .done(150, "logic")
        .start(150, "verdict")
        .done(160, "verdict");
    let mut report = Report::new(&script.plan);
    let in_progress = |report: &Report| {
        let list = todo_list(report, TodoMode::Strict);
        list.todos.iter().filter(|todo| todo.status == TodoStatus::InProgress).count()
    };
    assert_eq!(in_progress(&report), 1);
    for event in &script.events {
        report.on(event);
        assert_eq!(in_progress(&report), 1, "{event:?}");
    }
    report.on(&Script::new(&graph(), None).end(170, RunState::Succeeded).events[1]);
    assert_eq!(in_progress(&report), 0);
    let last = todo_list(&report, TodoMode::Strict).todos.pop().unwrap();
    assert_eq!((last.content.as_str(), last.status), ("✅ Completed in 0.2s", TodoStatus::Completed));
}

#[test]
fn similar_texts_do_not_take_each_others_state() {
    // Eleven levels: `Level 1` begins as `Level 10` does. And one agent does it all.
    let mut builder = Graph::builder("chain");
    for n in 0..11 {
        let task = Task::new(format!("t{n}")).agent("same");
        builder = builder.task(if n == 0 { task } else { task.after(format!("t{}", n - 1)) });
    }
    let script = Script::new(&builder.build().unwrap(), None).start(0, "t0").done(1, "t0").start(1, "t1").done(2, "t1");
    let list = todo_list(&script.report(), TodoMode::Parallel);
    let done: Vec<_> = list.todos.iter().filter(|todo| todo.status == TodoStatus::Completed).collect();
    assert_eq!(done.len(), 5, "{}", show(&list));
    assert!(done.iter().all(|todo| !todo.content.starts_with("Level 10")));
}

#[test]
fn lists_and_texts_are_bounded() {
    let wide = Graph::builder("x".repeat(900)).tasks((0..5_000).map(|n| Task::new(format!("t{n}")))).build().unwrap();
    let list = todo_list(&Script::new(&wide, None).report(), TodoMode::Strict);
    assert_eq!(list.todos.len(), 2, "the levels alone");
    assert_eq!(list.todos[0].content.chars().count(), 200);

    let mut builder = Graph::builder("deep");
    let mut last = builder.add(Task::new("t0"));
    for n in 1..400 {
        let next = builder.add(Task::new(format!("t{n}")));
        builder.link(last, next);
        last = next;
    }
    let list = todo_list(&Script::new(&builder.build().unwrap(), None).report(), TodoMode::Strict);
    assert!(list.todos.len() <= 200);
    assert_eq!(list.todos.last().unwrap().content, "203 more levels");
}

#[test]
fn tasks_that_the_run_added_are_listed() {
    let tasks: [Task; 1] = [Task::new("extra").after("scan")];
    let added = EventKind::TasksAdded { by: TaskIx(0), tasks: tasks.into(), before: ["verdict".into()].into() };
    let report = Script::new(&graph(), None).start(0, "scan").done(1, "scan").push(1, added).report();
    let list = todo_list(&report, TodoMode::Strict);
    assert!(list.todos.iter().any(|todo| todo.content == "  └─ extra"), "{}", show(&list));
    assert!(list.todos.iter().any(|todo| todo.content == "Level 1: Execute 4 agents in parallel"), "{}", show(&list));
    assert_eq!(task_list(&report).tasks[5].blocks, ["5"]);
}

#[test]
fn the_task_list_has_the_links_of_the_graph() {
    let list = task_list(&failed());
    insta::assert_snapshot!(serde_json::to_string_pretty(&list.tasks[..2]).unwrap(), @r#"
    [
      {
        "id": "1",
        "subject": "scan",
        "description": "Run `scanner`",
        "activeForm": "Running scan",
        "status": "completed",
        "blocks": [
          "2",
          "3",
          "4"
        ],
        "blockedBy": [],
        "metadata": {
          "orch_node": "scan",
          "orch_state": "succeeded",
          "cost_usd": 0.005
        }
      },
      {
        "id": "2",
        "subject": "style",
        "description": "Run `reviewer`",
        "activeForm": "Failed: exit code 1\\u{1b}[2J",
        "status": "in_progress",
        "blocks": [
          "5"
        ],
        "blockedBy": [
          "1"
        ],
        "metadata": {
          "orch_node": "style",
          "orch_state": "failed",
          "orch_error": "exit code 1\u001b[2J"
        }
      }
    ]
    "#);
    let states: Vec<_> = list.tasks.iter().map(|item| (item.status, item.metadata.orch_state)).collect();
    assert_eq!(
        states,
        [
            (TodoStatus::Completed, TaskState::Succeeded),
            (TodoStatus::InProgress, TaskState::Failed),
            (TodoStatus::Pending, TaskState::Cancelled),
            (TodoStatus::Pending, TaskState::Cancelled),
            (TodoStatus::Pending, TaskState::Cancelled),
        ]
    );
    assert_eq!(list.tasks[3].description, "Check the docs");
    assert_eq!(list.tasks[4].blocked_by, ["2", "3", "4"]);
}

#[test]
fn the_layout_may_be_by_phase_or_flat() {
    let graph = Graph::builder("/review")
        .task(Task::new("scan").agent("scanner").with(|options| options.phase = Some("Look".into())))
        .task(Task::new("style").after("scan").with(|options| options.phase = Some("Judge".into())))
        .task(Task::new("logic").after("style").with(|options| options.phase = Some("Judge".into())))
        .task(Task::new("mail").after("logic"))
        .build()
        .unwrap();
    let report = Script::new(&graph, None).start(0, "scan").done(100, "scan").start(100, "style").report();
    insta::assert_snapshot!(show(&todo_list_in(&report, TodoMode::Parallel, TodoLayout::Phases)), @"
    [x] Initialize /review | Initializing /review
    [x] Look: Execute 1 agents | Executing Look
    [x]   └─ scanner | Running scanner
    [>] Judge: Execute 2 agents | Executing Judge
    [>]   └─ style | Running style
    [ ]   └─ logic | Running logic
    [ ] Other: Execute 1 agents | Executing Other
    [ ]   └─ mail | Running mail
    ");
    insta::assert_snapshot!(show(&todo_list_in(&report, TodoMode::Strict, TodoLayout::Flat)), @"
    [x] Initialize /review | Initializing /review
    [x] scanner | Running scanner
    [>] style | Running style
    [ ] logic | Running logic
    [ ] mail | Running mail
    ");
    let counts = report.counts();
    assert_eq!((counts.percent_done(), crate::report::Counts::default().percent_done()), (25.0, 100.0));
}
