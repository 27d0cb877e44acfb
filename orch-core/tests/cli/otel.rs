//! `orch run --otel`: what a collector hears, and what programs are told.

use super::{
    Folder,
    process::program,
    server::{Server, answer},
};
use serde_json::Value;

fn attribute<'a>(of: &'a Value, key: &str) -> Option<&'a Value> {
    let found = of["attributes"].as_array()?.iter().find(|one| one["key"] == key)?;
    found["value"].as_object()?.values().next()
}

fn base(server: &Server) -> String {
    server.address().rsplit_once('/').unwrap().0.to_owned()
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_run_is_told_as_spans_and_metrics_and_programs_are_part_of_it() {
    let folder = Folder::new();
    folder.file("x.json", super::command(&[("a", "writer", &[]), ("b", "broken", &["a"])]));
    let said = r#"{"type":"result","subtype":"success","is_error":false,"result":"done","total_cost_usd":0.5,"modelUsage":{"claude-sonnet-4-5":{"inputTokens":100,"outputTokens":20,"cacheReadInputTokens":50,"cacheCreationInputTokens":0,"webSearchRequests":0,"costUSD":0.5}}}"#;
    folder.file("said.json", said);
    folder.file("orch.toml", "[agents.writer]\nargv = ['sh', '-c', 'echo $TRACEPARENT > parent; cat said.json']\n[agents.broken]\nargv = ['false']\n");
    let server = Server::new(|_| answer("200 OK", "", "{}"));
    let done = program(&folder)
        .args(["run", "x.json", "--otel", "--config", "orch.toml"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", base(&server))
        .env("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
        .env("OTEL_SERVICE_NAME", "nightly")
        .env("TRACEPARENT", PARENT)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let got = server.got.lock().unwrap().clone();
    let spans: Vec<&Value> =
        got.iter().filter_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array()).flatten().collect();
    let named = |name: &str| {
        *spans
            .iter()
            .find(|span| span["name"].as_str().is_some_and(|own| own.starts_with(name)))
            .unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let (run, agent, chat, broken) = (
        named("invoke_workflow "),
        named("invoke_agent writer"),
        named("chat claude-sonnet-4-5"),
        named("invoke_agent broken"),
    );
    assert!(spans.iter().all(|span| span["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(run["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!((&agent["parentSpanId"], &chat["parentSpanId"]), (&run["spanId"], &agent["spanId"]));
    assert_eq!(
        (&agent["status"]["code"], &broken["status"]["code"], &run["status"]["code"]),
        (&0.into(), &2.into(), &2.into())
    );
    assert_eq!(attribute(broken, "error.type"), Some(&"error".into()));
    for (key, value) in [
        ("gen_ai.operation.name", Value::from("chat")),
        ("gen_ai.provider.name", "anthropic".into()),
        ("gen_ai.request.model", "claude-sonnet-4-5".into()),
        ("gen_ai.usage.input_tokens", "150".into()),
        ("gen_ai.usage.cache_read.input_tokens", "50".into()),
        ("gen_ai.usage.output_tokens", "20".into()),
        ("gen_ai.usage.cost.amount", 0.5.into()),
        ("gen_ai.usage.cost.currency", "USD".into()),
    ] {
        assert_eq!(attribute(chat, key), Some(&value), "{key} in {chat:#}");
    }
    let began = |span: &Value| span["startTimeUnixNano"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(began(run) <= began(agent) && began(agent) <= began(broken) && began(run) > 1_700_000_000_000_000_000);
    // The program's own spans would hang below its attempt.
    let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01\n", agent["spanId"].as_str().unwrap());
    assert_eq!(folder.read("parent"), parent);

    let body = got.iter().find(|body| body.get("resourceMetrics").is_some()).unwrap();
    assert_eq!(attribute(&body["resourceMetrics"][0]["resource"], "service.name"), Some(&"nightly".into()));
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let metric = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name}"));
    let tokens = metric("gen_ai.client.token.usage")["histogram"]["dataPoints"].as_array().unwrap();
    let of =
        |kind: &str| tokens.iter().find(|point| attribute(point, "gen_ai.token.type") == Some(&kind.into())).unwrap();
    assert_eq!((&of("input")["sum"], &of("output")["count"]), (&150.0.into(), &"1".into()));
    assert_eq!(
        of("input")["bucketCounts"].as_array().unwrap().len(),
        of("input")["explicitBounds"].as_array().unwrap().len() + 1
    );
    let counter = &metric("gen_ai.client.inference.usage.input_tokens")["sum"];
    assert_eq!((&counter["dataPoints"][0]["asInt"], &counter["isMonotonic"]), (&"150".into(), &true.into()));
    assert_eq!(metric("orch.cost.usage")["sum"]["dataPoints"][0]["asDouble"], 0.5);
    metric("gen_ai.client.operation.duration");
}

#[test]
fn a_collector_that_is_not_there_does_not_fail_the_run() {
    let folder = Folder::new();
    folder.file("x.json", super::command(&[("a", "writer", &[])]));
    let server = Server::new(|_| answer("400 Bad Request", "", "{}"));
    let run = |address: &str| {
        let done = program(&folder)
            .args(["run", "x.json", "--otel", "--agent", "*=true"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", address)
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, stderr) = run(&base(&server));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("telemetry did not all arrive (2 spans lost): the collector answered 400"), "{stderr}");
    // Nobody listens at the port of discarded words.
    let (code, stderr) = run("http://127.0.0.1:9");
    assert!(code == Some(0) && stderr.contains("telemetry did not all arrive"), "{stderr}");
    let (code, stderr) = run("collector:4317");
    assert!(code == Some(2) && stderr.contains("is no http address"), "{stderr}");
}
