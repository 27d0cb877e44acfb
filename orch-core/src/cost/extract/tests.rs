use serde_json::{Value, json};

use super::{Extractor, Extractors};
use crate::{
    fixtures,
    units::{ModelUsage, Usd},
};

fn read(text: &str) -> (String, Vec<ModelUsage>) {
    let found = Extractors::built_in().read(text).unwrap_or_else(|| panic!("no usage in {text}"));
    (found.dialect, found.usage.models().to_vec())
}

fn one(message: &Value) -> (String, ModelUsage) {
    let (dialect, models) = read(&message.to_string());
    let [model] = &models[..] else { panic!("one model: {models:?}") };
    (dialect, model.clone())
}

#[test]
fn the_table_can_be_read_and_says_everything_by_name() {
    let rows: Vec<Extractor> = serde_json::from_str(include_str!("table.json")).unwrap();
    assert_eq!(Extractors::built_in().names().count(), rows.len());
    let fields = ["input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", "requests"];
    for row in &rows {
        assert!(row.counts.keys().all(|count| fields.contains(&count.as_str())), "{}", row.name);
        assert!(!row.when.is_empty(), "{}", row.name);
    }
}

/// The corpus says what the reference implementation extracts of each body, by provider and flavour.
#[test]
fn bodies_of_real_responses_are_read_as_the_reference_does() {
    let Some(file) = fixtures::path("genai-prices/usages-half.json") else { return };
    let corpus: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    // Which of the reference's flavours each of our dialects speaks.
    let speaks = |dialect: &str, provider: &str, flavour: &str| match dialect {
        "anthropic" => (provider, flavour) == ("anthropic", "default"),
        "openai-chat" => (provider, flavour) == ("openai", "chat"),
        "openai-responses" => (provider, flavour) == ("openai", "responses"),
        "google" => (provider, flavour) == ("google", "default"),
        "bedrock" => (provider, flavour) == ("aws", "default"),
        _ => false,
    };
    let mut compared = std::collections::BTreeMap::new();
    for response in &corpus {
        let Some(found) = Extractors::built_in().find(std::slice::from_ref(&response["body"])) else { continue };
        let [ours] = found.usage.models() else { panic!("one model in {response}") };
        for extracted in response["extracted"].as_array().unwrap() {
            let mine = |extractor: &&Value| {
                let text = |key: &str| extractor[key].as_str().unwrap_or("default");
                speaks(&found.dialect, text("provider_id"), text("api_flavor"))
            };
            if extracted["extractors"].as_array().unwrap().iter().find(mine).is_none() {
                continue;
            }
            let theirs = Extractors::built_in().only("genai-prices").find(std::slice::from_ref(&extracted["usage"]));
            let Some(theirs) = theirs else { continue };
            let mut theirs = theirs.usage.models()[0].clone();
            theirs.model = ours.model.clone();
            let mut ours = ModelUsage { terms: Default::default(), ..ours.clone() };
            // The reference leaves out some details in some flavours; what it does say must be the same.
            if theirs.reasoning == 0 {
                ours.reasoning = 0;
            }
            ours.items.retain(|item, _| theirs.items.contains_key(item));
            assert_eq!(ours, theirs, "{}: {}", found.dialect, response["body"]);
            *compared.entry(found.dialect.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(
        compared.into_iter().collect::<Vec<_>>(),
        [("anthropic", 108), ("bedrock", 111), ("google", 230), ("openai-chat", 200), ("openai-responses", 129)]
            .map(|(name, count)| (name.to_owned(), count))
    );
}

#[test]
fn of_a_cumulative_dialect_the_latest_message_counts_alone() {
    let result = |input: u64, dollars: f64| {
        json!({"type": "result", "total_cost_usd": dollars, "usage": {"input_tokens": 1, "output_tokens": 1}, "modelUsage": {
            "claude-opus-4-5": {"inputTokens": input, "cacheReadInputTokens": 90, "cacheCreationInputTokens": 30,
                "cacheCreationEphemeral1hInputTokens": 20, "outputTokens": 5, "costUSD": dollars}}})
    };
    let assistant = json!({"type": "assistant", "message": {"id": "m", "model": "claude-opus-4-5", "usage": {"input_tokens": 7,
        "output_tokens": 1}}});
    let stream = format!("{assistant}\n{}\nwords\n{}\n", result(10, 0.1), result(25, 0.25));
    let (dialect, models) = read(&stream);
    assert_eq!(dialect, "claude-code-result");
    let want = ModelUsage {
        model: "claude-opus-4-5".into(),
        input: 145,
        output: 5,
        cache_read: 90,
        cache_write: 10,
        cache_write_1h: 20,
        requests: 1,
        billed: Some(Usd::from_cents(25)),
        ..ModelUsage::default()
    };
    assert_eq!(models, [want]);
}

#[test]
fn a_transcript_tells_each_call_several_times() {
    let line = |id: &str, output: u64| {
        json!({"type": "assistant", "requestId": "r", "message": {"id": id, "model": "claude-haiku-4-5", "usage": {
            "input_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": output,
            "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60}}}})
        .to_string()
    };
    let text = [line("a", 1), r#"{"type":"user"}"#.into(), line("a", 8), line("b", 2)].join("\n");
    let (dialect, models) = read(&text);
    assert_eq!(dialect, "claude-code-transcript");
    let [model] = &models[..] else { panic!("{models:?}") };
    assert_eq!((model.input, model.output, model.requests), (2206, 10, 2));
    assert_eq!((model.cache_read, model.cache_write, model.cache_write_1h), (2000, 80, 120));
}

#[test]
fn codex_counts_up_and_names_its_model_elsewhere() {
    let turn = |input: u64| {
        json!({"type": "turn.completed", "usage": {"input_tokens": input, "cached_input_tokens": 50, "output_tokens": 7,
            "reasoning_output_tokens": 2}})
    };
    let (dialect, models) = read(&format!("{{\"type\":\"thread.started\"}}\n{}\n{}", turn(100), turn(300)));
    assert_eq!(
        (dialect.as_str(), models[0].input, models[0].cache_read, models[0].reasoning),
        ("codex-exec", 300, 50, 2)
    );
    assert_eq!(models[0].model, "", "it does not say");
    let session = [
        json!({"type": "turn_context", "payload": {"model": "gpt-5-codex"}}),
        json!({"type": "event_msg", "payload": {"type": "token_count", "info": null}}),
        json!({"type": "event_msg", "payload": {"type": "token_count", "info": {"total_token_usage": {"input_tokens": 40,
            "cached_input_tokens": 30, "output_tokens": 2}, "last_token_usage": {"input_tokens": 9}}}}),
    ];
    let found = Extractors::built_in().find(&session).unwrap();
    let model = &found.usage.models()[0];
    assert_eq!((found.dialect.as_str(), model.model.as_str(), model.input), ("codex-session", "gpt-5-codex", 40));
}

#[test]
fn opencode_counts_reasoning_and_caches_apart() {
    let tokens = json!({"input": 10, "output": 20, "reasoning": 5, "cache": {"read": 100, "write": 3}});
    let message = json!({"id": "m", "role": "assistant", "modelID": "claude-sonnet-4-5", "providerID": "anthropic", "cost": 0.5,
        "tokens": tokens});
    let (dialect, model) = one(&message);
    assert_eq!((dialect.as_str(), model.model.as_str()), ("opencode-message", "anthropic/claude-sonnet-4-5"));
    assert_eq!((model.input, model.output, model.reasoning, model.cache_read), (113, 25, 5, 100));
    assert_eq!(model.billed, Some(Usd::from_cents(50)));
    let step = json!({"type": "step_finish", "part": {"id": "p", "type": "step-finish", "cost": 0, "tokens": tokens}});
    let (dialect, model) = one(&step);
    assert_eq!(
        (dialect.as_str(), model.output, model.billed),
        ("opencode-step", 25, None),
        "a cost of 0 is none that is known"
    );
}

#[test]
fn ccusage_sums_models_of_days_and_projects() {
    let day = |cost: f64| {
        json!({"date": "2026-01-02", "inputTokens": 1, "modelBreakdowns": [{"modelName": "claude-opus-4-5", "inputTokens": 4,
            "outputTokens": 6, "cacheCreationTokens": 10, "cacheReadTokens": 20, "cost": cost}]})
    };
    for message in [
        json!({"daily": [day(0.5), day(0.25)], "totals": {"totalCost": 0.75}}),
        json!({"projects": {"a": [day(0.5)], "b": [day(0.25)]}, "totals": {}}),
    ] {
        let (dialect, model) = one(&message);
        assert_eq!((dialect.as_str(), model.input, model.output), ("ccusage", 68, 12));
        assert_eq!(model.billed, Some(Usd::from_cents(75)));
    }
}

#[test]
fn terms_and_searches_are_read() {
    let (_, model) = one(
        &json!({"model": "claude-sonnet-4-5", "usage": {"input_tokens": 1, "output_tokens": 1, "service_tier": "batch",
        "server_tool_use": {"web_search_requests": 2}}}),
    );
    assert_eq!((model.items["web_searches"], model.terms["processing"].as_str()), (2, "batch"));
    let (_, model) =
        one(&json!({"model": "gpt-5", "service_tier": "flex", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}));
    assert_eq!(model.terms["service_tier"], "flex");
    let (_, model) = one(&json!({"model": "gpt-5", "service_tier": "default", "usage": {"prompt_tokens": 1}}));
    assert!(model.terms.is_empty());
}

#[test]
fn our_own_form_comes_back() {
    let usage = ModelUsage {
        model: "m".into(),
        input: 100,
        output: 10,
        cache_read: 1,
        cache_write: 2,
        cache_write_1h: 3,
        reasoning: 4,
        requests: 5,
        items: [("web_searches".to_owned(), 6)].into(),
        terms: [("processing".to_owned(), "batch".to_owned())].into(),
        billed: None,
    };
    assert_eq!(one(&serde_json::to_value(&usage).unwrap()), ("orch".to_owned(), usage));
}

#[test]
fn a_program_with_another_form_gets_a_row() {
    let row = r#"{"name": "house", "when": ["tokens_in"], "model": ["engine"], "counts": {"input": ["tokens_in"], "output": ["tokens_out"]}}"#;
    let table = Extractors::built_in().with(serde_json::from_str(row).unwrap());
    let found = table.read(r#"{"engine": "local", "tokens_in": 3, "tokens_out": 4}"#).unwrap();
    assert_eq!((found.dialect.as_str(), found.usage.total_tokens()), ("house", 7));
    assert!(serde_json::from_str::<Extractor>(r#"{"nam": "house"}"#).is_err());
}

#[test]
fn odd_messages_count_as_nothing() {
    for text in [
        "",
        "3",
        "[]",
        "{}",
        "[[[",
        r#"{"usage": null}"#,
        r#"{"usage": {"input_tokens": null}}"#,
        "[{\"type\": \"result\"}]",
    ] {
        assert_eq!(Extractors::built_in().read(text), None, "{text}");
    }
    let (_, model) =
        one(&json!({"usage": {"input_tokens": -5, "output_tokens": 1.5, "cache_read_input_tokens": u64::MAX}}));
    assert_eq!((model.input, model.output, model.cache_read), (u64::MAX, 0, u64::MAX));
}
