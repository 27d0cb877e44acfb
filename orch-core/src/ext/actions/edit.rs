//! Edits of a workflow's text: each adds lines or replaces one word, and touches no other byte.

use std::ops::Range;

use super::{
    prove::{Intended, Plain},
    yaml::{View, Yaml},
};

/// A piece of text in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) text: String,
    pub(super) intended: Intended,
}

impl Edit {
    pub(super) fn apply(&self, text: &str) -> String {
        let before = text.get(..self.at.start).unwrap_or_default();
        let after = text.get(self.at.end..).unwrap_or_default();
        [before, &self.text, after].concat()
    }
}

/// Why a file is not edited at all, if it is not.
pub(super) fn hindrance(yaml: &Yaml<'_>) -> Option<&'static str> {
    let text = yaml.text();
    let lone_return = text.match_indices('\r').any(|(at, _)| text.as_bytes().get(at + 1) != Some(&b'\n'));
    if yaml.linked {
        Some("it has anchors, aliases or tags, and an edit would be in more than one place")
    } else if lone_return || text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        Some("it has signs that end a line for some readers and not for others")
    } else if yaml.root().is_some_and(View::is_flow) {
        Some("it is written in braces")
    } else {
        None
    }
}

/// What ends the lines around that place.
fn line_end(yaml: &Yaml<'_>, at: usize) -> &'static str {
    let line = yaml.text().get(yaml.line_start(at)..yaml.next_line(at)).unwrap_or_default();
    let crlf = line.ends_with("\r\n") || !line.ends_with('\n') && yaml.text().contains("\r\n");
    if crlf { "\r\n" } else { "\n" }
}

/// The spaces before a key that stands first on its line.
fn indent(yaml: &Yaml<'_>, key: View<'_>) -> Result<String, String> {
    let at = key.span().start;
    let before = yaml.text().get(yaml.line_start(at)..at).unwrap_or_default();
    if before.bytes().all(|byte| byte == b' ') {
        Ok(before.to_owned())
    } else {
        Err("its key does not stand alone at the beginning of a line".to_owned())
    }
}

/// Lines before the line of a key.
fn above(yaml: &Yaml<'_>, key: View<'_>) -> usize {
    yaml.line_start(key.span().start)
}

/// The same, before the comments that stand right above it.
fn above_comments(yaml: &Yaml<'_>, key: View<'_>) -> usize {
    let mut at = above(yaml, key);
    while at > 0 {
        let start = yaml.line_start(at - 1);
        let line = yaml.text().get(start..at).unwrap_or_default();
        if !line.trim_start_matches('\u{feff}').trim_start().starts_with('#') || line.starts_with('\u{feff}') {
            break;
        }
        at = start;
    }
    at
}

/// Whether a value stands on one line, so that the next line is below it.
fn on_one_line(yaml: &Yaml<'_>, key: View<'_>, value: View<'_>) -> bool {
    let span = value.span();
    let flat = value.scalar().is_some() && !value.is_block() || value.is_flow();
    flat && yaml.line_start(key.span().start) == yaml.line_start(span.end)
}

/// A piece of text after the line of that place, with a line's end before it where the last line has none.
fn below(yaml: &Yaml<'_>, at: usize, lines: &str, end: &str) -> (Range<usize>, String) {
    let next = yaml.next_line(at);
    let open = !yaml.text().get(..next).is_some_and(|text| text.ends_with('\n'));
    if open {
        (next..next, format!("{end}{}", lines.trim_end_matches(['\r', '\n'])))
    } else {
        (next..next, lines.to_owned())
    }
}

/// The group of what a pull request starts, and of everything else by its branch.
pub(super) const GROUP: &str = "${{ github.workflow }}-${{ github.event.pull_request.number || github.ref }}";
/// True for pull requests only: never on a branch or a tag.
pub(super) const CANCEL: &str = "${{ github.event_name == 'pull_request' }}";

/// `concurrency` before `jobs`.
pub(super) fn concurrency(yaml: &Yaml<'_>) -> Result<Edit, String> {
    let root = yaml.root().ok_or("there is no document")?;
    let (jobs, _) = root.entry("jobs").ok_or("there is no `jobs`")?;
    let space = indent(yaml, jobs)?;
    let end = line_end(yaml, jobs.span().start);
    let at = above_comments(yaml, jobs);
    let text =
        format!("{space}concurrency:{end}{space}  group: {GROUP}{end}{space}  cancel-in-progress: {CANCEL}{end}{end}");
    let value = Plain::Map(vec![
        ("group".to_owned(), Plain::text(GROUP)),
        ("cancel-in-progress".to_owned(), Plain::text(CANCEL)),
    ]);
    Ok(Edit { at: at..at, text, intended: Intended::one(&["concurrency"], value) })
}

/// `cancel-in-progress` under a group that pull requests have for themselves.
pub(super) fn cancel(yaml: &Yaml<'_>) -> Result<Edit, String> {
    let node = yaml.root().and_then(|root| root.get("concurrency")).ok_or("there is no `concurrency`")?;
    if !node.is_map() || node.is_flow() {
        return Err("`concurrency` is written in one line; write `group` and `cancel-in-progress` under it".to_owned());
    }
    let (key, group) = node.entry("group").ok_or("`concurrency` has no `group`")?;
    let own = ["github.ref", "github.head_ref", "pull_request.number"];
    if !own.iter().any(|word| group.text().is_some_and(|group| group.contains(word))) {
        return Err("a pull request would cancel runs of others: the group is not one for each branch or pull request"
            .to_owned());
    }
    if !on_one_line(yaml, key, group) {
        return Err("`group` is written on more than one line".to_owned());
    }
    let space = indent(yaml, key)?;
    let end = line_end(yaml, key.span().start);
    let (at, text) = below(yaml, group.span().end, &format!("{space}cancel-in-progress: {CANCEL}{end}"), end);
    Ok(Edit { at, text, intended: Intended::one(&["concurrency", "cancel-in-progress"], Plain::text(CANCEL)) })
}

/// `timeout-minutes` beside `runs-on`.
pub(super) fn timeout(yaml: &Yaml<'_>, id: &str, job: View<'_>, minutes: u64, known: bool) -> Result<Edit, String> {
    if job.is_flow() {
        return Err("the job is written in braces".to_owned());
    }
    let (key, value) = job.entry("runs-on").ok_or("the job has no `runs-on`")?;
    let space = indent(yaml, key)?;
    let end = line_end(yaml, key.span().start);
    let comment = if known { "" } else { " # a guess" };
    let line = format!("{space}timeout-minutes: {minutes}{comment}{end}");
    let (at, text) = if on_one_line(yaml, key, value) {
        below(yaml, value.span().end, &line, end)
    } else {
        (above(yaml, key)..above(yaml, key), line)
    };
    let value = Plain::text(minutes.to_string());
    let one = Intended::one(&["jobs", id, "timeout-minutes"], value);
    Ok(Edit { at, text, intended: Intended { comments: usize::from(!known), ..one } })
}

/// `cache` under `with` of a step.
pub(super) fn cache(yaml: &Yaml<'_>, id: &str, nth: usize, step: View<'_>, value: &str) -> Result<Edit, String> {
    if step.is_flow() {
        return Err("the step is written in braces".to_owned());
    }
    let nth = nth.to_string();
    if let Some(with) = step.get("with").filter(|with| !with.is_null()) {
        let first = with.entries().next().filter(|_| !with.is_flow()).map(|(key, _)| key);
        let key = first.ok_or("`with` is written in braces")?;
        let space = indent(yaml, key)?;
        let at = above(yaml, key);
        let text = format!("{space}cache: {value}{}", line_end(yaml, key.span().start));
        let intended = Intended::one(&["jobs", id, "steps", &nth, "with", "cache"], Plain::text(value));
        return Ok(Edit { at: at..at, text, intended });
    }
    if step.get("with").is_some() {
        return Err("`with` has no value".to_owned());
    }
    let (key, uses) = step.entry("uses").ok_or("the step has no `uses`")?;
    if !on_one_line(yaml, key, uses) {
        return Err("`uses` is written on more than one line".to_owned());
    }
    // The first key of a step stands behind its dash; the others below that key.
    let start = yaml.line_start(key.span().start);
    let before = yaml.text().get(start..key.span().start).unwrap_or_default();
    if !before.bytes().all(|byte| matches!(byte, b' ' | b'-')) {
        return Err("`uses` does not stand alone on its line".to_owned());
    }
    let space = " ".repeat(before.len());
    let end = line_end(yaml, key.span().start);
    let (at, text) = below(yaml, uses.span().end, &format!("{space}with:{end}{space}  cache: {value}{end}"), end);
    let value = Plain::Map(vec![("cache".to_owned(), Plain::text(value))]);
    Ok(Edit { at, text, intended: Intended::one(&["jobs", id, "steps", &nth, "with"], value) })
}

/// Another cron in the quotes of the old one.
pub(super) fn cron(yaml: &Yaml<'_>, nth: usize, node: View<'_>, new: &str) -> Result<Edit, String> {
    if yaml.text().contains("event.schedule") {
        return Err("something in it asks which cron started it (`github.event.schedule`)".to_owned());
    }
    let span = node.span();
    let raw = yaml.text().get(span.clone()).unwrap_or_default();
    let old = node.scalar().unwrap_or_default();
    let quote = raw.chars().next().filter(|char| matches!(char, '\'' | '"')).map_or(0, char::len_utf8);
    let at = span.start + quote..span.end.saturating_sub(quote);
    if yaml.text().get(at.clone()) != Some(old) {
        return Err("the cron is not written as it is read".to_owned());
    }
    let value = Plain::Scalar(new.to_owned(), node.is_plain());
    let intended = Intended::one(&["on", "schedule", &nth.to_string(), "cron"], value);
    Ok(Edit { at, text: new.to_owned(), intended })
}

/// `branches` under `push`.
pub(super) fn branches(yaml: &Yaml<'_>, branch: &str) -> Result<Edit, String> {
    let on = yaml.root().and_then(|root| root.get("on")).ok_or("there is no `on`")?;
    let (key, push) = on
        .entry("push")
        .filter(|_| !on.is_flow())
        .ok_or("`on` is a list; write `push` as a key with `branches` under it")?;
    let space = indent(yaml, key)?;
    let end = line_end(yaml, key.span().start);
    let safe = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '/' | '.');
    let plain = branch.chars().all(safe) && branch.starts_with(|char: char| char.is_ascii_alphabetic());
    if !plain || matches!(branch, "true" | "false" | "null" | "yes" | "no" | "on" | "off") {
        return Err("the name of the branch would need quotes".to_owned());
    }
    let value = Plain::Seq(vec![Plain::text(branch)]);
    if push.is_null() {
        let (at, text) = below(yaml, key.span().end, &format!("{space}  branches: [{branch}]{end}"), end);
        let value = Plain::Map(vec![("branches".to_owned(), value)]);
        return Ok(Edit { at, text, intended: Intended::one(&["on", "push"], value) });
    }
    let first = push.entries().next().filter(|_| !push.is_flow()).map(|(key, _)| key);
    let first = first.ok_or("`push` is written in braces")?;
    if push.get("branches").is_some() {
        return Err("`push` names branches already".to_owned());
    }
    let space = indent(yaml, first)?;
    let at = above(yaml, first);
    let text = format!("{space}branches: [{branch}]{end}");
    Ok(Edit { at: at..at, text, intended: Intended::one(&["on", "push", "branches"], value) })
}

/// `workflow_dispatch` in place of `schedule`.
pub(super) fn take_over(yaml: &Yaml<'_>) -> Result<Edit, String> {
    let root = yaml.root().ok_or("there is no document")?;
    let on = root.get("on").filter(|on| on.is_map() && !on.is_flow()).ok_or("`on` is not written in lines")?;
    let (key, schedule) = on.entry("schedule").ok_or("it has no `schedule`")?;
    let space = indent(yaml, key)?;
    let end = line_end(yaml, key.span().start);
    let at = above(yaml, key)..yaml.next_line(schedule.span().end);
    let old = yaml.text().get(at.clone()).unwrap_or_default();
    let inside = |span: &&Range<usize>| at.start <= span.start && span.end <= at.end;
    let gone = yaml
        .comments
        .iter()
        .filter(inside)
        .filter_map(|span| yaml.text().get(span.clone()))
        .map(str::to_owned)
        .collect();
    let mut changes = vec![(vec!["on".to_owned(), "schedule".to_owned()], None)];
    let mut text = String::new();
    if on.get("workflow_dispatch").is_none() {
        let close = if old.ends_with('\n') { end } else { "" };
        text = format!("{space}workflow_dispatch:{close}");
        changes.push((vec!["on".to_owned(), "workflow_dispatch".to_owned()], Some(Plain::text(""))));
    }
    Ok(Edit { at, text, intended: Intended { changes, comments: 0, gone } })
}
