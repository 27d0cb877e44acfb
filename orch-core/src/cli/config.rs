//! `orch.toml`: settings of a project, the programs of its agents, and prices of models.
//!
//! A file found by searching upwards belongs to whoever wrote the project, not to who runs `orch` in it. Its numbers and
//! switches are taken; its programs start only when the user approved them (see [`trust`](super::trust)).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use toml::{Table, Value};

use super::{metrics, worktree};
use crate::{
    Agent, Agents, PriceTable, Rates,
    cost::budget::Limits,
    error::{Error, ErrorKind, Result},
    executor::models::{Endpoint, Endpoints},
    ext::hooks::GitPolicy,
    id::Printable,
    session,
    units::parse_duration,
};

/// The name of the file that is searched for.
pub(super) const FILE_NAME: &str = "orch.toml";

/// What a settings file says.
#[derive(Debug)]
pub(super) struct Config {
    /// Where it was read, if anywhere.
    pub(super) path: Option<PathBuf>,
    /// Its text, for its content hash.
    pub(super) text: String,
    pub(super) run: RunSettings,
    /// The program of each agent.
    pub(super) agents: Agents,
    /// The models that agents may be.
    pub(super) models: Endpoints,
    /// Its prices, before the published ones.
    pub(super) prices: PriceTable,
    /// Its budgets.
    pub(super) budget: Limits,
    /// How it uses worktrees.
    pub(super) worktrees: worktree::Settings,
    /// Which commits are refused: `[hooks.git]`.
    pub(super) git_policy: GitPolicy,
    /// What orchestration saves, and how that is counted.
    pub(super) metrics: metrics::Settings,
    /// Whether the user named the file, which is an approval too.
    pub(super) named: bool,
}

/// `[run]`: what the options of `orch run` default to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RunSettings {
    pub(super) max_parallel: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) keep_going: bool,
    pub(super) barrier: bool,
    pub(super) strict: bool,
}

const RUN_KEYS: [&str; 5] = ["barrier", "keep_going", "max_parallel", "strict", "timeout"];

impl Config {
    /// The file that was named, else the nearest one upwards of `here`, else nothing.
    pub(super) fn load(named: Option<&Path>, here: &Path) -> Result<Self> {
        match named {
            Some(path) => Ok(Self { named: true, ..Self::read(path)? }),
            None => match find(here) {
                Some(path) => Self::read(&path),
                None => Self::nothing(),
            },
        }
    }

    /// The settings where there is no file.
    pub(super) fn nothing() -> Result<Self> {
        Ok(Self {
            path: None,
            text: String::new(),
            run: RunSettings::default(),
            agents: Agents::default(),
            models: Endpoints::default(),
            prices: super::cost::current()?,
            budget: Limits::default(),
            worktrees: worktree::Settings::default(),
            git_policy: GitPolicy::default(),
            metrics: metrics::Settings::default(),
            named: false,
        })
    }

    /// Reads that file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = session::load_text(path)?;
        let Parsed { run, agents, models, prices, budget, worktrees, git_policy, metrics } = parse(&text, true)
            .map_err(|error| error.with("file", Printable(&path.display().to_string()).to_string()))?;
        let path = Some(path.to_owned());
        Ok(Self { path, text, run, agents, models, prices, budget, worktrees, git_policy, metrics, named: false })
    }
}

/// Reads the agents of a file for `--agents`, and their models: the same form, without `[run]`.
pub(super) fn load_agents(path: &Path) -> Result<(Agents, Endpoints)> {
    let text = session::load_text(path)?;
    let Parsed { agents, models, .. } =
        parse(&text, false).map_err(|error| error.with("file", Printable(&path.display().to_string()).to_string()))?;
    if agents.is_empty() {
        return Err(invalid(format!(
            "`{}` has no agents; write `[agents.NAME]` and `argv = [\"program\", \"argument\"]`",
            Printable(&path.display().to_string())
        )));
    }
    Ok((agents, models))
}

/// The nearest settings file in `here` or above it.
pub(super) fn find(here: &Path) -> Option<PathBuf> {
    here.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}

/// What the tables of a file say.
#[derive(Debug)]
struct Parsed {
    run: RunSettings,
    agents: Agents,
    models: Endpoints,
    prices: PriceTable,
    budget: Limits,
    worktrees: worktree::Settings,
    git_policy: GitPolicy,
    metrics: metrics::Settings,
}

fn parse(text: &str, with_run: bool) -> Result<Parsed> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|&byte| byte == b'\n').count());
        Error::new(ErrorKind::InvalidFormat, format!("line {line} is not TOML: {}", Printable(error.message())))
    })?;
    let mut run = RunSettings::default();
    let mut agents = Agents::default();
    let mut models = Endpoints::default();
    let mut prices = super::cost::current()?;
    let mut budget = Limits::default();
    let mut worktrees = worktree::Settings::default();
    let mut git_policy = GitPolicy::default();
    let mut metrics = metrics::Settings::default();
    for (key, value) in &table {
        match (key.as_str(), value) {
            ("run", Value::Table(table)) if with_run => run = parse_run(table)?,
            ("prices", Value::Table(table)) if with_run => {
                for (model, value) in table {
                    prices = parse_price(prices, model, value)?;
                }
            }
            ("budget", value) if with_run => budget = session::limits_of(&data(value)?)?,
            ("worktrees", value) if with_run => worktrees = worktree::parse(value)?,
            ("hooks", value) if with_run => git_policy = parse_hooks(value)?,
            ("metrics", value) if with_run => metrics = metrics::parse(value)?,
            ("agents", Value::Table(table)) => {
                for (name, value) in table {
                    agents = agents.with_agent(name.as_str(), parse_agent(name, value)?);
                }
            }
            ("models", Value::Table(table)) => {
                for (name, value) in table {
                    let endpoint: Endpoint = value.clone().try_into().map_err(|error: toml::de::Error| {
                        invalid(format!("`models.{}`: {}", Printable(name), Printable(error.message())))
                    })?;
                    models = models.with(name.as_str(), endpoint);
                }
            }
            ("models", _) => return Err(invalid("`models` must hold tables: `[models.NAME]` and `model = \"…\"`")),
            ("agents", _) => return Err(invalid("`agents` must hold tables: `[agents.NAME]` and `argv = [..]`")),
            ("run", _) if with_run => return Err(invalid("`run` must be a table: `[run]`")),
            ("prices", _) if with_run => {
                return Err(invalid(
                    "`prices` must hold tables: `[prices.MODEL]` with `input` and `output` in dollars",
                ));
            }
            _ => {
                return Err(unknown(
                    key,
                    "",
                    if with_run {
                        &["agents", "budget", "hooks", "metrics", "models", "prices", "run", "worktrees"]
                    } else {
                        &["agents", "models"]
                    },
                ));
            }
        }
    }
    Ok(Parsed { run, agents, models, prices, budget, worktrees, git_policy, metrics })
}

/// `[hooks]`, which has `[hooks.git]`.
fn parse_hooks(value: &Value) -> Result<GitPolicy> {
    let Value::Table(table) = value else { return Err(invalid("`hooks` must hold tables: `[[hooks.git.rule]]`")) };
    let mut policy = GitPolicy::default();
    for (key, value) in table {
        if key != "git" {
            return Err(unknown(key, "hooks.", &["git"]));
        }
        policy = value
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| invalid(format!("`hooks.git`: {}", Printable(error.message()))))?;
        policy.check()?;
    }
    Ok(policy)
}

/// The same as JSON has it: what is no number there is none here.
fn data(value: &Value) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| invalid(format!("it has no JSON form: {error}")))
}

/// `[prices.MODEL]` with dollars for a million tokens, or `prices.ALIAS = "MODEL"`.
fn parse_price(prices: PriceTable, model: &str, value: &Value) -> Result<PriceTable> {
    if let Value::String(known) = value {
        return Ok(prices.with_alias(model, known));
    }
    let rates: Rates = value.clone().try_into().map_err(|error: toml::de::Error| {
        invalid(format!("`prices.{}`: {}", Printable(model), Printable(error.message())))
    })?;
    Ok(prices.with(model, rates))
}

fn parse_run(table: &Table) -> Result<RunSettings> {
    let mut run = RunSettings::default();
    for (key, value) in table {
        match (key.as_str(), value) {
            ("max_parallel", Value::Integer(number)) => {
                run.max_parallel = Some(u32::try_from(*number).ok().filter(|&number| number > 0).ok_or_else(|| {
                    invalid(format!("`run.max_parallel` is {number}; it must be from 1 to {}", u32::MAX))
                })?);
            }
            ("timeout", Value::String(text)) => run.timeout = Some(parse_duration(text)?),
            ("keep_going", Value::Boolean(yes)) => run.keep_going = *yes,
            ("barrier", Value::Boolean(yes)) => run.barrier = *yes,
            ("strict", Value::Boolean(yes)) => run.strict = *yes,
            ("max_parallel", _) => return Err(invalid("`run.max_parallel` must be a whole number, for example 4")),
            ("timeout", _) => return Err(invalid("`run.timeout` must be text, for example \"30m\"")),
            ("keep_going" | "barrier" | "strict", _) => {
                return Err(invalid(format!("`run.{key}` must be true or false")));
            }
            _ => return Err(unknown(key, "run.", &RUN_KEYS)),
        }
    }
    Ok(run)
}

fn parse_agent(name: &str, value: &Value) -> Result<Agent> {
    let name = Printable(name);
    if !value.is_table() {
        return Err(invalid(format!("`agents.{name}` must be a table with `argv = [\"program\", \"argument\"]`")));
    }
    let agent: Agent = value
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| invalid(format!("`agents.{name}`: {}", Printable(error.message()))))?;
    if !agent.is_model() && agent.argv.first().is_none_or(String::is_empty) {
        return Err(invalid(format!("`agents.{name}.argv` is empty; its first word is the program")));
    }
    Ok(agent)
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

fn unknown(key: &str, prefix: &str, known: &[&str]) -> Error {
    let near = known.iter().find(|known| strsim::damerau_levenshtein(key, known) <= 2);
    let hint = near
        .map_or_else(|| format!("known here: {}", known.join(", ")), |near| format!("did you mean `{prefix}{near}`?"));
    invalid(format!("there is no setting `{prefix}{}`; {hint}", Printable(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Usage, Usd, WallTime, cost};

    fn refusal(text: &str) -> String {
        parse(text, true).unwrap_err().to_string()
    }

    #[test]
    fn reads_settings_and_agents() {
        let Parsed { run, agents, .. } = parse(
            "[run]\nmax_parallel = 4\ntimeout = '1h30m'\nkeep_going = true\n\
             [agents.'*']\nargv = ['claude', '-p']\n[agents.b]\nargv = ['b', '--fast']\n",
            true,
        )
        .unwrap();
        assert_eq!(
            run,
            RunSettings {
                max_parallel: Some(4),
                timeout: Some(Duration::from_secs(5_400)),
                keep_going: true,
                ..RunSettings::default()
            }
        );
        let argv = |name| agents.find(Some(name)).unwrap().argv.join(" ");
        assert_eq!((argv("any"), argv("b")), ("claude -p".into(), "b --fast".into()));
    }

    #[test]
    fn prices_go_before_published_ones() {
        let text = "[prices]\nsonnet = 'claude-sonnet-4-5'\n[prices.house-model]\ninput = 3\noutput = 15.0\n";
        let prices = parse(text, true).unwrap().prices;
        for model in ["sonnet", "house-model"] {
            let usage = Usage::tokens(model, 1_000, 100);
            let price = cost::price(&prices, &usage, WallTime(1_760_000_000_000));
            assert_eq!(price.complete(), Some(Usd::from_nanos(4_500_000)), "{model}");
        }
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest_known_one() {
        assert_eq!(
            refusal("[run]\nmax_paralel = 4"),
            "there is no setting `run.max_paralel`; did you mean `run.max_parallel`?"
        );
        assert_eq!(refusal("[agent.x]\nargv = ['x']"), "there is no setting `agent`; did you mean `agents`?");
        assert!(
            refusal("[agents.x]\nargs = ['x']").contains("expected one of `argv`"),
            "{}",
            refusal("[agents.x]\nargs = ['x']")
        );
        assert_eq!(
            refusal("zzz = 1"),
            "there is no setting `zzz`; known here: agents, budget, hooks, metrics, models, prices, run, worktrees"
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        for text in [
            "run = 3",
            "agents = 3",
            "[run]\nmax_parallel = 0",
            "[run]\nmax_parallel = -1",
            "[run]\nmax_parallel = 'four'",
            "[run]\ntimeout = 5",
            "[run]\ntimeout = 'soon'",
            "[run]\nstrict = 'yes'",
            "[agents]\nx = 3",
            "[agents.x]\nargv = []",
            "[agents.x]\nargv = ['']",
            "[agents.x]\nargv = [3]",
            "[agents.x]\nargv = 'claude -p'",
            "hooks = 3",
            "[hooks.github]\nrule = []",
            "[[hooks.git.rule]]\nbranch = 3",
            "metrics = 3",
            "[metrics]\npolicy = 'guess'",
            "[metrics]\nfolder = '../elsewhere'",
            "[metrics]\nzone = 'Nowhere'",
            "[[hooks.git.rule]]\naction = 'stop'",
            "[[hooks.git.rule]]\ntask = 'a\\'",
            "prices = 3",
            "[prices]\nm = 3",
            "[prices.m]\ninput = 3",
            "[prices.m]\ninput = -3\noutput = 1",
            "[prices.m]\ninput = 3\noutput = 15\ncached = 1",
        ] {
            assert_eq!(parse(text, true).unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
        }
        assert!(refusal("[run]\n\nx = = 3").starts_with("line 3 is not TOML"), "{}", refusal("[run]\n\nx = = 3"));
    }
}
