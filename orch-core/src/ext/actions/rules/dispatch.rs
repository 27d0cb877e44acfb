//! Workflows that start, call or wait for others: whether those are there.

use std::collections::BTreeSet;

use super::{
    super::{
        audit::{Findings, Known, Looked},
        yaml::View,
    },
    Rule,
};
use crate::id::Printable;

pub(in super::super) fn check(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let mut said = BTreeSet::new();
    for (_, step) in looked.workflow.steps() {
        let scripts = [step.node.get("run"), step.with("script")];
        for node in scripts.into_iter().flatten() {
            let Some(script) = node.text() else { continue };
            for (line, target) in targets(script) {
                if said.insert(target.clone()) {
                    dispatched(looked, findings, node, line, &target);
                }
            }
        }
        if let Some(target) =
            step.action().filter(|action| action.contains("workflow-dispatch")).and(step.with("workflow"))
            && let Some(name) = target.text().filter(|name| !name.contains("${{"))
            && said.insert(name.to_owned())
        {
            dispatched(looked, findings, target, 0, name);
        }
    }
    called(looked, findings);
    awaited(looked, findings);
}

/// Says what is wrong with a workflow that a script starts.
fn dispatched(looked: &Looked<'_>, findings: &mut Findings<'_>, node: View<'_>, line: usize, target: &str) {
    let why = match find(looked.all, target) {
        Found::Here(events) if events.contains("workflow_dispatch") => return,
        Found::Here(_) => "has no `workflow_dispatch`, so it cannot be started so".to_owned(),
        Found::Unread => return,
        Found::Nowhere => missing(looked, target),
    };
    let (first, column) = node.place();
    // The place of a block is its first line that is not empty.
    let empty = node.scalar().map_or(0, |text| text.bytes().take_while(|byte| *byte == b'\n').count());
    let line = first + if node.is_block() { line.saturating_sub(empty) } else { 0 };
    let reason = format!("it starts `{}`, which {why}", Printable(target));
    findings.note(Rule::DeadDispatch, (line, if node.is_block() { 1 } else { column }), reason);
}

fn missing(looked: &Looked<'_>, target: &str) -> String {
    if looked.options.disabled.contains(target) || looked.options.disabled.contains(&format!("{target}.disabled")) {
        return "is switched off".to_owned();
    }
    "is not there".to_owned()
}

enum Found<'a> {
    Here(&'a BTreeSet<String>),
    /// It is there, and cannot be read.
    Unread,
    Nowhere,
}

fn find<'a>(all: &'a Known, target: &str) -> Found<'a> {
    match all.files.get(target) {
        Some(Some(file)) => return Found::Here(&file.events),
        Some(None) => return Found::Unread,
        None => {}
    }
    let named = all.files.values().flatten().find(|file| file.name.as_deref() == Some(target));
    named.map_or(Found::Nowhere, |file| Found::Here(&file.events))
}

/// Jobs that call a workflow of this repository.
fn called(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    for job in &looked.workflow.jobs {
        let Some(node) = job.calls() else { continue };
        let Some(file) = node.text().and_then(|uses| uses.strip_prefix("./.github/workflows/")) else { continue };
        let why = match find(looked.all, file) {
            Found::Here(events) if events.contains("workflow_call") => continue,
            Found::Here(_) => "has no `workflow_call`, so it cannot be called".to_owned(),
            Found::Unread => continue,
            Found::Nowhere => missing(looked, file),
        };
        let reason = format!("it calls `{}`, which {why}", Printable(file));
        findings.note(Rule::DeadDispatch, node.place(), reason);
    }
}

/// `workflow_run` names workflows by their names.
fn awaited(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let Some(trigger) = looked.workflow.trigger("workflow_run") else { return };
    let unread = looked.all.files.values().any(Option::is_none);
    for node in trigger.value.and_then(|value| value.get("workflows")).map(View::items).into_iter().flatten() {
        let Some(name) = node.text() else { continue };
        // A workflow without a name has that of its path; one that cannot be read may have any name.
        let path = name.strip_prefix(".github/workflows/").unwrap_or(name);
        if !unread && !name.contains('*') && matches!(find(looked.all, path), Found::Nowhere) {
            let reason = format!("it waits for `{}`, which {}", Printable(name), missing(looked, path));
            findings.note(Rule::DeadDispatch, node.place(), reason);
        }
    }
}

const CALLS: [&str; 4] = ["gh workflow run", "createWorkflowDispatch", "create-workflow-dispatch", "/dispatches"];
/// Programs whose arguments are files.
const FILES: [&str; 22] = [
    "cat",
    "cp",
    "mv",
    "rm",
    "ls",
    "grep",
    "sed",
    "awk",
    "yq",
    "jq",
    "test",
    "[",
    "[[",
    "if",
    "touch",
    "find",
    "git",
    "echo",
    "docker",
    "docker-compose",
    "ansible-playbook",
    "kubectl",
];

/// The workflows that a script starts, each with its line from 0.
fn targets(script: &str) -> Vec<(usize, String)> {
    if !CALLS.iter().any(|call| script.contains(call)) {
        return Vec::new();
    }
    let lines: Vec<&str> = script.lines().collect();
    // A name that is passed on to the call stands somewhere else in the script.
    let indirect = lines.iter().any(|line| {
        let shell =
            line.split_once("gh workflow run").map(|(_, rest)| rest.trim_start().trim_start_matches(['"', '\'']));
        shell.is_some_and(|rest| rest.starts_with('$')) || line.contains("workflow_id: ") && !line.contains(['\'', '"'])
    });
    let mut found = Vec::new();
    for (nth, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') || trimmed.starts_with("//") {
            continue;
        }
        let call = CALLS.iter().any(|call| line.contains(call)) || line.contains("workflow_id");
        let first = trimmed.split_whitespace().next().unwrap_or_default();
        if call || indirect && !FILES.contains(&first) {
            found.extend(files(line).into_iter().map(|file| (nth, file)));
        }
        if let Some((_, rest)) = line.split_once("gh workflow run")
            && let Some(name) = named(rest)
        {
            found.push((nth, name));
        }
    }
    found
}

/// The words of a line that are names of workflow files.
fn files(line: &str) -> Vec<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-' | '/' | '$' | '{' | '}');
    let files = line.split(|char| !is_part(char)).filter_map(|word| {
        let parts: Vec<&str> = word.split('/').collect();
        let nth = parts.iter().position(|part| part.ends_with(".yml") || part.ends_with(".yaml"))?;
        let file = *parts.get(nth)?;
        // Of a longer path only what is in the folder of workflows.
        let inside = nth == 0 || parts.get(nth - 1) == Some(&"workflows");
        (inside && file.len() > 4 && !file.contains(['$', '{', '}'])).then(|| file.to_owned())
    });
    files.collect()
}

/// The name, where `gh workflow run` is given one in quotes.
fn named(rest: &str) -> Option<String> {
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\''))?;
    let name = rest.get(1..)?.split(quote).next()?;
    let is_name = !name.is_empty()
        && !name.contains(['$', '{'])
        && !name.ends_with(".yml")
        && !name.ends_with(".yaml")
        && !name.bytes().all(|byte| byte.is_ascii_digit());
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, wanted: &[(usize, &str)]) {
        let found = targets(script);
        assert_eq!(found.iter().map(|(line, name)| (*line, name.as_str())).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn scripts_say_what_they_start() {
        check("gh workflow run a.yml --ref main\n# gh workflow run b.yml", &[(0, "a.yml")]);
        check("gh workflow run \"My CI\"", &[(0, "My CI")]);
        check("gh workflow run 1234\ngh workflow run $NAME", &[]);
        check("run() {\n  gh workflow run \"$1\"\n}\nrun \"a.yml\" x\ncat b.yml\nrun ci/c.yml", &[(3, "a.yml")]);
        check("url = f'https://api.github.com/repos/{r}/actions/workflows/a.yml/dispatches'", &[(0, "a.yml")]);
        check("await x.createWorkflowDispatch({\n  workflow_id: 'a.yml',\n  ref: 'config.yml'\n})", &[(1, "a.yml")]);
        check("cat a.yml\ndocker compose -f b.yml up", &[]);
    }
}
