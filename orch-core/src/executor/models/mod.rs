//! MODELS: asks models of Anthropic, of OpenAI, and of whatever is compatible with them, by HTTP, through one client.
//!
//! An [`Endpoint`] says which model, where, by which form of [`Api`], and which variable of the environment holds its key.
//! [`Models::complete`] asks one, then those that stand in for it; [`Models::pipeline`] asks step after step, each with what those
//! before it answered: analysis by one model, code by another. [`AgentExecutor`] does both as tasks.
//!
//! # Who may be asked instead
//!
//! A busy endpoint (429, 503, 529) is asked again after as long as it says (`retry-after`, `retry-after-ms`), and until then by
//! nobody of this process; one that is broken (5xx) or cannot be reached is asked again after 1, 2, 4 … seconds. Then, and at once where there is no
//! answer in time, no such model, no accepted key or an answer that is none, the next endpoint is asked. Not after a question that
//! is not taken (400, 413, 422), a refusal of the model, or a budget that is spent.
//!
//! What a call used goes to the task's budget as soon as it is known. A call that broke off may be billed and says nothing; then the
//! task is charged what was reserved for it.
//!
//! # What it does not do
//!
//! No tools, no streams, no conversations: one question, one answer. It counts no tokens before a call. Keys are read when they are
//! needed, never kept, shown, logged or part of an error.
//!
//! ```
//! use orch_core::executor::models::{Api, Ask};
//!
//! let payload = Api::Anthropic.payload("claude-sonnet-4-5", &Ask::new("hello"), 100);
//! assert_eq!(payload["messages"][0]["content"], "hello");
//! let answer = r#"{"content": [{"type": "text", "text": "hi"}], "model": "claude-sonnet-4-5",
//!     "usage": {"input_tokens": 8, "output_tokens": 2}}"#;
//! let (text, usage) = Api::Anthropic.read("claude-sonnet-4-5", answer).unwrap();
//! assert_eq!((text.as_str(), usage.models()[0].output), ("hi", 2));
//! ```

mod api;
mod ask;
mod call;
mod endpoint;
mod run;
mod trouble;

pub use api::Api;
pub use ask::{Ask, PipelineSaid, PipelineStep, Said};
pub use call::{CallFailure, Models, Watch};
pub use endpoint::{Endpoint, Endpoints};
pub use run::AgentExecutor;
pub use trouble::CallTrouble;
