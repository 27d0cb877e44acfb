//! What one list item says of a step: who, what, how long, after what.

use super::times::{Time, is_unit, time};

/// One step of a command, as its item says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::definition::command) struct Step {
    pub(in crate::definition::command) line: u32,
    /// The number that the text gives it, or its place among all steps, from 1.
    pub(in crate::definition::command) number: u32,
    /// The name that the text gives it; only lists under `agents:` do.
    pub(in crate::definition::command) id: Option<String>,
    pub(in crate::definition::command) agent: Option<String>,
    pub(in crate::definition::command) task: String,
    /// The items below it.
    pub(in crate::definition::command) details: Vec<String>,
    pub(in crate::definition::command) time: Option<Time>,
    pub(in crate::definition::command) after: Vec<Ref>,
    pub(in crate::definition::command) inputs: Vec<String>,
    pub(in crate::definition::command) outputs: Vec<String>,
    pub(in crate::definition::command) rollback: Option<String>,
    /// Its name was a title in bold with items below, not a sentence: a topic.
    pub(in crate::definition::command) is_topic: bool,
}

/// How a step names what it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::definition::command) enum Ref {
    Number(u32),
    Range(u32, u32),
    Name(String),
    Phase(u32),
    Previous,
    All,
}

impl Step {
    pub(in crate::definition::command) fn new(line: u32, number: u32, text: &str) -> Self {
        let mut step = Self { line, number, ..Self::default() };
        let mut text = step.take_groups(text);
        if let Some(found) = depends(&text) {
            step.after.extend(found.refs);
            text.replace_range(found.start..found.end, "");
        }
        text = step.take_last_time(&text);
        step.who(trim_marks(&text));
        step
    }

    /// Takes what is said in parentheses, and leaves those that say something else.
    fn take_groups(&mut self, text: &str) -> String {
        let mut left = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, inner, after)) = group(rest) {
            left.push_str(before);
            match self.facts(inner) {
                None => {
                    left.push('(');
                    left.push_str(inner);
                    left.push(')');
                }
                Some(remainder) if remainder.is_empty() => {}
                Some(remainder) => {
                    left.push('(');
                    left.push_str(&remainder);
                    left.push(')');
                }
            }
            rest = after;
        }
        left.push_str(rest);
        left
    }

    /// Reads `depends on 2,3, 5 min`; answers what is left of it, or `None` if there was nothing to read.
    fn facts(&mut self, inner: &str) -> Option<String> {
        let mut text = inner.to_owned();
        let mut found = false;
        if let Some(depends) = depends(inner) {
            found = true;
            self.after.extend(depends.refs);
            text.replace_range(depends.start..depends.end, ",");
        }
        let mut remainder = Vec::new();
        for part in text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
            let lower = part.to_ascii_lowercase();
            if let Some(time) = time(part) {
                self.time = Some(time);
            } else if lower.starts_with("rollback") || lower.starts_with("roll back") {
                self.rollback = Some(part.to_owned());
            } else if lower.starts_with("uses ") && part.contains('`') {
                self.inputs.extend(keys(part));
            } else {
                remainder.push(part);
                continue;
            }
            found = true;
        }
        found.then(|| remainder.join(", "))
    }

    /// Takes a time that stands after the last dash: `Check quality - 5 min`.
    fn take_last_time(&mut self, text: &str) -> String {
        if let Some((before, last)) = text.rsplit_once(" - ")
            && let Some(time) = time(last)
        {
            self.time = Some(time);
            return before.to_owned();
        }
        text.to_owned()
    }

    /// Tells the agent from the task.
    fn who(&mut self, text: &str) {
        if let Some((bold, rest)) = text.strip_prefix("**").and_then(|text| text.split_once("**")) {
            let name = trim_marks(bold);
            let rest = trim_marks(rest);
            if is_agent(name) {
                self.agent = Some(name.to_owned());
                self.task = capitalized(&plain(rest));
                return;
            }
            self.is_topic = true;
            let agent = group(rest).filter(|(_, inner, _)| is_agent(inner)).map(|(before, inner, after)| {
                self.agent = Some(inner.to_owned());
                format!("{before}{after}")
            });
            let rest = plain(trim_marks(agent.as_deref().unwrap_or(rest)));
            let mark = if rest.is_empty() || rest.starts_with('(') { " " } else { ": " };
            self.task = format!("{}{mark}{rest}", plain(name)).trim_end().to_owned();
            return;
        }
        if let Some((before, agent, after)) = bold_agent(text) {
            self.agent = Some(agent.to_owned());
            self.task = capitalized(&plain(&task_beside(before, agent, after)));
            return;
        }
        let split = [" - ", " – ", " — ", ": "].iter().find_map(|mark| {
            let (name, rest) = text.split_once(mark)?;
            let name = name.trim().trim_matches('`');
            // One word and a colon may be any sentence; an agent's name there has a dash in it.
            (is_agent(name) && (*mark != ": " || name.contains('-'))).then_some((name, rest))
        });
        if let Some((agent, rest)) = split {
            self.agent = Some(agent.to_owned());
            self.task = plain(trim_marks(rest));
        } else {
            self.task = plain(text);
        }
    }

    /// Takes an item below the step.
    pub(in crate::definition::command) fn detail(&mut self, text: &str) {
        let shown = plain(text);
        let lower = shown.to_ascii_lowercase();
        let said = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| lower.strip_prefix(name))
                .map(|rest| shown.split_at(shown.len() - rest.len()).1)
        };
        let nothing = |text: &str| text.trim().to_ascii_lowercase().starts_with("none");
        if let Some(rest) = said(&["input:", "inputs:"]) {
            let keys: Vec<String> = keys(rest).collect();
            let phase = phase_number(rest);
            match phase {
                Some(phase) if keys.is_empty() => self.after.push(Ref::Phase(phase)),
                _ if keys.is_empty() && !nothing(rest) => self.details.push(shown),
                _ => self.inputs.extend(keys),
            }
        } else if let Some(rest) = said(&["output:", "outputs:"]) {
            let before = self.outputs.len();
            self.outputs.extend(keys(rest));
            if self.outputs.len() == before && !nothing(rest) {
                self.details.push(shown);
            }
        } else if let Some(found) = depends(&shown).filter(|found| found.start == 0) {
            self.after.extend(found.refs);
        } else if let Some(time) = said(&["time:", "duration:", "estimated time:"]).and_then(time) {
            self.time = Some(time);
        } else if !shown.is_empty() {
            self.details.push(shown);
        }
    }

    /// What to do, the items below included.
    pub(in crate::definition::command) fn full_task(&self) -> String {
        let mut task = self.task.clone();
        for detail in &self.details {
            if !task.is_empty() {
                task.push('\n');
            }
            task.push_str("- ");
            task.push_str(detail);
        }
        task
    }
}

/// The first pair of parentheses: what is before, inside and after. Parentheses inside belong to it.
fn group(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find('(')?;
    let mut depth = 0usize;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..start)?, text.get(start + 1..at)?, text.get(at + 1..)?));
        }
    }
    None
}

struct Depends {
    start: usize,
    end: usize,
    refs: Vec<Ref>,
}

/// Finds `depends on steps 2,3` and reads the list as far as it goes.
fn depends(text: &str) -> Option<Depends> {
    let lower = text.to_ascii_lowercase();
    let (start, mark) = ["depends on", "depend on", "dependencies:", "after step"]
        .into_iter()
        .filter_map(|mark| lower.find(mark).map(|at| (at, mark)))
        .min()?;
    let mut refs = Vec::new();
    let mut end = start + mark.len();
    let mut rest = lower.get(end..)?;
    while let Some((found, left)) = reference(rest) {
        refs.extend(found);
        end = text.len() - left.len();
        let separated = left.trim_start();
        let and = separated.strip_prefix([',', '&', '/', '+', ';']).or_else(|| separated.strip_prefix("and "));
        let Some(next) = and else { break };
        rest = next.trim_start().strip_prefix("and ").unwrap_or(next);
    }
    // A list that names nothing that could be a step is prose: "depends on complexity".
    (end > start + mark.len()).then_some(Depends { start, end, refs })
}

/// Reads one name of a step; answers it and the rest. `none` is a list without steps.
fn reference(text: &str) -> Option<(Option<Ref>, &str)> {
    let mut rest = text.trim_start_matches([' ', '*', ':']);
    let mut phase = false;
    for filler in ["the ", "steps ", "step ", "tasks ", "task ", "phases ", "phase "] {
        if let Some(after) = rest.strip_prefix(filler) {
            phase |= filler.starts_with("phase");
            rest = after.trim_start();
        }
    }
    rest = rest.strip_prefix('#').unwrap_or(rest);
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if digits > 0 {
        let (number, after) = rest.split_at(digits);
        let number: u32 = number.parse().ok()?;
        if let Some((last, after)) = after.strip_prefix(['-', '–']).and_then(number_first) {
            return (!starts_with_unit(after)).then_some((Some(Ref::Range(number, last)), after));
        }
        let reference = if phase { Ref::Phase(number) } else { Ref::Number(number) };
        // "depends on 1, 10 min": the second number is a time.
        return (!starts_with_unit(after)).then_some((Some(reference), after));
    }
    for (word, reference) in
        [("all", Some(Ref::All)), ("previous", Some(Ref::Previous)), ("none", None), ("nothing", None)]
    {
        if let Some(mut after) = rest.strip_prefix(word).filter(|after| !after.starts_with(char::is_alphanumeric)) {
            for filler in [" of", " the", " previous", " earlier", " above", " steps", " step", " tasks", " ones"] {
                after = after.strip_prefix(filler).unwrap_or(after);
            }
            return Some((reference, after));
        }
    }
    let quoted = rest.strip_prefix('`').unwrap_or(rest);
    let length = quoted.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(quoted.len());
    let (name, after) = quoted.split_at(length);
    let is_name = is_agent(name) && (name.contains('-') || quoted.len() < rest.len());
    is_name.then(|| {
        let after = after.strip_prefix('`').unwrap_or(after);
        (Some(Ref::Name(name.to_owned())), after.strip_prefix("**").unwrap_or(after))
    })
}

fn number_first(text: &str) -> Option<(u32, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

fn starts_with_unit(text: &str) -> bool {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    is_unit(text.split_at(end).0)
}

/// `Phase 2` anywhere in a text.
fn phase_number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find("phase ")?;
    number_first(lower.get(at + 6..)?).map(|(number, _)| number)
}

/// The first agent in bold inside a sentence: what is before, its name, what is after.
fn bold_agent(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("**")?;
    let (bold, after) = rest.split_once("**")?;
    if is_agent(bold) { Some((before, bold, after)) } else { None }
}

/// The task of a sentence with an agent in it: `Use **x** to look` is `look`, `Review by **x**` is `Review`.
fn task_beside(before: &str, agent: &str, after: &str) -> String {
    let (before, after) = (before.trim(), after.trim());
    if before.eq_ignore_ascii_case("use")
        && let Some(task) = after.strip_prefix("to ")
    {
        return task.to_owned();
    }
    match before.strip_suffix(" by") {
        Some(task) if after.is_empty() => task.to_owned(),
        _ if before.is_empty() => after.to_owned(),
        _ => format!("{before} {agent} {after}"),
    }
}

/// Names in code marks: `quality-issues[]` is the key `quality-issues`.
fn keys(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(|key| key.trim().trim_end_matches("[]").trim_matches(['[', ']']).to_owned())
        .filter(|key| !key.is_empty() && key.len() <= 100)
}

/// Whether a text can be the name of an agent: words in lower case with dashes.
pub(in crate::definition::command) fn is_agent(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn trim_marks(text: &str) -> &str {
    text.trim().trim_start_matches(['-', '–', '—', ':', ' ']).trim_end_matches(['-', '–', '—', ':', ',', ';', '(', ' '])
}

/// Without bold, and with single spaces.
pub(in crate::definition::command) fn plain(text: &str) -> String {
    text.replace("**", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let step = Step::new(1, 1, text);
        let mut shown = format!("{text}\n   ");
        if let Some(agent) = &step.agent {
            let _ = write!(shown, " [{agent}]");
        }
        let _ = write!(shown, " {:?}", step.task);
        if let Some(time) = step.time {
            let _ = write!(shown, " {:?}", time.to);
        }
        for after in &step.after {
            let _ = write!(shown, " {after:?}");
        }
        for input in &step.inputs {
            let _ = write!(shown, " <{input}");
        }
        if let Some(rollback) = &step.rollback {
            let _ = write!(shown, " ({rollback})");
        }
        shown
    }

    #[test]
    fn every_way_to_write_a_step() {
        let steps = [
            "Analyze structure (5 min)",
            "Check quality (depends on 1, 10 min)",
            "Generate report (depends on 2,3, 5 min)",
            "Generate report (depends on steps 2,3, 5 minutes)",
            "Report (5 min) depends on step 1 and 2",
            "Report, depends on 1-3",
            "Report (depends on all previous steps)",
            "Report (depends on `linter` and unit-tests, 2 h)",
            "Report (depends on phase 2)",
            "Start (depends on none)",
            "Estimate (depends on complexity)",
            "Apply migrations (depends on 2, 10 min, rollback on failure)",
            "**threat-modeler** - Create threat model (STRIDE, SQL)",
            "**quality-reviewer** (Uses cached `codebase-context`)",
            "**Initial Needs Gathering** (general-purpose)",
            "**Performance Tests** (where applicable)",
            "**Location**: File and line",
            "threat-modeler - Create threat model",
            "linter: run it",
            "code-linter: run it",
            "Use **master-strategist** to analyze requirements",
            "Security review by **vulnerability-hunter**",
            "**state-synchronizer** maintains distributed state",
            "Let **x** do **y**",
            "Unclosed (depends on 1",
            "Check - 5 min",
            "",
        ];
        insta::assert_snapshot!(steps.map(shown).join("\n"), @r#"
        Analyze structure (5 min)
            "Analyze structure" 300s
        Check quality (depends on 1, 10 min)
            "Check quality" 600s Number(1)
        Generate report (depends on 2,3, 5 min)
            "Generate report" 300s Number(2) Number(3)
        Generate report (depends on steps 2,3, 5 minutes)
            "Generate report" 300s Number(2) Number(3)
        Report (5 min) depends on step 1 and 2
            "Report" 300s Number(1) Number(2)
        Report, depends on 1-3
            "Report" Range(1, 3)
        Report (depends on all previous steps)
            "Report" All
        Report (depends on `linter` and unit-tests, 2 h)
            "Report" 7200s Name("linter") Name("unit-tests")
        Report (depends on phase 2)
            "Report" Phase(2)
        Start (depends on none)
            "Start"
        Estimate (depends on complexity)
            "Estimate (depends on complexity)"
        Apply migrations (depends on 2, 10 min, rollback on failure)
            "Apply migrations" 600s Number(2) (rollback on failure)
        **threat-modeler** - Create threat model (STRIDE, SQL)
            [threat-modeler] "Create threat model (STRIDE, SQL)"
        **quality-reviewer** (Uses cached `codebase-context`)
            [quality-reviewer] "" <codebase-context
        **Initial Needs Gathering** (general-purpose)
            [general-purpose] "Initial Needs Gathering"
        **Performance Tests** (where applicable)
            "Performance Tests (where applicable)"
        **Location**: File and line
            "Location: File and line"
        threat-modeler - Create threat model
            [threat-modeler] "Create threat model"
        linter: run it
            "linter: run it"
        code-linter: run it
            [code-linter] "run it"
        Use **master-strategist** to analyze requirements
            [master-strategist] "Analyze requirements"
        Security review by **vulnerability-hunter**
            [vulnerability-hunter] "Security review"
        **state-synchronizer** maintains distributed state
            [state-synchronizer] "Maintains distributed state"
        Let **x** do **y**
            [x] "Let x do y"
        Unclosed (depends on 1
            "Unclosed" Number(1)
        Check - 5 min
            "Check" 300s

            ""
        "#);
    }

    #[test]
    fn items_below_a_step_are_read_or_kept() {
        let mut step = Step::new(1, 7, "**senior-reviewer** - Combine");
        for detail in [
            "Remove **duplicates**",
            "**Input**: All outputs from Phase 2",
            "**Inputs**: `a`, `b[]`",
            "**Input**: None",
            "**Output**: `report` (cached for reuse)",
            "**Output**: Final report",
            "Depends on 3",
            "**Time**: 10 min",
        ] {
            step.detail(detail);
        }
        assert_eq!(step.full_task(), "Combine\n- Remove duplicates\n- Output: Final report");
        assert_eq!(step.after, [Ref::Phase(2), Ref::Number(3)]);
        assert_eq!((step.inputs, step.outputs), (vec!["a".into(), "b".into()], vec!["report".into()]));
        assert_eq!(step.time.unwrap().to.as_secs(), 600);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(depends on |[(),`*# -]|[0-9]{1,12}|min|all|\\PC){0,20}") {
            let mut step = Step::new(1, 1, &text);
            step.detail(&text);
            step.full_task();
        }
    }
}
