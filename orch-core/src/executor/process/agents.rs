//! Which program an agent is.

use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    options::{ExitMeaning, codes},
    watch::UsageForm,
};
use crate::{
    definition::{Graph, millis, nearest},
    error::{Error, ErrorKind, Problem, Result},
    id::Printable,
};

/// One agent: a program and how to talk to it. In TOML:
///
/// ```toml
/// [agents.security-specialist]
/// argv = ["claude", "-p", "{prompt}", "--output-format", "json"]
/// env = { CLAUDE_CODE_MAX_OUTPUT_TOKENS = "8000" }
/// cwd = "services/api"
/// timeout_ms = 600000
/// stdin = "nothing"
/// exit_codes = { 3 = "nothing", 4 = "invalid" }
/// ```
///
/// An argument that is exactly one of these words, and nothing else, is replaced by the value, as one argument:
/// `{task}` the task's name, `{description}`, `{prompt}` (the description, then the inputs and the outputs of the tasks
/// before, as JSON), `{agent}`, `{run}`, `{attempt}`, `{model}` (the one that a budget wants instead, else the first that the
/// task expects to use), `{budget}` (what it may spend at most, in dollars; a million where there is no limit), `{undo}` (the task's name in an attempt to undo it, else empty), and
/// `{input:KEY}`. A value that begins with `-` is refused, because
/// the program would take it for an option, unless an argument `--` stands before it. Everything else in `argv` stays as
/// it is.
///
/// Two programs are known by a name: `argv = ["@claude"]` is `claude -p --output-format stream-json --verbose`, and
/// `argv = ["@codex"]` is `codex exec --json -`, each with the prompt on standard input, the model and (Claude) the budget as its
/// options, and whatever stands after the name as further arguments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The program, looked up in `PATH` unless it holds a `/`, and its arguments.
    #[serde(default)]
    pub argv: Vec<String>,
    /// The program and its arguments for undoing what the agent did. Default: `argv`, and the program looks at `ORCH_UNDO`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
    /// Variables that are set for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where it runs, seen from [`ProcessOptions::cwd`](super::ProcessOptions::cwd). Default: there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// The longest an attempt may take. The task's own timeout counts as well. Default: none.
    #[serde(default, rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What it finds on standard input. Default: JSON.
    #[serde(default)]
    pub stdin: StdinForm,
    /// How its standard output is read. Default: as JSON if it is JSON, else as text.
    #[serde(default)]
    pub output: OutputForm,
    /// How it says what it used. Default: as Claude Code (`--output-format json` or `stream-json`) and Codex (`exec --json`) do.
    /// A program that says it while it runs is ended when its budget is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageForm>,
    /// Arguments that tell it the model, `["--model", "{model}"]`, where it is known which: they stand where `argv` has
    /// `{options}`, else at its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_args: Vec<String>,
    /// Arguments that tell it what it may spend, `["--max-budget-usd", "{budget}"]`, where there is a limit: beside those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budget_args: Vec<String>,
    /// Which of the `[models]` it is instead of a program, in the order in which they are asked: its answer is the task's output.
    #[cfg(feature = "agents")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Several questions one after the other, each to models of its own, instead of a program: the task's output has their answers
    /// by name.
    #[cfg(feature = "agents")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<crate::executor::models::PipelineStep>,
    /// What it can do, in words, for tasks that ask for a [capability](crate::TaskOptions::capability) instead of an agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// How many tasks it does at once. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<NonZeroU32>,
    /// What its exit codes mean, before [`ProcessOptions::exit_codes`](super::ProcessOptions::exit_codes).
    #[serde(default, with = "codes", skip_serializing_if = "BTreeMap::is_empty")]
    pub exit_codes: BTreeMap<i32, ExitMeaning>,
}

/// What a program finds on standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinForm {
    /// All values as one JSON object.
    #[default]
    Json,
    /// What `{prompt}` stands for, for programs that read their instructions there.
    Prompt,
    /// Nothing: it is empty.
    Nothing,
}

/// How a program's standard output becomes the task's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputForm {
    /// One JSON value if it is one as a whole; Claude's result message as its answer; else text without line ends at its
    /// end. Empty output is no output.
    #[default]
    Auto,
    /// Text without line ends at its end.
    Text,
    /// One JSON value; anything else is a failure.
    Json,
    /// The last line that is not empty, as one JSON value; anything else is a failure.
    LastLine,
}

/// Where the arguments for model and budget stand.
pub(super) const OPTIONS: &str = "{options}";

impl Agent {
    /// That program with those arguments, all else by default.
    pub fn new<A: Into<String>>(argv: impl IntoIterator<Item = A>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same, with what a known program is called by its name written out.
    pub(super) fn written_out(&self) -> Self {
        let Some((known, rest)) = self.argv.split_first() else { return self.clone() };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let or = |own: &Vec<String>, default: &[&str]| if own.is_empty() { words(default) } else { own.clone() };
        let stdin = if self.stdin == StdinForm::Json { StdinForm::Prompt } else { self.stdin };
        match known.as_str() {
            "@claude" => {
                let mut argv = words(&["claude", "-p", OPTIONS, "--output-format", "stream-json", "--verbose"]);
                argv.extend_from_slice(rest);
                let model_args = or(&self.model_args, &["--model", "{model}"]);
                let budget_args = or(&self.budget_args, &["--max-budget-usd", "{budget}"]);
                Self { argv, stdin, model_args, budget_args, ..self.clone() }
            }
            "@codex" => {
                let mut argv = words(&["codex", "exec", "--json", OPTIONS]);
                argv.extend_from_slice(rest);
                argv.push("-".to_owned());
                Self { argv, stdin, model_args: or(&self.model_args, &["--model", "{model}"]), ..self.clone() }
            }
            _ => self.clone(),
        }
    }

    /// Whoever names a program does not want a model.
    fn be_program(&mut self) {
        #[cfg(feature = "agents")]
        {
            self.models.clear();
            self.steps.clear();
        }
    }

    /// Whether it is models instead of a program.
    pub fn is_model(&self) -> bool {
        #[cfg(feature = "agents")]
        return !self.models.is_empty() || !self.steps.is_empty();
        #[cfg(not(feature = "agents"))]
        false
    }
}

/// Which program each agent is. The agent `*` stands for all that have no own entry, and for tasks without an agent.
///
/// In JSON and TOML it is a table by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Agents(BTreeMap<String, Agent>);

impl Agents {
    /// The name that stands for all others.
    pub const DEFAULT: &str = "*";

    /// Adds or replaces an agent that is that program.
    #[must_use]
    pub fn with<A: Into<String>>(self, name: impl Into<String>, argv: impl IntoIterator<Item = A>) -> Self {
        self.with_agent(name, Agent::new(argv))
    }

    /// Adds or replaces an agent.
    #[must_use]
    pub fn with_agent(mut self, name: impl Into<String>, agent: Agent) -> Self {
        self.0.insert(name.into(), agent);
        self
    }

    /// Adds an agent as the command line gives it: `NAME=ARGV`. `ARGV` is split into words as a POSIX shell would, with
    /// quotes, backslashes and comments; nothing is expanded and no shell runs. An agent of that name that is already there
    /// keeps its other settings.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) without a name, without a program, and with an open quote.
    pub fn with_flag(mut self, flag: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let message = format!("{why} in `{}`; write `NAME=PROGRAM ARGUMENTS`", Printable(flag));
            Error::new(ErrorKind::InvalidValue, message).with("option", "agent")
        };
        let (name, argv) = flag.split_once('=').ok_or_else(|| refuse("there is no `=`"))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(refuse("the agent has no name"));
        }
        let argv = shlex::split(argv).ok_or_else(|| refuse("a quote is not closed, or a backslash ends the text,"))?;
        if argv.is_empty() {
            return Err(refuse("the agent has no program"));
        }
        let agent = self.0.entry(name.to_owned()).or_default();
        agent.argv = argv;
        agent.be_program();
        Ok(self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Agent)> {
        self.0.iter().map(|(name, agent)| (name.as_str(), agent))
    }

    /// The agent of that name, else `*`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is neither, with the names there are;
    /// [`InvalidValue`](ErrorKind::InvalidValue) when the agent has no program.
    pub fn find(&self, name: Option<&str>) -> Result<&Agent> {
        let (found, agent) = name
            .and_then(|name| self.0.get_key_value(name))
            .or_else(|| self.0.get_key_value(Self::DEFAULT))
            .ok_or_else(|| Error::new(ErrorKind::NotFound, self.unknown(name)))?;
        if !agent.is_model() && agent.argv.first().is_none_or(String::is_empty) {
            let found = Printable(found);
            let message = format!("the agent `{found}` has no argv; name its program, `--agent '{found}=PROGRAM …'`");
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        Ok(agent)
    }

    fn unknown(&self, name: Option<&str>) -> String {
        let Some(name) = name else {
            return "the task has no agent, and there is none for all; add `--agent '*=PROGRAM …'`".to_owned();
        };
        let shown = Printable(name);
        let near = nearest(name, self.0.keys().map(String::as_str))
            .map(|near| format!(", did you mean `{}`?", Printable(near)))
            .unwrap_or_default();
        let mut known: Vec<String> = self.0.keys().take(10).map(|name| format!("`{}`", Printable(name))).collect();
        if self.0.len() > known.len() {
            known.push(format!("{} more", self.0.len() - known.len()));
        }
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!(
            "no program is known for the agent `{shown}`{near} (known: {known}); add `--agent '{shown}=PROGRAM …'`, \
             or `--agent '*=PROGRAM …'` for all"
        )
    }

    /// What stops tasks of that graph from running, or from being undone, with these agents: one problem for each agent that
    /// is missing (`UNKNOWN_AGENT`) or has no program (`EMPTY_ARGV`), at the first task that wants it.
    pub fn problems(&self, graph: &Graph) -> Vec<Problem> {
        let mut wanted: BTreeMap<Option<&str>, (usize, bool)> = BTreeMap::new();
        for (ix, task) in graph.tasks().iter().enumerate() {
            let options = task.options();
            wanted.entry(options.agent.as_deref()).or_insert((ix, false));
            if let Some(agent) = options.undo.as_ref().and_then(|undo| undo.agent.as_deref()) {
                wanted.entry(Some(agent)).or_insert((ix, true));
            }
        }
        let mut wanted: Vec<((usize, bool), Option<&str>)> =
            wanted.into_iter().map(|(name, place)| (place, name)).collect();
        wanted.sort_unstable();
        let problem = |((ix, is_undo), name): ((usize, bool), Option<&str>)| {
            let error = self.find(name).err()?;
            let code = if error.kind() == ErrorKind::NotFound { "UNKNOWN_AGENT" } else { "EMPTY_ARGV" };
            let task = graph.tasks().get(ix)?;
            let place = if is_undo { ".undo" } else { "" };
            Some(Problem::error(code, error.message()).at(format!("tasks.{}{place}", task.id())))
        };
        wanted.into_iter().filter_map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::Task;

    #[test]
    fn flags_are_split_as_a_shell_would() {
        for (flag, name, argv) in [
            ("a=true", "a", &["true"][..]),
            ("*=claude -p {prompt}", "*", &["claude", "-p", "{prompt}"]),
            (r#"a=sh -c 'echo "$ORCH_TASK" | wc'"#, "a", &["sh", "-c", "echo \"$ORCH_TASK\" | wc"]),
            (r#"a=p "two words" \$HOME x=y '' "#, "a", &["p", "two words", "$HOME", "x=y", ""]),
            ("a = p * ~", "a", &["p", "*", "~"]),
        ] {
            let agents = Agents::default().with_flag(flag).unwrap();
            assert_eq!(agents.iter().map(|(name, agent)| (name, &agent.argv[..])).collect::<Vec<_>>().len(), 1);
            assert_eq!(agents.0[name].argv, argv, "{flag}");
        }
    }

    #[test]
    fn bad_flags_say_what_to_write() {
        let messages: Vec<String> = ["true", "=true", "a=", "a=  # only a comment", "a='b", "a=b\\", "\u{1b}[2J"]
            .iter()
            .map(|flag| Agents::default().with_flag(flag).unwrap_err().to_string())
            .collect();
        insta::assert_snapshot!(messages.join("\n"), @r"
        there is no `=` in `true`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        the agent has no name in `=true`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        the agent has no program in `a=`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        the agent has no program in `a=  # only a comment`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        a quote is not closed, or a backslash ends the text, in `a='b`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        a quote is not closed, or a backslash ends the text, in `a=b\`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        there is no `=` in `\u{1b}[2J`; write `NAME=PROGRAM ARGUMENTS` (option: agent)
        ");
    }

    #[test]
    fn a_flag_keeps_what_a_file_says() {
        let from_file: Agents =
            serde_json::from_value(json!({"a": {"argv": ["x"], "timeout_ms": 5, "exit_codes": {"3": "nothing"}}}))
                .unwrap();
        let agents = from_file.with_flag("a=y z").unwrap();
        let agent = agents.find(Some("a")).unwrap();
        assert_eq!(
            (&agent.argv[..], agent.timeout),
            (&["y".to_owned(), "z".into()][..], Some(Duration::from_millis(5)))
        );
        assert_eq!(agent.exit_codes[&3], ExitMeaning::Nothing);
        assert_eq!(serde_json::from_value::<Agents>(serde_json::to_value(&agents).unwrap()).unwrap(), agents);
    }

    /// The example in the documentation of [`Agent`].
    #[cfg(feature = "cli")]
    #[test]
    fn toml_is_the_form_of_files() {
        #[derive(Deserialize)]
        struct File {
            agents: Agents,
        }
        let text = r#"
            [agents.security-specialist]
            argv = ["claude", "-p", "{prompt}", "--output-format", "json"]
            env = { CLAUDE_CODE_MAX_OUTPUT_TOKENS = "8000" }
            cwd = "services/api"
            timeout_ms = 600000
            stdin = "nothing"
            exit_codes = { 3 = "nothing" }
            [agents."*"]
            argv = ["true"]
        "#;
        let agents = toml::from_str::<File>(text).unwrap().agents;
        let agent = agents.find(Some("security-specialist")).unwrap();
        assert_eq!((agent.timeout, agent.stdin), (Some(Duration::from_secs(600)), StdinForm::Nothing));
        assert_eq!(agent.exit_codes[&3], ExitMeaning::Nothing);
        assert_eq!(agents.find(None).unwrap().argv, ["true"]);
    }

    #[test]
    fn unknown_fields_and_codes_are_refused() {
        for bad in
            [json!({"a": {"argv": ["x"], "timeout": 5}}), json!({"a": {"argv": ["x"], "exit_codes": {"x": "done"}}})]
        {
            assert!(serde_json::from_value::<Agents>(bad).is_err());
        }
    }

    #[test]
    fn the_default_stands_for_all_without_an_own_program() {
        let agents = Agents::default().with("a", ["x"]).with("*", ["y"]);
        assert_eq!(agents.find(Some("a")).unwrap().argv, ["x"]);
        assert_eq!(agents.find(Some("b")).unwrap().argv, ["y"]);
        assert_eq!(agents.find(None).unwrap().argv, ["y"]);
    }

    #[test]
    fn problems_name_each_agent_once() {
        let task = |id: &str, agent: &str| Task::new(id).agent(agent);
        let graph = Graph::builder("g")
            .tasks([task("one", "reviewr"), task("two", "reviewr"), task("three", "empty"), task("four", "reviewer")])
            .task(Task::new("five"))
            .task(task("six", "reviewer").undo("reviver"))
            .build()
            .unwrap();
        let agents = Agents::default().with("reviewer", ["true"]).with_agent("empty", Agent::default());
        let problems: Vec<String> = agents.problems(&graph).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        error[UNKNOWN_AGENT] tasks.one: no program is known for the agent `reviewr`, did you mean `reviewer`? (known: `empty`, `reviewer`); add `--agent 'reviewr=PROGRAM …'`, or `--agent '*=PROGRAM …'` for all
        error[EMPTY_ARGV] tasks.three: the agent `empty` has no argv; name its program, `--agent 'empty=PROGRAM …'`
        error[UNKNOWN_AGENT] tasks.five: the task has no agent, and there is none for all; add `--agent '*=PROGRAM …'`
        error[UNKNOWN_AGENT] tasks.six.undo: no program is known for the agent `reviver`, did you mean `reviewer`? (known: `empty`, `reviewer`); add `--agent 'reviver=PROGRAM …'`, or `--agent '*=PROGRAM …'` for all
        ");
        assert_eq!(Agents::default().with("*", ["true"]).problems(&graph), []);
    }
}
