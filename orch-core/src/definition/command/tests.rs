//! Whole definitions: the shipped files, and what is wrong with small ones.

use std::{collections::BTreeSet, fs, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Claim, ErrorKind, Graph, Plan, PlanOptions, Severity,
    definition::{GraphOptions, PhaseOrder},
    fixtures,
};

fn load(relative: &str) -> Option<Command> {
    let text = fs::read_to_string(fixtures::path(relative)?).unwrap();
    Some(Command::parse(&text).unwrap())
}

fn graph(command: &Command, phase_order: PhaseOrder) -> Graph {
    command.graph(&GraphOptions { phase_order, ..GraphOptions::default() }).unwrap()
}

/// Tasks, dependencies, levels, widest level, seconds in series, seconds of the critical path.
fn numbers(graph: &Graph) -> (usize, usize, u32, u32, u64, u64) {
    let plan = Plan::new(graph, &PlanOptions::default()).unwrap();
    (graph.len(), graph.edges(), plan.levels(), plan.widest(), plan.serial().as_secs(), plan.critical().as_secs())
}

#[test]
fn review_all_has_its_published_numbers() {
    let Some(command) = load("commands/v2/review-all.json") else { return };
    assert_eq!(numbers(&graph(&command, PhaseOrder::Dag)), (7, 10, 3, 5, 2460, 1020));
    assert_eq!(command.problems(&GraphOptions { strict: true, ..GraphOptions::default() }), []);
}

#[test]
fn security_fortress_has_its_published_numbers() {
    let Some(command) = load("commands/v2/security-fortress.json") else { return };
    let graph = graph(&command, PhaseOrder::Dag);
    assert_eq!(numbers(&graph), (21, 54, 9, 4, 175 * 60, 70 * 60));
    let task = |id: &str| graph.task(graph.find(id).unwrap()).options();
    // Priority 1 is the most urgent there; higher starts first here.
    assert!(task("threat-analyzer").priority > task("codeql-scanner").priority);
    let claim = Claim::shared("waf-config").priority(-3).wait(Duration::from_secs(300));
    assert_eq!(task("waf-configuration").claims, [claim], "one unit of one; priority 4 of those that count from 1");
    assert_eq!(graph.resources()["waf-config"].capacity, Some(1));
    assert_eq!(task("codeql-scanner").retry.as_ref().unwrap().initial_delay, Duration::from_secs(5));
    assert!(task("codeql-scanner").allow_failure, "the fallback is to go on with warnings");
    assert!(!task("waf-configuration").allow_failure, "its phase is critical");
    assert_eq!(task("threat-analyzer").outputs[0].ttl, Some(Duration::from_secs(3600)));
    assert_eq!(task("bandit-scanner").conditions.len(), 1);
    assert_eq!(task("bandit-scanner").params["tools"], json!(["bandit"]));
}

#[test]
fn security_fortress_names_its_missing_inputs() {
    let Some(command) = load("commands/v2/security-fortress.json") else { return };
    let problems = command.problems(&GraphOptions::default());
    let missing: Vec<&str> = problems
        .iter()
        .filter(|problem| problem.code == "MISSING_CONTEXT_INPUT")
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(missing.len(), 7, "{missing:?}");
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning && problem.line.is_some()));
    let strict = command.graph(&GraphOptions { strict: true, ..GraphOptions::default() }).unwrap_err();
    assert_eq!(strict.message(), "the command `security-fortress` has 7 errors");
    let inputs = [
        "sast_findings",
        "dependency_vulnerabilities",
        "container_vulnerabilities",
        "infrastructure_findings",
        "runtime_config",
    ];
    let inputs = inputs.map(str::to_owned).to_vec();
    assert!(command.graph(&GraphOptions { strict: true, inputs, ..GraphOptions::default() }).is_ok());
}

#[test]
fn orchestrate_complex_has_its_published_numbers() {
    let Some(command) = load("commands/v2/orchestrate-complex.json") else { return };
    let dag = graph(&command, PhaseOrder::Dag);
    assert_eq!(numbers(&dag), (22, 27, 13, 5, 6240, 3180));
    let (tasks, _, _, _, serial, critical) = numbers(&graph(&command, PhaseOrder::Barrier));
    assert_eq!((tasks, serial, critical), (22, 6240, 3780));
    assert_eq!(dag.resources()["context-cache"].capacity, Some(10));
    let builder = &dag.task(dag.find("dag-builder").unwrap()).options().claims;
    assert_eq!(builder[..], ["context-cache", "dag-engine"].map(|name| Claim::shared(name).priority(1)), "`high`");
    assert_eq!(command.inputs()["pattern"], "auto");
    assert_eq!(command.required_inputs(), ["objective", "requirements"]);

    let planner = dag.task(dag.find("implementation-planner").unwrap()).options();
    let expand = planner.expand.as_ref().unwrap();
    assert_eq!(
        (expand.path.join("."), expand.agent.as_str(), expand.id.as_str()),
        ("tasks".into(), "assignedAgent", "id")
    );
    let before: Vec<&str> = expand.before.iter().map(crate::TaskId::as_str).collect();
    assert_eq!(before, ["code-reviewer", "test-executor", "security-audit", "performance-validation", "chaos-testing"]);
    // The condition of the phase is asked too, once.
    assert_eq!(dag.task(dag.find("dag-builder").unwrap()).options().conditions.len(), 1);
    assert_eq!(dag.task(dag.find("compliance-validator").unwrap()).options().conditions.len(), 2);
    assert!(dag.task(dag.find("pattern-selector").unwrap()).options().conditions.is_empty(), "it is switched off");
}

#[test]
fn orchestrate_complex_reads_too_early() {
    let Some(command) = load("commands/v2/orchestrate-complex.json") else { return };
    let problems = command.problems(&GraphOptions::default());
    let shown: Vec<String> =
        problems.iter().filter(|problem| problem.code != "UNDECLARED_RESOURCE").map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    warning[UNORDERED_READ] phases[2].conditional.condition (line 195): reads `context.riskAssessment.overallRiskScore`, but `compliance-validator`, `security-validator`, `crypto-validator` do not depend on `risk-assessment` and may be asked first; add `risk-assessment` to their dependencies
    warning[UNORDERED_READ] phases[2].agents[1].conditional.condition (line 232): reads `context.riskAssessment.risks`, but `security-validator` does not depend on `risk-assessment` and may be asked first; add `risk-assessment` to its dependencies
    warning[UNKNOWN_VALUE] phases[2].agents[2].conditional.condition (line 249): reads `context.requirementAnalyzer.requirements`, but `requirement-analyzer` declares no output `requirements`; while it is undefined, its comparison is false
    ");
    // Barriers put risk-assessment before the phase that reads it.
    let barrier = GraphOptions { phase_order: PhaseOrder::Barrier, ..GraphOptions::default() };
    assert!(command.problems(&barrier).iter().all(|problem| problem.code != "UNORDERED_READ"));
}

#[test]
fn every_definition_of_the_documents_loads_or_says_why_not() {
    let Some(folder) = fixtures::path("commands/from-docs") else { return };
    let mut loaded = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let command = Command::parse(&fs::read_to_string(&file).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let errors: Vec<String> = command
            .problems(&GraphOptions::default())
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| format!("{} {}", problem.code, problem.path))
            .collect();
        match name {
            "guide-02-review-code.json" => {
                assert_eq!(errors, [0, 1, 2].map(|phase| format!("EMPTY_LIST phases[{phase}].agents")));
            }
            "spec-06-your-command.json" => assert_eq!(errors, ["EMPTY_LIST phases"]),
            _ => {
                assert!(errors.is_empty(), "{name}: {errors:?}");
                for order in [PhaseOrder::Dag, PhaseOrder::Barrier] {
                    assert!(!graph(&command, order).is_empty());
                }
            }
        }
        loaded += 1;
    }
    assert_eq!(loaded, 17);
}

#[test]
fn definitions_are_written_back_unchanged() {
    for folder in ["commands/v2", "commands/from-docs"] {
        let Some(folder) = fixtures::path(folder) else { return };
        for entry in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let given: Value = serde_json::from_str(&text).unwrap();
            let command: Command = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_value(&command).unwrap(), given);
            // Not only the same members: in the same order.
            assert_eq!(serde_json::to_string(&command).unwrap(), serde_json::to_string(&given).unwrap());
            assert_eq!(command, Command::parse(&text).unwrap());
        }
    }
}

#[test]
fn text_that_is_no_definition_is_refused() {
    let refused = |text: &str| Command::parse(text).unwrap_err();
    assert_eq!(refused("").to_string(), "the definition is empty; a JSON object is needed");
    assert_eq!(refused(" \n\u{feff}").kind(), ErrorKind::InvalidFormat);
    assert_eq!(
        refused("{\n  \"a\": nope}").to_string(),
        "the definition is not JSON: expected ident (line: 2, column: 9)"
    );
    assert_eq!(refused("{}\n\n{}").to_string(), "the definition is not JSON: trailing characters (line: 3, column: 1)");
    assert_eq!(
        refused("{\"a\":\n \"\0\"}").to_string(),
        "the definition holds a NUL byte; it is no text file (line: 2)"
    );
    let deep = refused(&"[".repeat(10_000));
    assert_eq!(deep.kind(), ErrorKind::TooLarge);
    assert_eq!(deep.message(), "arrays and objects are nested deeper than 127 levels");
    assert!(Command::parse(&format!("{}{}", "[".repeat(Command::MAX_DEPTH), "]".repeat(Command::MAX_DEPTH))).is_ok());
    assert_eq!(refused(&" ".repeat(100_000_000)).kind(), ErrorKind::TooLarge);
    assert!(Command::parse("\u{feff}{}").is_ok(), "a byte order mark is no part of the text");
}

#[test]
fn values_of_any_shape_become_problems() {
    for value in [
        json!(null),
        json!(1),
        json!([]),
        json!("x"),
        json!({}),
        json!({"phases": 1}),
        json!({"phases": [1, [], {"agents": [1, {}]}]}),
    ] {
        let command = Command::from_value(value.clone());
        assert!(!command.problems(&GraphOptions::default()).is_empty(), "{value}");
        assert_eq!(command.graph(&GraphOptions::default()).unwrap_err().kind(), ErrorKind::InvalidDefinition);
    }
}

/// A definition with these agents in one phase.
fn command(agents: Value) -> Command {
    Command::from_value(json!({
        "version": "2.0.0", "name": "/x", "description": "d",
        "phases": [{"id": "p", "name": "P", "agents": agents}],
    }))
}

#[test]
fn a_cycle_of_fifty_thousand_agents_is_told_in_a_line() {
    const COUNT: usize = 50_000;
    let agents: Vec<Value> = (0..COUNT)
        .map(|at| json!({"id": format!("a{at}"), "agentId": "x", "task": "t", "dependencies": [format!("a{}", (at + 1) % COUNT)]}))
        .collect();
    let problems = command(Value::Array(agents)).problems(&GraphOptions::default());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "CIRCULAR_DEPENDENCY");
    assert!(problems[0].message.contains("… 49988 more … → a0"), "{}", problems[0].message);
}

#[test]
fn a_wide_phase_is_built_and_its_barrier_bounded() {
    const WIDE: usize = 20_000;
    let agents = |prefix: &str| -> Vec<Value> {
        (0..WIDE).map(|at| json!({"id": format!("{prefix}{at}"), "agentId": "x", "task": "t"})).collect()
    };
    let command = Command::from_value(json!({
        "version": "2.0.0", "name": "/x", "description": "d",
        "phases": [{"id": "p", "agents": agents("a"), "maxParallelism": 3}, {"id": "q", "agents": agents("b")}],
    }));
    let dag = graph(&command, PhaseOrder::Dag);
    assert_eq!((dag.len(), dag.resources()["phase:p"].capacity), (2 * WIDE, Some(3)));
    let error =
        command.graph(&GraphOptions { phase_order: PhaseOrder::Barrier, ..GraphOptions::default() }).unwrap_err();
    assert_eq!(error.problems()[0].code, "TOO_LARGE");
}

#[test]
fn problems_of_hostile_files_are_found_in_time() {
    // Each of these was quadratic in a straightforward way of checking.
    const MANY: usize = 20_000;
    let strangers: Vec<Value> = (0..MANY)
        .map(|at| {
            json!({"id": format!("a{at}"), "agentId": "x", "task": "t", "dependencies": [format!("z{at}")],
            "context": {"inputs": [format!("k{at}")], "outputs": ["shared"]}})
        })
        .collect();
    let problems = command(Value::Array(strangers)).problems(&GraphOptions::default());
    assert_eq!(problems.len(), 10_001);
    assert_eq!(problems[10_000].to_string(), "error[MORE_PROBLEMS]: 10000 more problems are not listed");
    let readers: Vec<Value> = (0..MANY)
        .map(|at| {
            json!({"id": format!("a{at}"), "agentId": "x", "task": "t",
            "context": {"inputs": ["shared"], "outputs": [{"key": "shared", "merge": "append"}]}})
        })
        .collect();
    let problems = command(Value::Array(readers)).problems(&GraphOptions::default());
    assert!(problems.iter().any(|problem| problem.code == "NOT_CHECKED"));
    let keys: Vec<String> = (0..MANY).map(|at| format!("k{at}")).collect();
    let maker = json!([{"id": "a", "agentId": "x", "task": "t", "context": {"inputs": keys, "outputs": keys}}]);
    assert_eq!(command(maker).problems(&GraphOptions::default()).len(), 10_001);
}

#[test]
fn lines_are_found_in_any_layout() {
    let text = "{\"version\":\n\"2.0.0\", \"name\":\"/x\" ,\r\n \"description\": \"{[\\\"\", \"phases\": [\n{\"id\": \"p\", \"agents\":\n  [ {\"id\": \"a\", \"task\": \"t\",\n \"dependencies\": [\"a\\\\\",\n\n\"b\"], \"estimatedTime\": -1},\n 7]}]}";
    let command = Command::parse(text).unwrap();
    let found: Vec<(String, Option<u32>)> =
        command.problems(&GraphOptions::default()).into_iter().map(|problem| (problem.path, problem.line)).collect();
    let expected = [
        ("phases[0].agents[0].agentId", 5),
        ("phases[0].agents[0].dependencies[0]", 6),
        ("phases[0].agents[0].estimatedTime", 8),
        ("phases[0].agents[0].dependencies[1]", 8),
        ("phases[0].agents[1]", 9),
    ];
    assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), Some(line))));
}

#[test]
fn every_code_is_documented_and_has_a_vector() {
    let documented: BTreeSet<String> = include_str!("mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'))
        .map(|(code, _)| code.to_owned())
        .filter(|code| code.chars().all(|char| char.is_ascii_uppercase() || char == '_'))
        .collect();
    let mut seen: BTreeSet<String> = ["MORE_PROBLEMS", "NOT_CHECKED", "TOO_LARGE"].map(str::to_owned).into();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/command")).unwrap() {
        let vector: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let problems = vector["want"]["problems"].as_array().cloned().unwrap_or_default();
        seen.extend(problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()));
    }
    // The three that need more than a small file are shown by the tests above.
    assert_eq!(documented, seen);
}

/// Any JSON, shallow, with the words that definitions use.
fn arb_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0.0), Just(-1.0), Just(1.5), Just(1e18), 0.0..5.0].prop_map(Value::from),
        (0u32..5).prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "analyzer",
            "synthesis",
            "../../x",
            "\u{1b}[2J",
            "context",
            "a === 1",
            "context.analyzer",
            "2.0"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let words = vec![
            "id",
            "key",
            "agents",
            "dependencies",
            "source",
            "mapping",
            "condition",
            "expression",
            "maxConcurrent",
            "locks",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(words), inner), 0..3)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Replaces the value at a place that `steps` picks.
fn replace(value: &mut Value, steps: &[prop::sample::Index], new: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = new;
        return;
    };
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            let at = step.index(elements.len());
            replace(&mut elements[at], rest, new);
        }
        Value::Object(members) if !members.is_empty() => {
            let key = members.keys().nth(step.index(members.len())).unwrap().clone();
            replace(members.get_mut(&key).unwrap(), rest, new);
        }
        other => *other = new,
    }
}

/// A definition with every field that is read.
fn everything() -> Value {
    let mut value = json!({
        "version": "2.0.0", "name": "/x", "description": "d",
        "globalContext": {"initial": {"level": 1}, "cacheTTL": 5},
        "inputs": {"required": {"goal": {}}, "optional": {"mode": {"default": "fast"}}},
        "errorHandling": {"retryPolicy": {"maxAttempts": 2}, "fallbackStrategy": "continue-with-warnings", "criticalPhases": ["p"]},
        "resourceLocking": {"enabled": true, "resources": [{"id": "db", "maxConcurrent": 2}]},
        "resources": {"locks": [{"resource": "l"}], "maxWaitTime": 5},
        "phases": [
            {"id": "p", "parallel": false, "maxParallelism": 1, "agents": [
                {"id": "analyzer", "agentId": "a", "task": "t", "dependencies": [], "estimatedTime": 5, "timeout": 50, "priority": 1,
                 "resources": ["db"], "context": {"outputs": [{"key": "facts", "ttl": 9}]}, "retryPolicy": {"maxAttempts": 2, "strategy": "linear"}},
                {"id": "second", "agentId": "a", "task": "t", "dependencies": ["analyzer"], "outputs": {"tasks": "array"},
                 "context": {"inputs": ["facts"]}, "skipCondition": {"type": "context", "expression": "facts.n == 0"},
                 "resources": {"locks": [{"resourceId": "free", "timeout": 3}]}, "compensation": {}, "circuitBreaker": {}}]},
            {"id": "q", "dynamic": true, "conditional": {"enabled": true, "condition": "inputs.mode === 'fast'"},
             "parallelism": {"enabled": true, "maxConcurrent": 2}, "agents": [{"id": "watch", "agentId": "a", "task": "t", "dependencies": ["second"]}],
             "dynamicAgents": {"source": "context.second.tasks", "mapping": {"id": "task.id"}}},
            {"id": "r", "agents": [{"id": "synthesis", "agentId": "a", "task": "t", "dependencies": ["watch"]}]},
        ],
    });
    value["saga"] = json!({"enabled": true, "compensationOrder": "reverse", "transactionTimeout": 7200});
    value["sagaCompensation"] =
        json!({"enabled": true, "compensationPhases": ["p"], "rollbackStrategy": "reverse-order"});
    value["circuitBreakers"] = json!({"api": {"successThreshold": 1, "monitoringPeriod": 9, "probes": 2}});
    let second = &mut value["phases"][0]["agents"][1];
    second["compensation"] = json!({
        "rollbackTo": "analyzer", "type": "cascade", "task": "t", "agentId": "b", "compensateOn": ["error"], "priority": 2,
        "rollbackSteps": ["s"], "timeout": 5, "itself": true, "retryPolicy": {"maxAttempts": 2}, "more": 1,
    });
    second["cacheKey"] = json!({"files": ["src/**"], "models": ["m"], "tools": {"rg": "14"}});
    second["circuitBreaker"] =
        json!({"name": "api", "failureThreshold": 2, "resetTimeout": 5, "whenOpen": "fail", "errors": ["503"]});
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_broken_definition_is_refused_with_what_was_told(
        changes in prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 1..7), arb_json()), 1..4),
        barrier: bool,
        strict: bool,
    ) {
        let mut value = everything();
        for (steps, new) in changes {
            replace(&mut value, &steps, new);
        }
        let text = serde_json::to_string_pretty(&value).unwrap();
        let phase_order = if barrier { PhaseOrder::Barrier } else { PhaseOrder::Dag };
        let options = GraphOptions { phase_order, strict, ..GraphOptions::default() };
        let command = Command::parse(&text).unwrap();
        let problems = command.problems(&options);
        let lines = text.lines().count() as u32;
        prop_assert!(problems.iter().all(|problem| problem.line.is_some_and(|line| (1..=lines).contains(&line))), "{problems:?}");
        match command.graph(&options) {
            Ok(graph) => {
                prop_assert!(problems.iter().all(|problem| problem.severity == Severity::Warning));
                prop_assert_eq!(graph.warnings(), &problems[..]);
                let again: Graph = serde_json::from_value(serde_json::to_value(&graph).unwrap()).unwrap();
                prop_assert_eq!(again.len(), graph.len());
            }
            Err(error) => prop_assert_eq!(error.problems(), &problems[..], "{}", error),
        }
        // Without the text there are no lines, but the same problems.
        let mut from_value = Command::from_value(value.clone()).problems(&options);
        let mut from_text = problems;
        for problem in &mut from_text {
            problem.line = None;
        }
        let key = |problem: &crate::Problem| (problem.path.clone(), problem.message.clone());
        from_value.sort_by_key(key);
        from_text.sort_by_key(key);
        prop_assert_eq!(from_value, from_text);
        prop_assert_eq!(serde_json::to_value(&command).unwrap(), value);
    }
}

#[test]
fn the_definition_of_the_property_is_sound() {
    let command = Command::from_value(everything());
    assert_eq!(
        command.problems(&GraphOptions { strict: true, ..GraphOptions::default() }).len(),
        1,
        "only `free` is undeclared"
    );
}
