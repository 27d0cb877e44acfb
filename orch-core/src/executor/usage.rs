//! Reads what agent programs report of their own use of models.

use serde_json::Value;

use crate::{
    event::Failure,
    units::{ModelUsage, Usage, Usd},
};

/// What Claude Code says at its end: the `result` message of `claude -p --output-format json` (or `stream-json`).
///
/// The message's `usage` field covers the main loop only, so the numbers are those of `modelUsage`, which covers every
/// model. Both are cumulative for the session: of several messages only the last counts.
///
/// ```
/// use orch_core::executor::ClaudeResult;
///
/// let text = r#"{"type":"result","subtype":"success","result":"three findings","total_cost_usd":0.25,
///     "modelUsage":{"claude-sonnet-4-5":{"inputTokens":10,"cacheReadInputTokens":90,"outputTokens":5,"costUSD":0.25}}}"#;
/// let result = ClaudeResult::find(text).unwrap();
/// assert_eq!(result.answer.unwrap(), "three findings");
/// assert_eq!(result.usage.models()[0].input, 100, "cached tokens are input tokens too");
/// assert!(ClaudeResult::find("three findings").is_none());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClaudeResult {
    /// The answer: `structured_output` where there is one, else the text of `result`.
    pub answer: Option<Value>,
    /// Why it failed, if it did. Going over its own budget is fatal: trying again would only cost more.
    pub failure: Option<Failure>,
    /// What it used, by model. The provider does not tell the number of calls: it is 1 for each model.
    pub usage: Usage,
}

impl ClaudeResult {
    /// The last result message in what the program wrote: one message, a list of messages, or one message a line.
    pub fn find(text: &str) -> Option<Self> {
        // Most programs are not Claude; they should not pay for parsing.
        if !text.contains("\"result\"") {
            return None;
        }
        match serde_json::from_str(text) {
            Ok(Value::Array(messages)) => messages.iter().rev().find_map(Self::from_message),
            Ok(message) => Self::from_message(&message),
            Err(_) => text.lines().rev().find_map(|line| Self::from_message(&serde_json::from_str(line).ok()?)),
        }
    }

    /// What Codex said, in the events of `codex exec --json`: its last message, and why its turn failed. Usage is not read here.
    #[cfg(feature = "process")]
    pub(crate) fn of_codex(text: &str) -> Option<Self> {
        if !text.contains("\"turn.completed\"") && !text.contains("\"turn.failed\"") {
            return None;
        }
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let (mut found, mut turns) = (Self { answer: None, failure: None, usage: Usage::default() }, 0);
        for event in events {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
            turns += u32::from(kind.starts_with("turn."));
            match kind {
                "item.completed" if event.pointer("/item/type").and_then(Value::as_str) == Some("agent_message") => {
                    found.answer = event.pointer("/item/text").cloned();
                }
                "turn.completed" => found.failure = None,
                "turn.failed" => {
                    let why = event.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason");
                    found.failure = Some(Failure::error(format!("the agent reports a failed turn: {why}")));
                }
                _ => {}
            }
        }
        (turns > 0).then_some(found)
    }

    /// The result in that message, if it is a result message.
    pub fn from_message(message: &Value) -> Option<Self> {
        let is_result = message.get("type")?.as_str()? == "result";
        if !is_result || (message.get("modelUsage").is_none() && message.get("total_cost_usd").is_none()) {
            return None;
        }
        let answer =
            message.get("structured_output").filter(|value| !value.is_null()).or_else(|| message.get("result"));
        Some(Self { answer: answer.cloned(), failure: failure(message), usage: usage(message) })
    }
}

fn failure(message: &Value) -> Option<Failure> {
    let subtype = message.get("subtype").and_then(Value::as_str).unwrap_or_default();
    let is_error = message.get("is_error").and_then(Value::as_bool).unwrap_or(subtype.starts_with("error"));
    if !is_error {
        return None;
    }
    // A failed call to the model has the subtype `success` and its message in `result`.
    let said = message.get("result").and_then(Value::as_str).filter(|said| !said.is_empty());
    let text = match said {
        Some(said) => format!("the agent reports `{subtype}`: {}", said.lines().next().unwrap_or_default()),
        None => format!("the agent reports `{subtype}`"),
    };
    Some(if subtype == "error_max_budget_usd" { Failure::fatal(text) } else { Failure::error(text) })
}

fn usage(message: &Value) -> Usage {
    let mut models: Vec<ModelUsage> = match message.get("modelUsage") {
        Some(Value::Object(models)) => models.iter().map(|(model, counts)| model_usage(model, counts)).collect(),
        _ => Vec::new(),
    };
    let total = message.get("total_cost_usd").and_then(dollars);
    if total.is_some() && models.iter().all(|model| model.billed.is_none()) {
        // Only the sum is known. It goes to the first model; without any, to an entry without a name.
        if models.is_empty() {
            models.push(ModelUsage { requests: 1, ..ModelUsage::default() });
        }
        if let Some(first) = models.first_mut() {
            first.billed = total;
        }
    }
    let mut usage = Usage::default();
    models.into_iter().for_each(|model| usage.add(&model.into()));
    usage
}

/// Claude counts cached tokens beside the input tokens; here they are among them.
fn model_usage(model: &str, counts: &Value) -> ModelUsage {
    let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or(0);
    let cache_read = count("cacheReadInputTokens");
    let written = count("cacheCreationInputTokens");
    let for_an_hour = count("cacheCreationEphemeral1hInputTokens");
    ModelUsage {
        model: model.to_owned(),
        input: count("inputTokens").saturating_add(cache_read).saturating_add(written),
        output: count("outputTokens"),
        cache_read,
        // What is not said to be for one hour is for five minutes, the default.
        cache_write: written.saturating_sub(for_an_hour),
        cache_write_1h: for_an_hour.min(written),
        reasoning: count("thinkingTokens"),
        requests: 1,
        billed: counts.get("costUSD").and_then(dollars),
        ..ModelUsage::default()
    }
}

fn dollars(value: &Value) -> Option<Usd> {
    value.as_f64().filter(|dollars| *dollars >= 0.0).map(Usd::from_dollars)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::FailureKind;

    fn message() -> Value {
        json!({
            "type": "result", "subtype": "success", "is_error": false, "result": "done", "total_cost_usd": 0.1234567,
            "usage": {"input_tokens": 1, "output_tokens": 1},
            "modelUsage": {
                "claude-opus-4-5": {
                    "inputTokens": 100, "outputTokens": 50, "thinkingTokens": 20, "cacheReadInputTokens": 1000,
                    "cacheCreationInputTokens": 300, "cacheCreationEphemeral5mInputTokens": 100,
                    "cacheCreationEphemeral1hInputTokens": 200, "webSearchRequests": 0, "costUSD": 0.12,
                    "contextWindow": 200000, "maxOutputTokens": 32000
                },
                "claude-haiku-4-5": {"inputTokens": 7, "outputTokens": 3, "costUSD": 0.0034567}
            }
        })
    }

    #[test]
    fn every_model_is_counted_by_class() {
        let result = ClaudeResult::from_message(&message()).unwrap();
        assert_eq!(result.failure, None);
        let [opus, haiku] = result.usage.models() else { panic!("two models") };
        assert_eq!(
            *opus,
            ModelUsage {
                model: "claude-opus-4-5".into(),
                input: 1400,
                output: 50,
                cache_read: 1000,
                cache_write: 100,
                cache_write_1h: 200,
                reasoning: 20,
                requests: 1,
                billed: Some(Usd::from_cents(12)),
                ..ModelUsage::default()
            }
        );
        assert_eq!((haiku.input, haiku.billed), (7, Some(Usd::from_nanos(3_456_700))));
    }

    #[test]
    fn the_last_message_counts() {
        let mut earlier = message();
        earlier["result"] = json!("earlier");
        let lines = format!("{{\"type\":\"system\"}}\n{earlier}\n{}\nnot JSON\n", message());
        assert_eq!(ClaudeResult::find(&lines).unwrap().answer, Some(json!("done")));
        let list = json!([{"type": "system"}, earlier, message(), {"type": "other"}]).to_string();
        assert_eq!(ClaudeResult::find(&list).unwrap().answer, Some(json!("done")));
    }

    #[test]
    fn structured_output_goes_before_text() {
        let mut message = message();
        message["structured_output"] = json!({"findings": 3});
        assert_eq!(ClaudeResult::from_message(&message).unwrap().answer, Some(json!({"findings": 3})));
    }

    #[test]
    fn errors_are_named() {
        let mut message = message();
        message["is_error"] = json!(true);
        message["result"] = json!("API Error: 529\noverloaded");
        let failure = ClaudeResult::from_message(&message).unwrap().failure.unwrap();
        assert_eq!(failure, Failure::error("the agent reports `success`: API Error: 529"));
        let over = json!({"type": "result", "subtype": "error_max_budget_usd", "total_cost_usd": 5.0});
        let result = ClaudeResult::from_message(&over).unwrap();
        assert_eq!(result.failure.unwrap().kind, FailureKind::Fatal);
        assert_eq!(result.usage.models()[0].billed, Some(Usd::from_cents(500)), "a failed attempt has its price too");
    }

    #[test]
    fn a_total_without_parts_goes_to_the_first_model() {
        let message = json!({"type": "result", "total_cost_usd": 1.5, "modelUsage": {"a": {}, "b": {}}});
        let usage = ClaudeResult::from_message(&message).unwrap().usage;
        let billed: Vec<_> = usage.models().iter().map(|model| model.billed).collect();
        assert_eq!(billed, [Some(Usd::from_cents(150)), None]);
    }

    #[test]
    fn other_programs_say_nothing_of_usage() {
        for text in [
            "",
            "3",
            "{}",
            "[]",
            "[[[",
            r#"{"type":"result"}"#,
            r#"{"type":["result"],"total_cost_usd":1}"#,
            "\"result\"",
            r#"{"type":"results","total_cost_usd":1,"x":"result"}"#,
        ] {
            assert_eq!(ClaudeResult::find(text), None, "{text}");
        }
        let odd = r#"{"type":"result","total_cost_usd":"1","modelUsage":{"m":{"inputTokens":-5,"costUSD":-1}}}"#;
        let usage = ClaudeResult::find(odd).unwrap().usage;
        assert_eq!(usage.models()[0], ModelUsage { model: "m".into(), requests: 1, ..ModelUsage::default() });
    }
}
