//! What must never break the engine: each of these is a clear error or a bounded run.
#![cfg(test)]

use std::time::Duration;

use orch_core::{
    Command, Engine, Error, ErrorKind, FailurePolicy, Graph, GraphOptions, PhaseOrder, Plan, PlanOptions, Report,
    RunOptions, RunState, Task, TaskContext, blocking,
    definition::export,
    report::{render, todo},
    run::{Rules, simulate},
    session,
};
use serde_json::{Value, json};

/// Names that try to be something else: paths, terminal commands, markup, templates, and text that runs backwards.
const HOSTILE: &[&str] = &[
    "../../x",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "a\0b",
    "line\r\nbreak",
    "<script>alert(1)</script>",
    "</title></script><!-- \" ' --> ]]>",
    "\"; subgraph x; click a href \"javascript:alert(1)\"",
    "::error::injected\n::set-output name=a::b",
    "{{7*7}} ${HOME} $(id) `id`",
    "\u{202e}txt.exe",
    "| a | b |\n# title",
];

fn error(text: &str) -> Error {
    match Command::parse(text).and_then(|command| command.graph(&GraphOptions::default())) {
        Ok(graph) => panic!("{} tasks", graph.len()),
        Err(error) => error,
    }
}

#[track_caller]
fn check(text: &str, kind: ErrorKind, message: &str) {
    let error = error(text);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

fn command(phases: Value) -> Value {
    json!({"version": "2.0.0", "name": "/x", "description": "d", "phases": phases})
}

/// A command of one phase with these agents.
fn agents(agents: Value) -> String {
    command(json!([{"id": "p", "name": "p", "type": "parallel", "agents": agents}])).to_string()
}

fn agent(id: &str, dependencies: &[&str]) -> Value {
    json!({"id": id, "agentId": "x", "task": "t", "dependencies": dependencies})
}

#[test]
fn what_is_no_definition() {
    check("", ErrorKind::InvalidFormat, "the definition is empty");
    check(" \n\t", ErrorKind::InvalidFormat, "the definition is empty");
    check("hello", ErrorKind::InvalidFormat, "is not JSON");
    check("{\"version\": \"2.0.0\",", ErrorKind::InvalidFormat, "line: 1");
    check("{\"name\": \"/x\0\"}", ErrorKind::InvalidFormat, "NUL byte");
    check("[]", ErrorKind::InvalidDefinition, "error");
    check("null", ErrorKind::InvalidDefinition, "error");
    check("7", ErrorKind::InvalidDefinition, "error");
    check(r#"{"version": "9.0.0", "name": "/x", "phases": []}"#, ErrorKind::InvalidDefinition, "INVALID_VERSION");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let text = " ".repeat(100_000_000);
    check(&text, ErrorKind::TooLarge, "at most");
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(100_000_000).unwrap();
    assert_eq!(session::load_text(file.path()).unwrap_err().kind(), ErrorKind::TooLarge);

    check(&"[".repeat(10_000), ErrorKind::TooLarge, "nested deeper");
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    check(&deep, ErrorKind::TooLarge, "nested deeper");

    let condition = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    let mut nested = agent("a", &[]);
    nested["conditional"] = json!({"condition": condition});
    let error = error(&agents(json!([nested])));
    assert!(error.problems().iter().any(|problem| problem.code == "INVALID_CONDITION"), "{error}");
}

#[test]
fn names_that_are_taken_or_missing() {
    let text = agents(json!([agent("a", &[]), agent("a", &["a"]), agent("b", &["b", "nobody"])]));
    let error = error(&text);
    let codes: Vec<&str> = error.problems().iter().map(|problem| problem.code.as_ref()).collect();
    for code in ["DUPLICATE_ID", "CIRCULAR_DEPENDENCY", "MISSING_REFERENCE"] {
        assert!(codes.contains(&code), "{error}");
    }
    assert!(error.problems().iter().all(|problem| problem.line == Some(1)), "{error}");
}

#[test]
fn a_cycle_of_50_000_agents_is_told_shortly() {
    let count = 50_000;
    let round: Vec<Value> =
        (0..count).map(|nth| agent(&format!("t{nth}"), &[&format!("t{}", (nth + 1) % count)])).collect();
    let error = error(&agents(json!(round)));
    let cycle = error.problems().iter().find(|problem| problem.code == "CIRCULAR_DEPENDENCY").unwrap();
    assert!(cycle.message.contains("→") && cycle.message.len() < 2_000, "{}", cycle.message);
}

#[test]
fn negative_and_absurd_times() {
    for time in [json!(-1), json!(-0.5), json!(1e300), json!(u64::MAX), json!("soon"), json!([]), json!({})] {
        for field in ["estimatedTime", "timeout", "priority"] {
            let mut one = agent("a", &[]);
            one[field] = time.clone();
            let text = agents(json!([one]));
            let command = Command::parse(&text).unwrap();
            let problems = command.problems(&GraphOptions::default());
            // Either it is refused by name, or it is bounded and everything that follows works with it.
            match command.graph(&GraphOptions::default()) {
                Err(error) => assert!(error.problems().iter().any(|problem| problem.path.ends_with(field)), "{error}"),
                Ok(graph) => {
                    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
                    let forecast = simulate(&plan, Rules::default(), |task| plan.step(task).estimate).unwrap();
                    assert!(forecast.makespan <= plan.serial(), "{field}: {time}, {problems:?}");
                }
            }
        }
    }
    let forever = Graph::builder("g")
        .task(Task::new("a").estimate(Duration::MAX))
        .task(Task::new("b").after("a").estimate(Duration::MAX).timeout(Duration::MAX))
        .build()
        .and_then(|graph| Plan::new(&graph, &PlanOptions::default()));
    if let Ok(plan) = forever {
        assert!(plan.critical() <= plan.serial());
        simulate(&plan, Rules::default(), |task| plan.step(task).estimate).unwrap();
    }
}

#[test]
fn a_very_wide_phase_is_refused_or_runs() {
    let wide = |count: usize| {
        let agents: Vec<String> =
            (0..count).map(|nth| format!(r#"{{"id":"a{nth}","agentId":"x","task":"t"}}"#)).collect();
        format!(
            r#"{{"version":"2.0.0","name":"/x","description":"d","phases":[{{"id":"p","name":"p","agents":[{}]}}]}}"#,
            agents.join(",")
        )
    };
    check(&wide(2_000_000), ErrorKind::TooLarge, "at most");

    for (count, phase_order) in
        [(200_000u32, PhaseOrder::Dag), (10_000, PhaseOrder::Dag), (10_000, PhaseOrder::Barrier)]
    {
        let options = GraphOptions { phase_order, ..GraphOptions::default() };
        let graph = Command::parse(&wide(count as usize)).and_then(|command| command.graph(&options)).unwrap();
        assert_eq!(Plan::new(&graph, &PlanOptions::default()).unwrap().widest(), count);
    }

    // A phase that waits for all of a wide one needs the product of both.
    let phase = |name: &str| {
        let agents: Vec<Value> = (0..4_000).map(|nth| agent(&format!("{name}{nth}"), &[])).collect();
        json!({"id": name, "name": name, "agents": agents})
    };
    let text = command(json!([phase("a"), phase("b")])).to_string();
    let barrier = GraphOptions { phase_order: PhaseOrder::Barrier, ..GraphOptions::default() };
    let error = Command::parse(&text).and_then(|command| command.graph(&barrier)).unwrap_err();
    assert!(error.problems().iter().any(|problem| problem.code == "TOO_LARGE"), "{error}");
}

#[test]
fn an_id_of_any_text_stays_text_in_every_output() {
    // In a command, control characters in names are refused, in words that are safe to print; all else is odd but runs.
    let list: Vec<Value> = HOSTILE.iter().map(|id| agent(id, &[])).collect();
    let refused = error(&agents(json!(list))).to_string();
    assert_safe("error", &refused);
    assert_eq!(refused.matches("holds a control character").count(), 5, "{refused}");

    // In code, a name may be any text.
    let mut builder = Graph::builder("\u{1b}[31m<b>");
    for id in HOSTILE {
        builder.add(Task::new(*id).agent(*id));
    }
    let graph = builder.build().unwrap();
    for (format, text) in [("mermaid", export::mermaid(&graph, &[])), ("dot", export::dot(&graph, &[]))] {
        assert_safe(format, &text);
    }
    assert_eq!(export::from_wfformat(&export::wfformat(&graph)).unwrap().len(), graph.len());

    // Half of the tasks fail, with messages as hostile as the names.
    let body = |task: TaskContext| async move {
        let id = task.id().as_str().to_owned();
        if id.len().is_multiple_of(2) { Err(id) } else { Ok(id) }
    };
    let engine = Engine::builder().executor(body).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let options = RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let report = blocking::run(&engine, &plan, options).unwrap();
    assert_eq!(report.state(), RunState::Failed);
    assert_outputs(&report);
    assert_safe("error", &report.into_result().unwrap_err().to_string());
}

fn assert_outputs(report: &Report) {
    for (format, text) in [
        ("display", report.to_string()),
        ("text", render::text(report, 100)),
        ("json", render::json(report)),
        ("junit", render::junit(report)),
        ("chrome trace", render::chrome_trace(report)),
        ("github summary", render::github_summary(report)),
        ("github annotations", render::github_annotations(report)),
        ("todo", render::pretty_json(&todo::task_list(report))),
    ] {
        assert_safe(format, &text);
        if matches!(format, "json" | "chrome trace" | "todo") {
            serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{format}: {error}"));
        }
        if matches!(format, "junit" | "github summary") {
            assert!(!text.contains("<script") && !text.contains("<!--"), "{format}: {text}");
        }
        if format == "github annotations" {
            assert!(!text.lines().any(|line| line.starts_with("::set-output")), "{format}: {text}");
        }
    }
    let ids: Vec<&str> = report.graph().tasks().iter().map(|task| task.id().as_str()).collect();
    let json: Value = serde_json::from_str(&render::json(report)).unwrap();
    let shown: Vec<&str> = json["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    // JSON is for programs: names are escaped by its rules and come back as they were.
    assert_eq!(shown, ids);
}

/// No character that moves a cursor, changes a title or turns the reading direction.
#[track_caller]
fn assert_safe(format: &str, text: &str) {
    // In formats for programs, characters that turn the direction are as plain as letters.
    let for_people = !matches!(format, "json" | "chrome trace" | "todo");
    let turns = |char: char| matches!(char, '\u{202a}'..='\u{202e}');
    let found = text.chars().find(|&char| (char.is_control() && char != '\n') || (for_people && turns(char)));
    assert_eq!(found, None, "{format}: {text:?}");
}

#[cfg(feature = "process")]
#[test]
fn an_agent_without_an_argv_is_an_error_with_the_way_out() {
    use orch_core::Agents;

    for flag in ["", "=", "a=", "a= ", "a='", "=ls", "*=", "no-equals"] {
        let error = Agents::default().with_flag(flag).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::InvalidFormat), "`{flag}`: {error}");
    }
    let graph = Graph::builder("g").task(Task::new("t").agent("\u{1b}[2Jnobody")).build().unwrap();
    let problems = Agents::default().problems(&graph);
    assert_eq!(problems.len(), 1);
    assert_safe("problem", &problems[0].to_string());
    assert!(problems[0].message.contains("--agent"), "{}", problems[0]);
}
