use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Plan, PlanOptions, testing::graphs::tasks};

/// Name, estimate, agent and dependencies by name: what the format carries of a task.
type Content = (String, Option<Duration>, Option<String>, BTreeSet<String>);

fn content(graph: &Graph) -> Vec<Content> {
    graph
        .indices()
        .map(|ix| {
            let task = graph.task(ix);
            let parents = graph.parents(ix).map(|parent| graph.id(parent).as_str().to_owned()).collect();
            (task.id().as_str().to_owned(), task.estimated(), task.options().agent.clone(), parents)
        })
        .collect()
}

#[test]
fn every_instance_is_read_and_comes_back() {
    let Some(folder) = crate::fixtures::path("wfinstances") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut table = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let graph = from_wfformat(&text).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let tasks = document["workflow"]["specification"]["tasks"].as_array().unwrap();
        assert_eq!(graph.len(), tasks.len());
        for task in tasks {
            let ix = graph.find(task["id"].as_str().unwrap()).unwrap();
            assert_eq!(graph.parents(ix).len(), task["parents"].as_array().unwrap().len());
        }
        let back = from_wfformat(&wfformat(&graph)).unwrap();
        assert_eq!(content(&back), content(&graph));
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        table.push_str(&format!(
            "{} {} tasks, {} edges, {} levels, {:.0} s of work, {:.0} s critical\n",
            file.file_stem().unwrap().to_string_lossy(),
            graph.len(),
            graph.edges(),
            plan.levels(),
            plan.serial().as_secs_f64(),
            plan.critical().as_secs_f64(),
        ));
    }
    insta::assert_snapshot!(table, @r#"
    1000genome-chameleon-14ch-250k-001 574 tasks, 742 edges, 3 levels, 35362 s of work, 367 s critical
    1000genome-chameleon-4ch-100k-001 104 tasks, 152 edges, 3 levels, 8610 s of work, 330 s critical
    bacass-dirt02-001 11 tasks, 14 edges, 5 levels, 3962 s of work, 2150 s critical
    blast-chameleon-large-003 103 tasks, 300 edges, 3 levels, 142796 s of work, 1767 s critical
    blast-chameleon-small-004 43 tasks, 120 edges, 3 levels, 374 s of work, 11 s critical
    bwa-chameleon-medium-005 1004 tasks, 4000 edges, 3 levels, 3472 s of work, 149 s critical
    cutandrun-dirt02-001 120 tasks, 196 edges, 22 levels, 904 s of work, 317 s critical
    epigenomics-chameleon-hep-2seq-50k-001 223 tasks, 274 edges, 9 levels, 3632 s of work, 125 s critical
    epigenomics-chameleon-ilmn-1seq-100k-001 125 tasks, 153 edges, 9 levels, 2578 s of work, 143 s critical
    epigenomics-chameleon-ilmn-6seq-50k-001 1695 tasks, 2108 edges, 9 levels, 26060 s of work, 1084 s critical
    helloworld-chain-5-chameleon 5 tasks, 4 edges, 5 levels, 501 s of work, 501 s critical
    helloworld-forkjoin-10-chameleon 10 tasks, 16 edges, 3 levels, 1029 s of work, 307 s critical
    hic-dirt02-001 38 tasks, 47 edges, 13 levels, 577 s of work, 275 s critical
    mag-dirt02-001 157 tasks, 282 edges, 13 levels, 3692 s of work, 526 s critical
    rnaseq-dirt02-001 197 tasks, 451 edges, 10 levels, 2580 s of work, 759 s critical
    sarek-dirt02-001 26 tasks, 50 edges, 10 levels, 393 s of work, 310 s critical
    scrnaseq-dirt02-001 14 tasks, 17 edges, 5 levels, 1374 s of work, 800 s critical
    seismology-chameleon-300p-001 301 tasks, 300 edges, 2 levels, 230 s of work, 5 s critical
    soykb-chameleon-30fastq-10ch-001 256 tasks, 554 edges, 11 levels, 33912 s of work, 7322 s critical
    srasearch-chameleon-20a-001 42 tasks, 60 edges, 3 levels, 46183 s of work, 4152 s critical
    srasearch-chameleon-40a-002 84 tasks, 122 edges, 4 levels, 34874 s of work, 2698 s critical
    "#);
}

#[test]
fn a_written_document_keeps_to_the_schema() {
    let graph = Graph::builder("")
        .task(Task::new("a b").agent("reviewer").estimate(Duration::from_millis(1_500)))
        .task(Task::new("a/b").after("a b").estimate(Duration::from_secs(2)))
        .task(Task::new("a_b").after("a/b"))
        .build()
        .unwrap();
    insta::assert_snapshot!(wfformat(&graph).replace(crate::VERSION, "<version>"), @r#"
    {
      "name": "unnamed",
      "description": "Runtimes are estimates; the makespan is the critical path",
      "schemaVersion": "1.5",
      "runtimeSystem": {
        "name": "orch",
        "version": "<version>"
      },
      "workflow": {
        "specification": {
          "tasks": [
            {
              "name": "a b",
              "id": "a_b.2",
              "parents": [],
              "children": [
                "a_b.3"
              ]
            },
            {
              "name": "a/b",
              "id": "a_b.3",
              "parents": [
                "a_b.2"
              ],
              "children": [
                "a_b"
              ]
            },
            {
              "name": "a_b",
              "id": "a_b",
              "parents": [
                "a_b.3"
              ],
              "children": []
            }
          ]
        },
        "execution": {
          "makespanInSeconds": 3.5,
          "executedAt": "1970-01-01T00:00:00Z",
          "tasks": [
            {
              "id": "a_b.2",
              "runtimeInSeconds": 1.5,
              "command": {
                "program": "reviewer",
                "arguments": []
              }
            },
            {
              "id": "a_b.3",
              "runtimeInSeconds": 2.0
            }
          ]
        }
      }
    }
    "#);
}

fn document(tasks: &str, execution: &str) -> String {
    format!(
        r#"{{"name": "x", "schemaVersion": "1.5",
            "workflow": {{"specification": {{"tasks": [{tasks}]}}, "execution": {{"tasks": [{execution}]}}}}}}"#
    )
}

#[test]
fn every_problem_of_a_document_is_named() {
    let task =
        |id: &str, parents: &str| format!(r#"{{"name": "n", "id": "{id}", "parents": [{parents}], "children": []}}"#);
    let tasks = [task("a", r#""b""#), task("b", r#""a""#), task("c", r#""gone""#), task("c", "")].join(",");
    let executed = r#"{"id": "a", "runtimeInSeconds": -1}, {"id": "nobody", "runtimeInSeconds": 1}"#;
    let error = from_wfformat(&document(&tasks, executed)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
    insta::assert_snapshot!(error, @r#"
    the WfFormat document has 5 problems
      error[DUPLICATE_ID] workflow.specification.tasks[3].id: `c` is the id of an earlier task too; ids are unique
      error[INVALID_VALUE] workflow.execution.tasks[0].runtimeInSeconds: a runtime is zero or more seconds, not `-1`
      error[MISSING_REFERENCE] workflow.execution.tasks[1].id: `nobody` is the id of no task of the specification
      error[MISSING_REFERENCE] workflow.specification.tasks[2].parents[0]: `gone` is the id of no task of the specification
      error[CIRCULAR_DEPENDENCY] tasks.a: these tasks wait for each other: a → b → a
    "#);
}

#[test]
fn what_is_no_wfformat_says_so() {
    let cases = [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"schemaVersion": "9\u001b"}"#,
        r#"{"schemaVersion": 1.5}"#,
        r#"{"schemaVersion": "1.5"}"#,
        r#"{"schemaVersion": "1.5", "name": "x", "workflow": {"specification": {"tasks": {}}}}"#,
        &document("", r#"{"id": "a", "runtimeInSeconds": 1e999}"#),
    ];
    let errors: Vec<_> = cases.iter().map(|text| from_wfformat(text).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    this is no WfFormat: a JSON object is expected
    this is no WfFormat: a JSON object is expected
    this is no WfFormat: a JSON object is expected
    no `schemaVersion`: this is no WfFormat; expected a JSON object with "schemaVersion": "1.5"
    this is WfFormat `9\u{1b}`; only 1.5 is read
    not valid WfFormat: invalid type: floating point `1.5`, expected a string at line 1 column 21
    not valid WfFormat: missing field `name` at line 1 column 24
    not valid WfFormat: invalid type: map, expected a sequence at line 1 column 78
    not valid WfFormat: number out of range at line 2 column 118
    "#);
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(from_wfformat(&nested).unwrap_err().kind(), ErrorKind::InvalidFormat);
}

proptest! {
    #[test]
    fn any_names_come_back(
        names in prop::collection::hash_set("[ab/ _.#\"\\\\\u{1b}é]{1,4}", 12),
        tasks in tasks(12..=12),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let rename = |id: &TaskId| TaskId::from(names[id.as_str()[1..].parse::<usize>().unwrap()].as_str());
        let renamed = tasks.iter().map(|task| {
            let mut task = task.clone();
            task.id = rename(&task.id);
            task.after = task.after.iter().map(rename).collect();
            task
        });
        let graph = Graph::builder("names").tasks(renamed).build().unwrap();
        let ids = identifiers(&graph);
        prop_assert!(ids.iter().all(|id| is_allowed(id) && !id.is_empty()));
        prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        prop_assert_eq!(content(&from_wfformat(&wfformat(&graph)).unwrap()), content(&graph));
    }
}
