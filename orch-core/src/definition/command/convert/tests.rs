use std::{collections::BTreeSet, fs};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::GraphOptions;

/// The conversion of a fixture, and its text; `None` on a machine without fixtures.
fn converted(path: &str) -> Option<Conversion> {
    let file = crate::fixtures::path(&format!("commands/{path}"))?;
    let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
    Some(convert(&fs::read_to_string(file).unwrap(), Some(&name)).unwrap())
}

fn json(path: &str) -> Option<Value> {
    let file = crate::fixtures::path(&format!("commands/{path}"))?;
    Some(serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
}

/// One line a step: what it waits for, its name, who does it, how long, what.
fn shown(conversion: &Conversion) -> String {
    let mut shown = String::new();
    for phase in conversion.command.phases() {
        shown += &format!("{} ({})\n", phase.name, phase.id.as_deref().unwrap_or_default());
        for agent in &phase.agents {
            let who = agent.agent.as_deref().unwrap_or_default();
            let seconds = agent.estimate.unwrap_or_default().as_secs_f64();
            let waits = agent.dependencies.join(" ");
            shown += &format!("  [{waits}] -> {} = {who}, {seconds} s: {:?}\n", agent.id, agent.task);
        }
    }
    shown + &conversion.to_string()
}

/// Fields of an agent that a text does not say, so that a person added them to the definitions of the documents.
const BY_HAND: [&str; 5] = ["context", "priority", "retryPolicy", "compensation", "agentId"];

#[test]
fn the_loaders_example_is_converted_to_the_letter() {
    let Some(conversion) = converted("v1-pairs/loader-01.md") else { return };
    assert_eq!(*conversion.command.as_value(), json("from-docs/loader-01-review-code.json").unwrap());
    assert_eq!(conversion.problems, []);
}

/// The dependencies by place, the times, and the number of agents: what does not depend on a choice of words.
fn shape(command: &Command) -> Vec<(Vec<usize>, Option<Duration>)> {
    let agents: Vec<_> = command.phases().iter().flat_map(|phase| &phase.agents).collect();
    let place = |id: &String| agents.iter().position(|agent| agent.id == *id).unwrap();
    agents.iter().map(|agent| (agent.dependencies.iter().map(place).collect(), agent.estimate)).collect()
}

/// The documents' other pairs were written by people, who chose ids, phases, agents and values freely. What must agree is the
/// shape: how many agents, which waits for which, and where the text says a time, how long each takes.
#[test]
fn the_documents_other_pairs_have_the_same_shape() {
    for (markdown, definition, times) in [
        ("guide-01", "guide-03-review-code", true),
        ("spec-01", "spec-07-analyze-code", true),
        ("migration-01", "migration-01-document-api", true),
        // The text has a third review, which the definition has too, and the same times.
        ("migration-02", "migration-02-review-all", true),
        // The text gives only the times of phases.
        ("migration-03", "migration-03-security-fortress", false),
    ] {
        let (Some(conversion), Some(wanted)) =
            (converted(&format!("v1-pairs/{markdown}.md")), json(&format!("from-docs/{definition}.json")))
        else {
            return;
        };
        let wanted = Command::from_value(wanted);
        let (mut ours, mut theirs) = (shape(&conversion.command), shape(&wanted));
        if !times {
            ours.iter_mut().chain(&mut theirs).for_each(|(_, time)| *time = None);
        }
        assert_eq!(ours, theirs, "{markdown}");
        // Beyond the fields that people add, a converted agent has all fields that theirs has.
        for (phase, agent) in
            wanted.phases().iter().flat_map(|phase| &phase.agents).map(|agent| (agent.phase, agent.place))
        {
            let fields = wanted.as_value()["phases"][phase]["agents"][agent].as_object().unwrap();
            for field in fields.keys().filter(|field| !BY_HAND.contains(&field.as_str())) {
                assert!(
                    ["id", "task", "dependencies", "estimatedTime"].contains(&field.as_str()),
                    "{markdown}: {field}"
                );
            }
        }
    }
    // In migration-10 people let the migrations wait for the tests too, which the text does not say.
    let Some(conversion) = converted("v1-pairs/migration-10.md") else { return };
    let migrate = &conversion.command.phases()[0].agents[2];
    assert_eq!(migrate.dependencies, ["create-database-backup-2"]);
    assert!(conversion.unknown.iter().any(|note| note.line == Some(7) && note.text.contains("rolled back")));
}

#[test]
fn conditions_in_words_are_left_to_a_person() {
    let Some(conversion) = converted("v1-pairs/migration-04.md") else { return };
    insta::assert_snapshot!(shown(&conversion), @r#"
    Main (main)
      [] -> run-unit-tests-and-measure-coverage-1 = general-assistant, 60 s: "Run unit tests and measure coverage"
      [run-unit-tests-and-measure-coverage-1] -> if-coverage-85-generate-additional-tests-2 = general-assistant, 60 s: "If coverage < 85%, generate additional tests"
      [if-coverage-85-generate-additional-tests-2] -> if-frontend-exists-run-accessibility-review-3 = general-assistant, 60 s: "If frontend exists, run accessibility review"
      [if-frontend-exists-run-accessibility-review-3] -> if-database-changes-run-migration-validation-4 = general-assistant, 60 s: "If database changes, run migration validation"
    /migration-04: 4 tasks in 1 phase
    before, one after another: 4 min; after, side by side: 4 min (0 % less)
    inferred:
      the name `/migration-04` comes from its file
      there is no description, so the name stands for it
      4 steps give no time; each is taken to need 60 s
      no step says what it depends on, so each waits for the one before it, as the list is numbered
      line 1: no step names an agent; `general-assistant` does it
    not inferred:
      which steps could run side by side; write `(depends on 1)` to say so
      line 2: the condition of `if-coverage-85-generate-additional-tests-2` is in words; write it as a `skipCondition`
      line 3: the condition of `if-frontend-exists-run-accessibility-review-3` is in words; write it as a `skipCondition`
      line 4: the condition of `if-database-changes-run-migration-validation-4` is in words; write it as a `skipCondition`
    "#);
}

#[test]
fn the_security_fortress_has_its_agents_and_phases() {
    let Some(conversion) = converted("v1-markdown/security-fortress.md") else { return };
    let phases = conversion.command.phases();
    let agents: Vec<usize> = phases.iter().map(|phase| phase.agents.len()).collect();
    assert_eq!(agents, [4, 4, 6, 4, 4, 4, 4]);
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!((conversion.serial, conversion.parallel), (minutes(150), Some(minutes(35))));
    let graph = conversion.command.graph(&GraphOptions::default()).unwrap();
    assert_eq!((graph.len(), graph.edges()), (30, 16 + 24 + 24 + 16 + 16 + 16));
}

#[test]
fn a_review_without_phases_is_five_topics_and_a_report() {
    let Some(conversion) = converted("v1-markdown/review-all.md") else { return };
    insta::assert_snapshot!(shown(&conversion), @r#"
    Comprehensive Code Review (comprehensive-code-review)
      [] -> code-quality-1 = general-assistant, 60 s: "Code Quality\n- Check for code smells and anti-patterns\n- Verify adherence to coding standards and conventions\n- Identify areas for refactoring\n- Assess code readability and maintainability"
      [] -> best-practices-2 = general-assistant, 60 s: "Best Practices\n- Review error handling patterns\n- Check for proper logging and debugging support\n- Verify documentation completeness\n- Assess test coverage"
      [] -> architecture-3 = general-assistant, 60 s: "Architecture\n- Evaluate component/module organization\n- Check for separation of concerns\n- Identify tight coupling or circular dependencies\n- Review design patterns usage"
      [] -> performance-4 = general-assistant, 60 s: "Performance\n- Identify potential performance bottlenecks\n- Check for memory leaks or inefficient algorithms\n- Review database query optimization\n- Assess caching strategies"
      [] -> security-5 = general-assistant, 60 s: "Security\n- Basic security vulnerability scan\n- Check for exposed secrets or credentials\n- Review input validation and sanitization\n- Verify authentication and authorization patterns"
    Report (report)
      [code-quality-1 best-practices-2 architecture-3 performance-4 security-5] -> provide-actionable-recommendations-prioritized-by-severity-6 = general-assistant, 60 s: "Provide actionable recommendations prioritized by severity (Critical, High, Medium, Low)."
    /review-all: 6 tasks in 2 phases
    before, one after another: 6 min; after, side by side: 2 min (67 % less)
    inferred:
      the name `/review-all` comes from its file
      6 steps give no time; each is taken to need 60 s
      line 14: there are no phases and no numbered steps, so each section with a list is one step
      line 14: no step names an agent; `general-assistant` does it
      line 44: the closing paragraph is a last step that waits for all others
    not inferred:
      line 14: whether a section needs the result of another; add dependencies where it does
    "#);
}

#[test]
fn every_file_in_use_is_read() {
    let Some(folder) = crate::fixtures::path("commands/v1-markdown") else { return };
    let mut files: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files.len(), 18);
    let paths = files.iter().map(|file| format!("v1-markdown/{file}")).chain(["command-template-v2.md".into()]);
    let mut table = String::new();
    for path in paths {
        let conversion = converted(&path).unwrap();
        keeps_to_the_schema(&conversion.command);
        let graph = conversion.command.graph(&GraphOptions::default()).unwrap();
        let phases: Vec<_> = conversion.command.phases().iter().map(|phase| phase.agents.len().to_string()).collect();
        let nobody = graph.tasks().iter().filter(|task| task.options().agent.as_deref() == Some(ANYONE)).count();
        table += &format!(
            "{}: {} tasks ({}), {} edges, {nobody} by anyone, {} -> {}\n",
            conversion.command.name(),
            graph.len(),
            phases.join("+"),
            graph.edges(),
            people(conversion.serial),
            people(conversion.parallel.unwrap()),
        );
    }
    insta::assert_snapshot!(table, @r#"
    /readme: 7 tasks (6+1), 6 edges, 7 by anyone, 7 min -> 2 min
    /add-command: 25 tasks (5+5+5+5+5), 100 edges, 0 by anyone, 55 min -> 11 min
    /auto-scale: 48 tasks (6+6+6+7+6+6+5+6), 252 edges, 0 by anyone, 4 h -> 40 min 10 s
    /chaos-test: 40 tasks (4+4+6+6+5+5+5+5), 181 edges, 0 by anyone, 3 h -> 35 min 30 s
    /create-agent: 27 tasks (4+4+4+3+3+3+3+3), 80 edges, 0 by anyone, 2 h -> 35 min 50 s
    /distributed-analysis: 24 tasks (4+4+4+4+4+4), 80 edges, 0 by anyone, 1 h 30 min -> 22 min 30 s
    /document-api: 6 tasks (5+1), 5 edges, 6 by anyone, 6 min -> 2 min
    /generate-tests: 5 tasks (4+1), 4 edges, 5 by anyone, 5 min -> 2 min
    /improve-orchestration: 66 tasks (6+7+7+7+7+7+6+6+6+7), 394 edges, 0 by anyone, 4 h 29 min -> 41 min 18 s
    /migrate-architecture: 41 tasks (6+6+6+6+6+6+5), 210 edges, 0 by anyone, 4 h 45 min -> 48 min 30 s
    /optimize-code: 6 tasks (5+1), 5 edges, 6 by anyone, 6 min -> 2 min
    /orchestrate-complex: 24 tasks (4+4+4+4+4+4), 80 edges, 8 by anyone, 24 min -> 6 min
    /project-status: 41 tasks (5+5+5+5+5+5+5+6), 180 edges, 0 by anyone, 2 h 35 min -> 30 min
    /review-all-v2: 7 tasks (1+5+1), 10 edges, 0 by anyone, 45 min -> 21 min
    /review-all: 6 tasks (5+1), 5 edges, 6 by anyone, 6 min -> 2 min
    /secure-audit: 3 tasks (2+1), 2 edges, 3 by anyone, 3 min -> 2 min
    /security-fortress: 30 tasks (4+4+6+4+4+4+4), 112 edges, 0 by anyone, 2 h 30 min -> 35 min
    /update-documentation: 31 tasks (5+5+5+2+7+7), 123 edges, 31 by anyone, 25 d 23 h -> 6 d 8 h
    /command-template-v2: 8 tasks (1+2+5), 12 edges, 8 by anyone, 8 min -> 3 min
    "#);
}

/// What the published schema asks of the fields that a conversion writes.
fn keeps_to_the_schema(command: &Command) {
    let is_id = |id: &str| {
        id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    assert!(command.name().strip_prefix('/').is_some_and(is_id), "{}", command.name());
    assert!((1..=200).contains(&command.description().chars().count()), "{}", command.description());
    let mut ids = BTreeSet::new();
    for phase in command.phases() {
        assert!(is_id(phase.id.as_deref().unwrap()), "{:?}", phase.id);
        assert!((1..=50).contains(&phase.name.chars().count()), "{}", phase.name);
        assert!(!phase.agents.is_empty());
        for agent in &phase.agents {
            assert!(is_id(&agent.id) && !agent.task.is_empty(), "{}", agent.id);
            assert!(agent.estimate.unwrap() >= Duration::from_millis(100));
            assert!(ids.insert(&agent.id));
        }
    }
}

#[test]
fn the_template_of_version_2_gives_its_values_and_what_makes_them() {
    let text = "# Review\n\n**Version**: 2.0\n\n## Purpose\n\nReviews.\n\n### Phase 1: Look (0-5 mins)\n**DAG Level 0**: one\n\n\
                1. **looker** - Look around\n   - everywhere\n   - **Output**: `map[]` (cached for reuse)\n\n---\n\n\
                ### Phase 2: Judge ([time range])\n\n#### Stream 1: Style\n2. **stylist** (Uses cached `map`)\n   - names\n   \
                - **Output**: `style`\n\n#### Stream 2: Speed\n3. **racer** (Uses cached `map`)\n   - **Input**: `map`\n\n\
                ### Phase 3: Tell (5-10 mins)\n\n4. **teller** - Tell\n   - **Input**: All outputs from Phase 2\n";
    let conversion = convert(text, None).unwrap();
    insta::assert_snapshot!(shown(&conversion), @r#"
    Look (look)
      [] -> looker = looker, 300 s: "Look around\n- everywhere"
    Judge (judge)
      [looker] -> stylist = stylist, 60 s: "- names"
      [looker] -> racer = racer, 60 s: "racer"
    Tell (tell)
      [stylist racer] -> teller = teller, 300 s: "Tell"
    /review: 4 tasks in 3 phases
    before, one after another: 12 min; after, side by side: 11 min (8 % less)
    inferred:
      the name `/review` comes from the title
      the minutes of a phase (`20-40`) are its place on a clock, and the time of a phase is divided evenly among its steps
      2 steps give no time; each is taken to need 60 s
      a step that takes a value as its input waits for the step that makes it
    "#);
    let context = &conversion.command.as_value()["phases"][1]["agents"][1]["context"];
    assert_eq!(*context, serde_json::json!({"inputs": [{"key": "map"}]}));
}

#[test]
fn a_list_of_agents_below_a_phase_is_read() {
    let text = "# X\n\n### Phase 1: One\n```yaml\nagents:\n  - id: look\n    task: Look\n    estimatedTime: 5000\n```\n\n\
                ### Phase 2: Two\nagents:\n  - id: tell\n    task: Tell\n    dependencies: [look]\n";
    let conversion = convert(text, None).unwrap();
    insta::assert_snapshot!(shown(&conversion), @r#"
    One (one)
      [] -> look = general-assistant, 5 s: "Look"
    Two (two)
      [look] -> tell = general-assistant, 60 s: "Tell"
    /x: 2 tasks in 2 phases
    before, one after another: 1 min 5 s; after, side by side: 1 min 5 s (0 % less)
    inferred:
      the name `/x` comes from the title
      1 step gives no time; it is taken to need 60 s
      line 6: no step names an agent; `general-assistant` does it
    "#);
}

#[test]
fn the_wizards_specification_is_read() {
    let text = "# command-spec.yaml\ncommand:\n  name: my-command\n  purpose: \"Does: things\"\n\nagents:\n  - name: looker\n    \
                role: Looks\n\nphases:\n  - name: Analysis\n    duration: 10-15 mins\n    steps:\n      - action: Look\n        \
                agent: looker\n  - name: Work\n    duration: 20 mins\n    steps:\n      - agent: doer\n        action: Do\n      \
                - action: Check\n        agent: \"No Agent\"\n\nnotes:\n  - Note 1\n";
    insta::assert_snapshot!(shown(&convert(text, None).unwrap()), @r#"
    Analysis (analysis)
      [] -> looker = looker, 900 s: "Look"
    Work (work)
      [looker] -> doer = doer, 600 s: "Do"
      [looker] -> check-3 = general-assistant, 600 s: "Check"
    /my-command: 3 tasks in 2 phases
    before, one after another: 35 min; after, side by side: 25 min (29 % less)
    inferred:
      the time of a phase is divided evenly among its steps
      of a range of times the longer is taken
      no step says what it depends on, so each phase waits for the one before it and the steps of a phase run side by side
      line 21: one step names no agent; `general-assistant` does it
    not inferred:
      whether a step needs the result of another in its phase; add a dependency where it does
      line 24: the section `notes` names no steps and is left out
    "#);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let text = "# /x\n\n1. Start\n2. Wait for nobody (depends on 9)\n3. a (depends on 4)\n4. b (depends on 3)\n";
    let conversion = convert(text, None).unwrap();
    insta::assert_snapshot!(conversion, @r#"
    /x: 4 tasks in 1 phase
    before, one after another: 4 min; after: never, the steps wait for each other
    inferred:
      4 steps give no time; each is taken to need 60 s
      line 3: no step names an agent; `general-assistant` does it
    problems (2 errors):
      error[MISSING_REFERENCE] phases[0].agents[1].dependencies[0] (line 4): depends on `9`, which is no agent of this command
      error[CIRCULAR_DEPENDENCY] phases[0].agents[2].dependencies (line 5): these agents wait for each other: a-3 → b-4 → a-3
    "#);
    assert_eq!(conversion.parallel, None);
    let error = conversion.command.graph(&GraphOptions::default()).unwrap_err();
    assert!(error.problems().iter().any(|problem| problem.line == Some(4)));
}

#[test]
fn numbers_that_begin_anew_are_of_their_phase() {
    let text = "# /x\n## A\n1. a\n2. b (depends on 1)\n## B\n1. c (depends on 2)\n2. d (depends on 1)\n";
    let conversion = convert(text, None).unwrap();
    let dependencies: Vec<_> = conversion
        .command
        .phases()
        .iter()
        .flat_map(|phase| &phase.agents)
        .map(|agent| agent.dependencies.join(" "))
        .collect();
    // In B, 2 is its own second step, which makes a circle that the author sees at once.
    assert_eq!(dependencies, ["", "a-1", "d-2", "c-1"]);
    assert_eq!(conversion.problems[0].code, "CIRCULAR_DEPENDENCY");
}

#[test]
fn odd_texts_are_refused_or_read() {
    let refused = |text: &str| convert(text, None).unwrap_err().to_string();
    assert_eq!(refused(" \n\t"), "the command is empty; Markdown with steps is needed");
    let many = |count: usize| (1..=count).map(|n| format!("{n}. step\n")).collect::<String>();
    assert_eq!(
        refused(&many(2_001)),
        "a Markdown command has at most 2000 steps; write a larger one as JSON (steps: 2001)"
    );
    assert_eq!(convert(&many(2_000), None).unwrap().command.phases()[0].agents.len(), 2_000);
    assert_eq!(convert(&"x".repeat(MAX_BYTES + 1), None).unwrap_err().kind(), ErrorKind::TooLarge);

    let whole = convert("just do\x1b[2J it\0", Some("../../etc/passwd")).unwrap();
    insta::assert_snapshot!(shown(&whole), @r#"
    Main (main)
      [] -> just-do-2j-it-1 = general-assistant, 60 s: "just do\u{1b}[2J it\0"
    /etc-passwd: 1 task in 1 phase
    before, one after another: 1 min; after, side by side: 1 min (0 % less)
    inferred:
      there is no list of steps, so the whole text is one step
      the name `/etc-passwd` comes from its file
      1 step gives no time; it is taken to need 60 s
      line 1: one step names no agent; `general-assistant` does it
    not inferred:
      which parts of the text could run side by side
    "#);
    let far = convert(
        &format!("# {}\n1. a (depends on 1-4294967295)\n2. b (depends on {})\n", "ü".repeat(999), "9".repeat(99)),
        None,
    );
    keeps_to_the_schema(&far.unwrap().command);
    let deep: String = (0..1_000).map(|depth| format!("{}- x\n", " ".repeat(depth))).collect();
    convert(&deep, None).unwrap();
    convert(&"(".repeat(100_000), None).unwrap();
    convert(&format!("1. {}", "(".repeat(100_000)), None).unwrap();
    convert(&format!("1. {}", "()".repeat(100_000)), None).unwrap();
}

#[test]
fn the_account_says_what_was_concluded() {
    let text = "# Deploy\n\n## Build\n1. compile\n2. **tester** - test (1-2 h)\n## Ship (3-4 days)\n3. If it is Friday, wait\n\
                ## Notes\n- none\n";
    insta::assert_snapshot!(convert(text, None).unwrap(), @r#"
    /deploy: 3 tasks in 2 phases
    before, one after another: 4 d 2 h; after, side by side: 4 d 2 h (0 % less)
    inferred:
      the name `/deploy` comes from the title
      the time of a phase is divided evenly among its steps
      of a range of times the longer is taken
      1 step gives no time; it is taken to need 60 s
      no step says what it depends on, so each phase waits for the one before it and the steps of a phase run side by side
      line 4: 2 steps name no agent; `general-assistant` does it
    not inferred:
      whether a step needs the result of another in its phase; add a dependency where it does
      line 7: the condition of `if-it-is-friday-wait-3` is in words; write it as a `skipCondition`
      line 8: the section `Notes` names no steps and is left out
    problems (0 errors):
      warning[LONG_ESTIMATE] phases[0].agents[1] (line 5): is expected to take longer than an hour; smaller tasks run side by side
      warning[LONG_ESTIMATE] phases[1].agents[0] (line 7): is expected to take longer than an hour; smaller tasks run side by side
    "#);
}

#[test]
fn a_paragraph_of_punctuation_is_no_description() {
    let conversion = convert("# Topics\n\n:\n\n## Steps\n\n1. Sum it up\n", None).unwrap();
    assert_eq!(conversion.command.description(), "Topics");
    assert_eq!(conversion.problems, []);
}

proptest! {
    #[test]
    fn any_text_becomes_a_definition_that_keeps_to_the_schema(
        text in "(# |## |### Phase 1: |[0-9]\\. |- |  - |\\*\\*|```|agents:|depends on |\\([0-9] min\\)|[a-z]|[0-9,() \\n]|\\PC){1,60}"
    ) {
        let Ok(conversion) = convert(&text, None) else { return Ok(()) };
        let agents = conversion.command.phases().iter().map(|phase| phase.agents.len()).sum::<usize>();
        prop_assert!(agents > 0);
        keeps_to_the_schema(&conversion.command);
        prop_assert!(conversion.problems.iter().all(|problem| problem.line.is_some()), "{}", conversion);
        prop_assert_eq!(
            conversion.command.graph(&GraphOptions::default()).is_ok(),
            conversion.problems.iter().all(|problem| problem.severity != Severity::Error)
        );
        // What is written back is read as the same.
        let again = Command::from_value(conversion.command.as_value().clone());
        prop_assert_eq!(again.phases(), conversion.command.phases());
        if let Some(parallel) = conversion.parallel {
            prop_assert!(parallel <= conversion.serial);
        }
    }
}
