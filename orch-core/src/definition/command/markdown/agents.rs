//! Lists of agents under `agents:`, written like YAML: one item a step, one line a field.

use std::time::Duration;

use super::{
    step::{Ref, Step, is_agent},
    times::{Time, time},
};

/// The steps of such a list. `line` is that of its first line.
pub(super) fn agents(line: u32, text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Inside of a list of dependencies with one line each.
    let mut in_dependencies = false;
    for (nth, text) in (line..).zip(text.lines()) {
        let text = text.trim();
        let (starts, field) = match text.strip_prefix("- ") {
            Some(field) => (true, field.trim()),
            None => (false, text),
        };
        match field.split_once(':').map(|(key, value)| (key.trim(), unquoted(value))) {
            Some((key, value)) => {
                if starts {
                    steps.push(Step { line: nth, ..Step::default() });
                }
                in_dependencies = key == "dependencies" && value.is_empty();
                if let Some(step) = steps.last_mut() {
                    set(step, key, value);
                }
            }
            None if starts && in_dependencies => {
                steps.iter_mut().last().into_iter().for_each(|step| step.after.extend(reference(field)));
            }
            None => {}
        }
    }
    steps
}

fn set(step: &mut Step, key: &str, value: &str) {
    match key {
        "id" | "name" if step.id.is_none() => step.id = Some(value.to_owned()),
        "agent" | "agentId" | "type" if is_agent(value) => step.agent = Some(value.to_owned()),
        "task" | "description" => step.task = value.to_owned(),
        "dependencies" | "depends_on" => {
            step.after.extend(value.trim_matches(['[', ']']).split(',').filter_map(reference));
        }
        // Without a unit the number is one of milliseconds, as in version 2.
        "estimatedTime" | "time" => {
            let millis = value.parse().ok().map(|millis| Time { from: None, to: Duration::from_millis(millis) });
            step.time = millis.or_else(|| time(value));
        }
        _ => {}
    }
}

pub(super) fn reference(text: &str) -> Option<Ref> {
    let text = unquoted(text);
    match text.parse() {
        Ok(number) => Some(Ref::Number(number)),
        Err(_) => (!text.is_empty()).then(|| Ref::Name(text.to_owned())),
    }
}

pub(super) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    ['"', '\'']
        .into_iter()
        .find_map(|mark| text.strip_prefix(mark).and_then(|text| text.split(mark).next()))
        .unwrap_or_else(|| text.split(" #").next().unwrap_or(text).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_agents_becomes_steps() {
        let text = "agents:\n  - id: look   # first\n    task: \"Look: closely\"\n    estimatedTime: 5000\n  - id: tell\n    \
                    agentId: writer\n    dependencies:\n      - look\n  - id: end\n    dependencies: [look, 'tell', 2]\n    time: 2 min\n";
        let steps = agents(10, text);
        assert_eq!(steps.len(), 3);
        assert_eq!(
            (steps[0].line, steps[0].id.as_deref(), steps[0].task.as_str()),
            (11, Some("look"), "Look: closely")
        );
        assert_eq!((steps[1].agent.as_deref(), &steps[1].after), (Some("writer"), &vec![Ref::Name("look".into())]));
        assert_eq!(steps[2].after, [Ref::Name("look".into()), Ref::Name("tell".into()), Ref::Number(2)]);
        assert_eq!(steps[2].time.unwrap().to.as_secs(), 120);
        assert!(agents(1, "agents:\n- \n  - x\n: :\n").iter().all(|step| step.id.is_none()));
    }
}
