//! What is asked, and what came of it.

use serde::{Deserialize, Serialize};

use crate::units::Usage;

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ask {
    /// Who it is to be. Default: what the endpoint says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What it is to do.
    pub prompt: String,
    /// How many tokens it may answer at most. Default: what the endpoint says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
}

impl Ask {
    /// That prompt, all else by default.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), ..Self::default() }
    }
}

/// What models answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Said {
    /// The answer.
    pub text: String,
    /// By which endpoint.
    pub by: String,
    /// What all calls used together, also those of endpoints that failed and say so.
    pub usage: Usage,
    /// Which endpoints did not answer before, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<(String, String)>,
}

/// One step of a pipeline: what it is called, whom it asks, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineStep {
    /// Its name, by which later steps and the result have its answer.
    pub name: String,
    /// The endpoints, in the order in which they are tried.
    pub models: Vec<String>,
    /// What is asked: `{task}` stands for the task, `{NAME}` for the answer of an earlier step.
    pub ask: Ask,
}

/// What became of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineSaid {
    /// The answers, by the names of the steps, in order.
    pub steps: Vec<(String, Said)>,
    /// What was used, all together, also by the step that failed.
    pub usage: Usage,
    /// Which step failed, and why; the steps before it have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<(String, String)>,
    /// Whether nothing that is tried again would help: the budget is spent, or the question is to blame.
    #[serde(skip)]
    pub is_final: bool,
}

impl PipelineSaid {
    /// The answer of that step.
    pub fn answer(&self, step: &str) -> Option<&Said> {
        self.steps.iter().find(|(name, _)| name == step).map(|(_, said)| said)
    }
}

/// The words of a prompt replaced, once: what a model wrote is not looked through again.
pub(super) fn fill(template: &str, words: &[(&str, &str)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        let (before, behind) = rest.split_at(at);
        text += before;
        let found = words.iter().find_map(|(word, value)| {
            let behind = behind.strip_prefix('{')?.strip_prefix(word)?.strip_prefix('}')?;
            Some((*value, behind))
        });
        match found {
            Some((value, behind)) => {
                text += value;
                rest = behind;
            }
            None => {
                text.push('{');
                rest = behind.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_once() {
        let words = [("task", "say {spec}"), ("spec", "S")];
        assert_eq!(fill("{task}: {spec}, {other} {{task}} {", &words), "say {spec}: S, {other} {say {spec}} {");
        assert_eq!(fill("", &words), "");
    }
}
