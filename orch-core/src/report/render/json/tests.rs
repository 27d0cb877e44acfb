use serde_json::json;

use super::*;
use crate::{
    definition::{Graph, Task},
    event::EventKind,
    report::script::Script,
    units::Usd,
};

#[test]
fn the_form_is_version_1() {
    let graph = Graph::builder("notes \u{202e}")
        .task(Task::new("scan"))
        .task(Task::new("\u{9b}2J\"\u{1b}").after("scan"))
        .task(Task::new("later"))
        .task(Task::new("never").after("\u{9b}2J\"\u{1b}"))
        .build()
        .unwrap();
    let mut report = Script::new(&graph, Some(2))
        .start_after(1, "scan", 1, 1)
        .done_with(100, "scan", json!(["a", {"b": 1}]), Some(Usage::tokens("haiku", 10, 5)))
        .start(100, "\u{9b}2J\"\u{1b}")
        .push(110, EventKind::Warning { task: Some(crate::id::TaskIx(0)), message: "odd".into() })
        .fail(150, "\u{9b}2J\"\u{1b}", FailureKind::Timeout, "late\u{7f}")
        .skip(150, "later", SkipReason::Condition("inputs.deep".into()))
        .skip(150, "never", SkipReason::Upstream(crate::id::TaskIx(1)))
        .end(151, RunState::Failed)
        .report();
    report.price_with(|_| Some(Usd::from_nanos(31_275_000)));
    let text = json(&report).replace(&report.graph().hash().to_string(), "<hash>");
    assert!(text.chars().all(|char| char == '\n' || !is_unprintable(char)), "{text}");
    let back: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(back["tasks"][1]["id"], "\u{9b}2J\"\u{1b}");
    insta::assert_snapshot!(text, @r#"
    {
      "version": 1,
      "run": "00000000-0001-7000-8000-000000000002",
      "graph": "notes \u202e",
      "graph_hash": "<hash>",
      "state": "failed",
      "stopped": null,
      "max_parallel": 2,
      "peak": 1,
      "makespan_ms": 151,
      "serial_ms": 149,
      "lower_bound_ms": 149,
      "over_lower_bound": 1.0134,
      "speedup": 0.9868,
      "utilisation": 0.4934,
      "counts": {
        "total": 4,
        "succeeded": 1,
        "failed": 1,
        "skipped": 1,
        "cancelled": 1,
        "undone": 0,
        "running": 0,
        "pending": 0
      },
      "critical_path": [
        {
          "id": "scan",
          "waited_ms": 1,
          "started_ms": 1,
          "finished_ms": 100,
          "worked_ms": 99
        },
        {
          "id": "\u009b2J\"\u001b",
          "waited_ms": 0,
          "started_ms": 100,
          "finished_ms": 150,
          "worked_ms": 50
        }
      ],
      "tokens": 15,
      "usage": [
        {
          "model": "haiku",
          "input": 10,
          "output": 5,
          "requests": 1
        }
      ],
      "cost_usd": 0.031275,
      "unpriced": 0,
      "agents": [
        {
          "agent": null,
          "tasks": 4,
          "estimated_usd": null,
          "learned": 0,
          "cost_usd": 0.031275,
          "tokens": 15
        }
      ],
      "context": {
        "made": 0,
        "spent": {
          "time_ms": 0,
          "tokens": 0,
          "cost_usd": null
        },
        "hits": 0,
        "misses": 0,
        "known": 0,
        "avoided": {
          "time_ms": 0,
          "tokens": 0,
          "cost_usd": null
        },
        "net_ms": 0.0,
        "net_usd": null
      },
      "warnings": [
        {
          "at_ms": 110,
          "task": "scan",
          "message": "odd"
        }
      ],
      "warnings_left_out": 0,
      "checkpoints": [],
      "undo": null,
      "tasks": [
        {
          "id": "scan",
          "state": "succeeded",
          "attempts": 1,
          "ready_ms": 0,
          "queued_ms": 1,
          "started_ms": 1,
          "finished_ms": 100,
          "duration_ms": 99,
          "restored": false,
          "cached": false,
          "saved": null,
          "missed": null,
          "reads": [],
          "waits": [],
          "error": null,
          "error_kind": null,
          "skipped": null,
          "undo": null,
          "output": [
            "a",
            {
              "b": 1
            }
          ],
          "usage": [
            {
              "model": "haiku",
              "input": 10,
              "output": 5,
              "requests": 1
            }
          ],
          "cost_usd": 0.031275
        },
        {
          "id": "\u009b2J\"\u001b",
          "state": "failed",
          "attempts": 1,
          "ready_ms": 100,
          "queued_ms": 0,
          "started_ms": 100,
          "finished_ms": 150,
          "duration_ms": 50,
          "restored": false,
          "cached": false,
          "saved": null,
          "missed": null,
          "reads": [],
          "waits": [],
          "error": "late\u007f",
          "error_kind": "timeout",
          "skipped": null,
          "undo": null,
          "output": null,
          "usage": null,
          "cost_usd": null
        },
        {
          "id": "later",
          "state": "skipped",
          "attempts": 0,
          "ready_ms": null,
          "queued_ms": 0,
          "started_ms": null,
          "finished_ms": 150,
          "duration_ms": 0,
          "restored": false,
          "cached": false,
          "saved": null,
          "missed": null,
          "reads": [],
          "waits": [],
          "error": null,
          "error_kind": null,
          "skipped": "inputs.deep",
          "undo": null,
          "output": null,
          "usage": null,
          "cost_usd": null
        },
        {
          "id": "never",
          "state": "cancelled",
          "attempts": 0,
          "ready_ms": null,
          "queued_ms": 0,
          "started_ms": null,
          "finished_ms": 150,
          "duration_ms": 0,
          "restored": false,
          "cached": false,
          "saved": null,
          "missed": null,
          "reads": [],
          "waits": [],
          "error": "`\u009b2J\"\u001b` did not succeed",
          "error_kind": "upstream",
          "skipped": null,
          "undo": null,
          "output": null,
          "usage": null,
          "cost_usd": null
        }
      ]
    }
    "#);
}

#[test]
fn hidden_characters_stay_inside_their_strings() {
    for text in ["", "plain", "\u{7f}\u{9b}", "\u{202e}\n\t\"\\", "\u{feff}\\u0041", "emoji 🦀 \u{200d}"] {
        for shown in [json_line(text), pretty_json(text)] {
            assert!(shown.trim_end().chars().all(|char| !is_unprintable(char)), "{shown:?}");
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
