//! Specifications of commands in YAML, as the command wizard of version 1 takes them: `command:`, `phases:`, and in each
//! phase `steps:` with `action` and `agent`.
//!
//! Only what these files hold is read, by lines and indents; it is no reader of YAML.

use super::{
    Draft, DraftPhase, Form,
    agents::{reference, unquoted},
    step::{Step, is_agent},
    times::time,
};

/// The draft of such a text; `None` if it is another.
pub(super) fn spec(text: &str) -> Option<Draft> {
    let mut lines = text.lines().filter(|line| !(line.trim().is_empty() || line.trim_start().starts_with('#')));
    if lines.next()?.trim_end() != "command:" || !text.lines().any(|line| line.trim_end() == "phases:") {
        return None;
    }
    let mut draft = Draft {
        form: Form::Phases,
        title: None,
        description: None,
        phases: Vec::new(),
        left_out: Vec::new(),
        closing: None,
    };
    let mut section = "";
    // Where the items of phases stand; steps stand deeper.
    let mut phase_indent = None;
    let mut number = 0;
    for (nth, line) in (1u32..).zip(text.lines()) {
        let field = line.trim();
        if field.is_empty() || field.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let (starts, field) = match field.strip_prefix("- ") {
            Some(field) => (true, field.trim()),
            None => (false, field),
        };
        let Some((key, value)) = field.split_once(':').map(|(key, value)| (key.trim(), unquoted(value))) else {
            continue;
        };
        if indent == 0 && !starts {
            section = key;
            if !["command", "agents", "phases"].contains(&key) {
                draft.left_out.push((nth, key.to_owned()));
            }
            continue;
        }
        match section {
            "command" if key == "name" => draft.title = Some(format!("/{}", value.trim_start_matches('/'))),
            "command" if ["purpose", "description"].contains(&key) => draft.description = Some(value.to_owned()),
            "phases" if starts && indent <= *phase_indent.get_or_insert(indent) => {
                let phase = DraftPhase { line: nth, number: None, name: String::new(), time: None, steps: Vec::new() };
                draft.phases.push(phase);
                set_phase(draft.phases.last_mut(), key, value);
            }
            "phases" if starts => {
                number += 1;
                if let Some(phase) = draft.phases.last_mut() {
                    phase.steps.push(Step { line: nth, number, ..Step::default() });
                }
                set_step(&mut draft, key, value);
            }
            "phases" if draft.phases.last().is_some_and(|phase| phase.steps.is_empty()) => {
                set_phase(draft.phases.last_mut(), key, value);
            }
            "phases" => set_step(&mut draft, key, value),
            _ => {}
        }
    }
    draft.phases.retain(|phase| !phase.steps.is_empty());
    (!draft.phases.is_empty()).then_some(draft)
}

fn set_phase(phase: Option<&mut DraftPhase>, key: &str, value: &str) {
    match (phase, key) {
        (Some(phase), "name") => phase.name = value.to_owned(),
        (Some(phase), "duration" | "time") => phase.time = time(value),
        _ => {}
    }
}

fn set_step(draft: &mut Draft, key: &str, value: &str) {
    let Some(step) = draft.phases.last_mut().and_then(|phase| phase.steps.last_mut()) else { return };
    match key {
        "action" | "task" => step.task = value.to_owned(),
        "agent" if is_agent(value) => step.agent = Some(value.to_owned()),
        "duration" | "time" => step.time = time(value),
        "dependencies" | "depends_on" => {
            step.after.extend(value.trim_matches(['[', ']']).split(',').filter_map(reference));
        }
        _ => {}
    }
}
