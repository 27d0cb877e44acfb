//! Which worktree a task belongs to, by the configuration files of a project.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::words::{phrase, prefix, words};
use crate::{
    cache::Pattern,
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// Where tasks go that belong to no worktree.
const MAIN: &str = "main";

/// By the type of a task: words, and the worktree. The first hit counts, here and below.
const BY_TYPE: [(&[&str], &str); 5] = [
    (&["puzzle", "sudoku"], "puzzle-gen"),
    (&["pdf", "layout"], "pdf-gen"),
    (&["qa", "validation"], "qa-validation"),
    (&["ci", "fix"], "ci-fixes"),
    (&["market", "research"], "market-research"),
];

/// By the prefix of a commit message, `feat:` or `feat(scope)!:`, and a word behind it.
const BY_PREFIX: [(&str, &[&str], &str); 5] = [
    ("feat", &["puzzle"], "puzzle-gen"),
    ("feat", &["pdf", "book"], "pdf-gen"),
    ("feat", &["test", "qa"], "qa-validation"),
    ("fix", &[], "ci-fixes"),
    ("docs", &[], MAIN),
];

/// By what is said.
const BY_TOPIC: (&[&str], &str) = (&["market", "kdp", "category", "competitor"], "market-research");

/// A worktree that the configuration names. Public fields and `Default`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Its name.
    pub name: String,
    /// Its branch.
    pub branch: Option<String>,
    /// Its folder, as it is written.
    pub path: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Words and phrases of its tasks.
    pub keywords: Vec<String>,
    /// Programs that belong to it.
    pub scripts: Vec<String>,
}

/// What is done with the branches of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Strategy {
    name: String,
    /// As the hooks of git read it, too.
    pattern: Pattern,
    use_worktree: bool,
    parallel: bool,
}

/// What is to be routed. Public fields and `Default`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteQuery {
    /// The type of the task.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about: a message, a description, a command.
    pub text: String,
    /// The branch that it is for.
    pub branch: Option<String>,
    /// Whose turn it is, where nothing says where the task belongs; `None`: it goes to `main` then.
    pub turn: Option<u64>,
}

/// Why a task goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Its branch is of a pattern that uses no worktree: name and pattern.
    Strategy(String, String),
    /// A program of the worktree is named.
    Script(String),
    /// A keyword of the configuration is there.
    Keyword(String),
    /// The worktree itself is named.
    Named,
    /// By the type: the word in it.
    Type(String),
    /// By the prefix of the message, and the word behind it.
    Prefix(String, Option<String>),
    /// By a word of the text.
    Topic(String),
    /// Nothing says it, and it is this one's turn: the number of it, from 1, and how many take turns.
    Turn(u64, u64),
    /// Nothing says that it belongs elsewhere.
    Nothing,
}

/// Where a task goes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The worktree; `main`: none of its own.
    pub worktree: String,
    /// Its branch, where the configuration says it.
    pub branch: Option<String>,
    /// Its folder, where the configuration says it.
    pub path: Option<String>,
    /// Why.
    pub why: Why,
    /// Whether others may work beside it, where a strategy says so of its branch.
    pub parallel: Option<bool>,
    /// What to pass as [`RouteQuery::turn`] for the next task.
    pub next_turn: Option<u64>,
}

/// Where tasks belong. `Routes::default()` knows no configuration, only the words of the scripts that orch replaces.
///
/// All four forms of configuration files are read: a map of worktrees, `worktree_assignments` with `worktree_strategies`, and `worktrees` with or without
/// paths. Words are whole words: `ci` is not in `pricing`. Case, `_`, `-` and a plural `s` do not matter.
///
/// In order: a strategy that uses no worktree, by the branch; then by the type: keywords, names and the scripts' own words; then by the text: programs, keywords,
/// names, prefixes and words; then whose turn it is. A word of the scripts counts only where its worktree is configured, or nothing is.
///
/// ```
/// use orch_core::ext::worktree::{RouteQuery, Routes};
///
/// let routes = Routes::parse(r#"{"worktree_assignments": {"puzzle-gen": ["sudoku"], "pdf-gen": ["pdf generation"]}}"#)?;
/// let routed = routes.route(&RouteQuery { text: "Make the Sudoku harder".into(), ..RouteQuery::default() });
/// assert_eq!(routed.to_string(), "puzzle-gen, because its keyword `sudoku` is there");
///
/// let mut query = RouteQuery { text: "review pricing".into(), turn: Some(0), ..RouteQuery::default() };
/// let mut names = Vec::new();
/// for _ in 0..3 {
///     let routed = routes.route(&query);
///     names.push(routed.worktree);
///     query.turn = routed.next_turn;
/// }
/// assert_eq!(names, ["puzzle-gen", "pdf-gen", "puzzle-gen"]);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    ways: Vec<Way>,
    strategies: Vec<Strategy>,
}

impl Routes {
    /// What a configuration file says, in any of its forms.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for what is no JSON or none of the forms; [`InvalidValue`](ErrorKind::InvalidValue) for a field that is of
    /// another kind.
    pub fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|error| wrong_form(&error.to_string()))?;
        Self::of_value(&value)
    }

    /// The same of JSON that was read already.
    ///
    /// # Errors
    ///
    /// As [`parse`](Routes::parse).
    pub fn of_value(value: &Value) -> Result<Self> {
        let root = value.as_object().ok_or_else(|| wrong_form("it is no object"))?;
        let mut routes = Self::default();
        if let Some(worktrees) = root.get("worktrees") {
            routes.read_ways(object(worktrees, "worktrees")?, "worktrees.")?;
        }
        if let Some(assignments) = root.get("worktree_assignments") {
            for (name, keywords) in object(assignments, "worktree_assignments")? {
                let keywords = texts(Some(keywords), &format!("worktree_assignments.{name}"))?;
                routes.add(Way { name: name.clone(), keywords, ..Way::default() });
            }
        }
        if let Some(strategies) = root.get("worktree_strategies") {
            for (name, strategy) in object(strategies, "worktree_strategies")? {
                routes.strategies.push(read_strategy(name, strategy)?);
            }
        }
        let known = ["worktrees", "worktree_assignments", "worktree_strategies", "orchestration"];
        if !known.iter().any(|key| root.contains_key(*key)) {
            let is_way = |way: &Value| way.get("branch").is_some() || way.get("primary_scripts").is_some();
            if !root.values().all(is_way) {
                return Err(wrong_form("it has neither `worktrees` nor `worktree_assignments`, and is no map of them"));
            }
            routes.read_ways(root, "")?;
        }
        Ok(routes)
    }

    /// Where the scripts that orch replaces look for their configuration, from the top of a repository.
    pub const FILES: [&str; 4] = [
        ".worktree_orchestration_config.json",
        ".worktree_config.json",
        "config/.worktree_config.json",
        ".claude/worktree-config.json",
    ];

    /// What these files say together.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) for one that cannot be read; those of [`parse`](Routes::parse), with the file.
    pub fn load(files: &[PathBuf]) -> Result<Self> {
        files.iter().try_fold(Self::default(), |routes, file| {
            let shown = file.display().to_string();
            let text = fs::read_to_string(file).map_err(|error| {
                Error::new(ErrorKind::Io, format!("could not read `{}`", Printable(&shown))).caused_by(error)
            })?;
            Ok(routes.and(Self::parse(&text).map_err(|error| error.with("file", shown))?))
        })
    }

    /// Those of the [`FILES`](Routes::FILES) that a repository has, by its top.
    pub fn files(top: &Path) -> Vec<PathBuf> {
        Self::FILES.iter().map(|file| top.join(file)).filter(|file| file.is_file()).collect()
    }

    /// With what another file says: worktrees of one name are one, whose branch is that of the file that says one first.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.ways.into_iter().for_each(|way| self.add(way));
        self.strategies.extend(other.strategies);
        self
    }

    /// The worktrees, in the order of the files.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Where a task goes, and why. The same question has the same answer.
    pub fn route(&self, query: &RouteQuery) -> Routed {
        let branch = query.branch.as_deref();
        let strategy = branch.and_then(|branch| self.strategies.iter().find(|one| one.pattern.matches(branch)));
        let none = strategy.filter(|strategy| !strategy.use_worktree);
        let because = |strategy: &Strategy| Why::Strategy(strategy.name.clone(), strategy.pattern.to_string());
        let (worktree, why, next_turn) = match none {
            Some(strategy) => (MAIN.to_owned(), because(strategy), query.turn),
            None => match self.by_type(&query.kind).or_else(|| self.by_text(&query.text)) {
                Some((worktree, why)) => (worktree.to_owned(), why, query.turn),
                None => self.in_turn(query.turn),
            },
        };
        let way = self.ways.iter().find(|way| way.name == worktree);
        Routed {
            branch: way.and_then(|way| way.branch.clone()),
            path: way.and_then(|way| way.path.clone()),
            parallel: strategy.map(|strategy| strategy.parallel),
            worktree,
            why,
            next_turn,
        }
    }

    fn by_type(&self, kind: &str) -> Option<(&str, Why)> {
        let said = words(kind);
        self.by_keyword(&said).or_else(|| self.by_name(&said)).or_else(|| {
            let hit = BY_TYPE.iter().find_map(|(meant, worktree)| {
                Some((*worktree, first(&said, meant)?)).filter(|(worktree, _)| self.has(worktree))
            });
            hit.map(|(worktree, word)| (worktree, Why::Type(word.to_owned())))
        })
    }

    fn by_text(&self, text: &str) -> Option<(&str, Why)> {
        let said = words(text);
        let script = self.ways.iter().find_map(|way| {
            let script = way.scripts.iter().find(|script| phrase(&said, script))?;
            Some((way.name.as_str(), Why::Script(script.clone())))
        });
        script.or_else(|| self.by_keyword(&said)).or_else(|| self.by_name(&said)).or_else(|| {
            let prefix = prefix(text);
            let by_prefix = BY_PREFIX.iter().find_map(|(meant, among, worktree)| {
                let is_it = prefix.as_deref() == Some(*meant) && self.has(worktree);
                // Also in the scope: `feat(pdf): a cover`.
                let word = first(&said, among);
                let why = || Why::Prefix((*meant).to_owned(), word.map(str::to_owned));
                (is_it && (among.is_empty() || word.is_some())).then(|| (*worktree, why()))
            });
            by_prefix.or_else(|| {
                let (among, worktree) = BY_TOPIC;
                let word = first(&said, among).filter(|_| self.has(worktree))?;
                Some((worktree, Why::Topic(word.to_owned())))
            })
        })
    }

    fn by_keyword(&self, said: &[String]) -> Option<(&str, Why)> {
        self.ways.iter().find_map(|way| {
            let keyword = way.keywords.iter().find(|keyword| phrase(said, keyword))?;
            Some((way.name.as_str(), Why::Keyword(keyword.clone())))
        })
    }

    fn by_name(&self, said: &[String]) -> Option<(&str, Why)> {
        let way = self.workers().find(|way| phrase(said, &way.name))?;
        Some((way.name.as_str(), Why::Named))
    }

    fn in_turn(&self, turn: Option<u64>) -> (String, Why, Option<u64>) {
        let many = u64::try_from(self.workers().count()).unwrap_or(u64::MAX);
        let turned = turn.and_then(|turn| {
            let nth = turn.checked_rem(many)?;
            let way = self.workers().nth(usize::try_from(nth).ok()?)?;
            Some((way.name.clone(), Why::Turn(nth + 1, many), Some((nth + 1) % many)))
        });
        turned.unwrap_or_else(|| (MAIN.to_owned(), Why::Nothing, turn))
    }

    /// Those that tasks may be dealt to: not what stands on the main branch.
    fn workers(&self) -> impl Iterator<Item = &Way> {
        let is_main = |way: &Way| way.name == MAIN || matches!(way.branch.as_deref(), Some("main" | "master"));
        self.ways.iter().filter(move |way| !is_main(way))
    }

    fn has(&self, worktree: &str) -> bool {
        worktree == MAIN || self.ways.is_empty() || self.ways.iter().any(|way| way.name == worktree)
    }

    fn add(&mut self, way: Way) {
        match self.ways.iter_mut().find(|known| known.name == way.name) {
            None => self.ways.push(way),
            Some(known) => {
                known.branch = known.branch.take().or(way.branch);
                known.path = known.path.take().or(way.path);
                known.purpose = known.purpose.take().or(way.purpose);
                known.keywords.extend(way.keywords);
                known.scripts.extend(way.scripts);
            }
        }
    }

    fn read_ways(&mut self, ways: &Map<String, Value>, at: &str) -> Result<()> {
        for (name, way) in ways {
            let at = format!("{at}{name}");
            let way = object(way, &at)?;
            let text = |key: &str| text(way.get(key), &format!("{at}.{key}"));
            self.add(Way {
                name: name.clone(),
                branch: text("branch")?,
                path: text("path")?,
                purpose: text("purpose")?,
                keywords: Vec::new(),
                scripts: texts(way.get("primary_scripts"), &format!("{at}.primary_scripts"))?,
            });
        }
        Ok(())
    }
}

impl Routed {
    /// As data: where, by which rule, and why in words.
    pub fn form(&self) -> Value {
        let (by, hit) = match &self.why {
            Why::Strategy(_, hit) => ("strategy", Some(hit)),
            Why::Script(hit) => ("script", Some(hit)),
            Why::Keyword(hit) => ("keyword", Some(hit)),
            Why::Named => ("name", Some(&self.worktree)),
            Why::Type(hit) => ("type", Some(hit)),
            Why::Prefix(prefix, hit) => ("prefix", Some(hit.as_ref().unwrap_or(prefix))),
            Why::Topic(hit) => ("topic", Some(hit)),
            Why::Turn(..) => ("turn", None),
            Why::Nothing => ("nothing", None),
        };
        json!({
            "worktree": self.worktree, "branch": self.branch, "path": self.path, "by": by, "hit": hit,
            "because": self.why.to_string(), "parallel": self.parallel, "next_turn": self.next_turn,
        })
    }
}

impl fmt::Display for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, because {}", self.worktree, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strategy(name, pattern) => write!(f, "its branch is of `{pattern}` ({name}), which uses no worktree"),
            Self::Script(script) => write!(f, "its program `{script}` is named"),
            Self::Keyword(keyword) => write!(f, "its keyword `{keyword}` is there"),
            Self::Named => write!(f, "it is named"),
            Self::Type(word) => write!(f, "the type says `{word}`"),
            Self::Prefix(prefix, None) => write!(f, "`{prefix}:` goes there"),
            Self::Prefix(prefix, Some(word)) => write!(f, "`{prefix}:` with `{word}` goes there"),
            Self::Topic(word) => write!(f, "`{word}` is there"),
            Self::Turn(nth, many) => write!(f, "nothing says where it belongs, and it is its turn, {nth} of {many}"),
            Self::Nothing => write!(f, "nothing says that it belongs elsewhere"),
        }
    }
}

/// The first of the words that is said.
fn first<'a>(said: &[String], meant: &[&'a str]) -> Option<&'a str> {
    meant.iter().copied().find(|meant| phrase(said, meant))
}

fn read_strategy(name: &str, value: &Value) -> Result<Strategy> {
    let at = format!("worktree_strategies.{name}");
    let strategy = object(value, &at)?;
    let flag = |key: &str| match strategy.get(key) {
        None => Ok(true),
        Some(value) => value.as_bool().ok_or_else(|| not_a(&format!("{at}.{key}"), "true or false")),
    };
    let said = text(strategy.get("pattern"), &format!("{at}.pattern"))?;
    let pattern = said.and_then(|said| said.parse().ok());
    Ok(Strategy {
        name: name.to_owned(),
        pattern: pattern.ok_or_else(|| not_a(&format!("{at}.pattern"), "a pattern, such as `feat/*`"))?,
        use_worktree: flag("use_worktree")?,
        parallel: flag("parallel")?,
    })
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| not_a(at, "an object"))
}

fn text(value: Option<&Value>, at: &str) -> Result<Option<String>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(not_a(at, "text")),
    }
}

fn texts(value: Option<&Value>, at: &str) -> Result<Vec<String>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| not_a(at, "a list of texts"))?;
    list.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(|| not_a(at, "a list of texts"))).collect()
}

fn not_a(at: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidValue, format!("`{}` of the configuration of worktrees must be {what}", Printable(at)))
}

fn wrong_form(why: &str) -> Error {
    Error::new(ErrorKind::InvalidFormat, format!("this is no configuration of worktrees: {}", Printable(why)))
}

#[cfg(test)]
mod tests;
