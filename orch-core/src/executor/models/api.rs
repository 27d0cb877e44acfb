//! How models are asked by HTTP, and how their answers read: pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ask::Ask, trouble::CallTrouble};
use crate::{cost::extract::Extractors, units::Usage};

/// The form of an API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Anthropic's messages: `POST {base}/v1/messages`.
    #[default]
    Anthropic,
    /// OpenAI's chat completions, and whatever is compatible with them: `POST {base}/chat/completions`.
    OpenaiChat,
    /// OpenAI's responses: `POST {base}/responses`.
    OpenaiResponses,
}

impl Api {
    /// Where it is, if nobody says otherwise.
    pub fn base(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenaiChat | Self::OpenaiResponses => "https://api.openai.com/v1",
        }
    }

    /// The variable that holds the key, if nobody says otherwise.
    pub fn key_env(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::OpenaiChat | Self::OpenaiResponses => "OPENAI_API_KEY",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Anthropic => "/v1/messages",
            Self::OpenaiChat => "/chat/completions",
            Self::OpenaiResponses => "/responses",
        }
    }

    /// What is sent.
    pub fn payload(self, model: &str, ask: &Ask, max_output: u64) -> Value {
        let system = ask.system.as_deref().filter(|system| !system.is_empty());
        let user = json!({"role": "user", "content": ask.prompt});
        match self {
            Self::Anthropic => {
                let mut body = json!({"model": model, "max_tokens": max_output, "messages": [user]});
                put(&mut body, "system", system);
                body
            }
            Self::OpenaiChat => {
                let before = system.map(|system| json!({"role": "system", "content": system}));
                let messages: Vec<Value> = before.into_iter().chain([user]).collect();
                json!({"model": model, "max_completion_tokens": max_output, "messages": messages})
            }
            Self::OpenaiResponses => {
                let mut body =
                    json!({"model": model, "max_output_tokens": max_output, "input": ask.prompt, "store": false});
                put(&mut body, "instructions", system);
                body
            }
        }
    }

    /// What an answer of status 200 says.
    ///
    /// # Errors
    ///
    /// [`Garbage`](CallTrouble::Garbage) for what is no answer of this API; [`Refused`](CallTrouble::Refused) where the model would
    /// not.
    pub fn read(self, model: &str, body: &str) -> Result<(String, Usage), CallTrouble> {
        let Ok(answer) = serde_json::from_str::<Value>(body) else {
            return Err(CallTrouble::Garbage("its answer is no JSON".to_owned()));
        };
        let text = match self {
            Self::Anthropic => joined(answer.get("content"), "text", "text"),
            Self::OpenaiChat => {
                let message = answer.pointer("/choices/0/message");
                message.and_then(|message| message.get("content")?.as_str()).map(str::to_owned)
            }
            Self::OpenaiResponses => {
                let items = answer.get("output").and_then(Value::as_array);
                items.map(|items| {
                    let parts = items.iter().filter_map(|item| joined(item.get("content"), "output_text", "text"));
                    parts.collect::<String>()
                })
            }
        };
        let mut usage = Extractors::built_in()
            .read(body)
            .map(|found| found.usage)
            .ok_or_else(|| CallTrouble::Garbage("its answer does not say what was used".to_owned()))?;
        if usage.models().iter().all(|used| used.model.is_empty()) {
            let named =
                usage.models().iter().map(|used| crate::units::ModelUsage { model: model.to_owned(), ..used.clone() });
            let mut with_name = Usage::default();
            named.for_each(|used| with_name.add(&used.into()));
            usage = with_name;
        }
        let refusal = match self {
            Self::Anthropic => answer.get("stop_reason").and_then(Value::as_str) == Some("refusal"),
            Self::OpenaiChat => answer.pointer("/choices/0/message/refusal").is_some_and(Value::is_string),
            Self::OpenaiResponses => false,
        };
        match text {
            _ if refusal => Err(CallTrouble::Refused { usage: Box::new(usage) }),
            Some(text) => Ok((text, usage)),
            None => Err(CallTrouble::Garbage("its answer has no text".to_owned())),
        }
    }
}

fn put(body: &mut Value, key: &str, text: Option<&str>) {
    if let (Some(fields), Some(text)) = (body.as_object_mut(), text) {
        fields.insert(key.to_owned(), text.into());
    }
}

/// The texts of that kind in a list of blocks; `None` if it is no list.
fn joined(blocks: Option<&Value>, kind: &str, key: &str) -> Option<String> {
    let blocks = blocks?.as_array()?.iter();
    let of_kind = blocks.filter(|block| block.get("type").and_then(Value::as_str) == Some(kind));
    Some(of_kind.filter_map(|block| block.get(key)?.as_str()).collect())
}
