//! What a program says of its usage while it runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agents::Agent;
use crate::{
    cost::extract::{Extractor, Extractors},
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::{ModelUsage, Usage},
};

/// The dialects that are known without being named: those that nothing else looks like.
const KNOWN: [&str; 3] = ["claude-code-result", "claude-code-stream", "codex-exec"];

/// A line above that is no message.
const LONGEST_LINE: usize = 8 * 1024 * 1024;

/// How a program says what it used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UsageForm {
    /// A [dialect](crate::cost::Extractors::built_in) by its name, or `any` of them.
    Dialect(String),
    /// A dialect of its own: which of its messages say it, and where in them.
    Own(Box<Extractor>),
}

impl UsageForm {
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for a dialect that there is not.
    fn rows(&self) -> Result<Extractors> {
        let all = Extractors::built_in();
        match self {
            Self::Dialect(name) if name == "any" => Ok(all),
            Self::Dialect(name) if all.names().any(|known| known == name) => Ok(all.only(name)),
            Self::Dialect(name) => {
                let known: Vec<&str> = all.names().collect();
                let message = format!(
                    "no dialect of usage is called `{}`; known here: any, {}, or a table of its own",
                    Printable(name),
                    known.join(", ")
                );
                Err(Error::new(ErrorKind::NotFound, message))
            }
            Self::Own(row) => Ok(all.only("").with((**row).clone())),
        }
    }
}

/// Reads the usage out of a stream of lines.
#[derive(Debug)]
pub(super) struct UsageWatch {
    rows: Vec<Extractors>,
    /// The model that is meant where the program names none.
    model: Option<String>,
    held: Vec<u8>,
    messages: Vec<Value>,
    usage: Usage,
}

impl UsageWatch {
    /// # Errors
    ///
    /// Those of the agent's form of usage.
    pub(super) fn of(agent: &Agent, model: Option<String>) -> Result<Self> {
        let all = Extractors::built_in();
        let rows = match &agent.usage {
            Some(form) => vec![form.rows()?],
            None => KNOWN.iter().map(|name| all.only(name)).collect(),
        };
        Ok(Self { rows, model, held: Vec::new(), messages: Vec::new(), usage: Usage::default() })
    }

    /// Takes bytes in; whether more is used now than before.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let mut more = false;
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.held.len() <= LONGEST_LINE {
                self.held.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                more |= self.line();
            }
        }
        more
    }

    /// The end of the stream.
    pub(super) fn finish(&mut self) -> bool {
        self.line()
    }

    fn line(&mut self) -> bool {
        let line = std::mem::take(&mut self.held);
        let line = line.trim_ascii();
        // Most lines are no messages; they should not pay for parsing.
        if !line.starts_with(b"{") || line.len() > LONGEST_LINE {
            return false;
        }
        let Ok(mut message) = serde_json::from_slice::<Value>(line) else { return false };
        // What was said is not what was used, and may be long.
        if let Some(content) = message.pointer_mut("/message/content") {
            content.take();
        }
        let one = std::slice::from_ref(&message);
        if !self.rows.iter().any(|rows| rows.find(one).is_some()) {
            // A dialect may name the model in a message of its own.
            if message.get("model").is_some() && self.messages.is_empty() {
                self.messages.push(message);
            }
            return false;
        }
        self.messages.push(message);
        let Some(usage) = self.read() else { return false };
        let more = usage != self.usage;
        self.usage = usage;
        more
    }

    fn read(&self) -> Option<Usage> {
        let all = self.rows.iter().filter_map(|rows| rows.find(&self.messages));
        // What Claude says at its end covers what it said on the way; both rows see only their own messages.
        let found = all.max_by_key(|found| (found.dialect == KNOWN[0], found.messages))?.usage;
        let mut named = Usage::default();
        for used in found.models() {
            let model = match &self.model {
                Some(model) if used.model.is_empty() => model.clone(),
                _ => used.model.clone(),
            };
            named.add(&ModelUsage { model, ..used.clone() }.into());
        }
        Some(named)
    }

    /// What is used so far.
    pub(super) fn usage(&self) -> &Usage {
        &self.usage
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn watch(agent: &Agent) -> UsageWatch {
        UsageWatch::of(agent, Some("given".into())).unwrap()
    }

    fn assistant(id: &str, input: u64) -> String {
        let usage = json!({"input_tokens": input, "output_tokens": 1});
        let message = json!({"id": id, "model": "m", "content": [{"type": "text", "text": "x"}], "usage": usage});
        json!({"type": "assistant", "session_id": "s", "message": message}).to_string()
    }

    #[test]
    fn claude_is_followed_message_by_message_and_its_result_counts() {
        let mut watch = watch(&Agent::default());
        assert!(!watch.push(b"{\"type\":\"system\",\"subtype\":\"init\",\"model\":\"m\"}\nplain text\n"));
        let lines = [assistant("a", 10), assistant("a", 10), assistant("b", 5)].join("\n") + "\n";
        let (one, two) = lines.split_at(37);
        assert!(!watch.push(one.as_bytes()) && watch.push(two.as_bytes()));
        assert_eq!(
            (watch.usage().models()[0].input, watch.usage().models()[0].output),
            (15, 2),
            "one message in two lines"
        );
        assert!(!watch.push((assistant("b", 5) + "\n").as_bytes()));
        let result =
            json!({"type": "result", "modelUsage": {"m": {"inputTokens": 20, "outputTokens": 9, "costUSD": 0.5}}});
        watch.push(result.to_string().as_bytes());
        assert!(watch.finish(), "the last line has no end");
        assert_eq!((watch.usage().models()[0].input, watch.usage().models()[0].output), (20, 9));
    }

    #[test]
    fn codex_does_not_name_its_model() {
        let mut watch = watch(&Agent::default());
        assert!(watch.push(b"{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":8,\"cached_input_tokens\":2,\"output_tokens\":3}}\n"));
        let used = &watch.usage().models()[0];
        assert_eq!((used.model.as_str(), used.input, used.cache_read, used.output), ("given", 8, 2, 3));
    }

    #[test]
    fn any_program_may_declare_where_its_usage_is() {
        let agent: Agent = serde_json::from_value(json!({
            "argv": ["p"],
            "usage": {"name": "mine", "when": ["used.in"], "records": "used", "model": ["$.by"], "counts": {"input": ["in"], "output": ["out"]}},
        }))
        .unwrap();
        let mut watch = watch(&agent);
        assert!(watch.push(b"{\"by\":\"x\",\"used\":{\"in\":3,\"out\":1}}\n{\"by\":\"x\",\"used\":{\"in\":4}}\n"));
        assert_eq!((watch.usage().models()[0].model.as_str(), watch.usage().models()[0].input), ("x", 7));
        let named = |name: &str| Agent { usage: Some(UsageForm::Dialect(name.into())), ..Agent::default() };
        assert!(UsageWatch::of(&named("anthropic"), None).is_ok() && UsageWatch::of(&named("any"), None).is_ok());
        let error = UsageWatch::of(&named("klingon"), None).unwrap_err().to_string();
        assert!(error.contains("no dialect of usage is called `klingon`; known here: any, orch,"), "{error}");
    }
}
