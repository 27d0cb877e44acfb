//! Reads the steps out of a version 1 command: Markdown that was written for people.
//!
//! Several forms are in use, and a file is read as the first of these that fits:
//!
//! 1. **Phases**: headings `Phase 2: Static Analysis (20-40 mins)` with numbered items `5. **agent** - what to do`.
//! 2. **Flow**: no such headings, but a section *Execution Flow* whose numbered items are the phases and the items below
//!    them the steps.
//! 3. **Steps**: numbered items anywhere else, `2. agent - what to do (depends on 1, 10 min)`; headings are phases.
//! 4. **Topics**: sections with plain lists; each section is a step.
//! 5. **Whole**: none of these; the text is one step.
//!
//! The YAML that the command wizard of version 1 takes is read too, as phases.
//!
//! Sections that speak about the command (*Usage Examples*, *Notes*, …) are left out. What the steps mean together, that is
//! dependencies, times and names, is decided in [`convert`](super::convert).

mod agents;
mod blocks;
mod spec;
mod step;
mod times;

use blocks::{Block, Kind, blocks};
pub(super) use step::{Ref, Step, plain};
pub(super) use times::Time;

/// What a text says, before anything is concluded from it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) form: Form,
    /// The heading of level 1.
    pub(super) title: Option<String>,
    /// The first paragraph that is not a heading line.
    pub(super) description: Option<String>,
    pub(super) phases: Vec<DraftPhase>,
    /// Sections that became no step: line and title.
    pub(super) left_out: Vec<(u32, String)>,
    /// A last step was made from the closing paragraph, in this line.
    pub(super) closing: Option<u32>,
}

/// Which form a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Phases,
    Flow,
    Steps,
    Topics,
    Whole,
}

#[derive(Debug)]
pub(super) struct DraftPhase {
    pub(super) line: u32,
    /// `2` of `Phase 2: …`.
    pub(super) number: Option<u32>,
    /// Empty if there is no heading.
    pub(super) name: String,
    pub(super) time: Option<Time>,
    pub(super) steps: Vec<Step>,
}

pub(super) fn draft(text: &str) -> Draft {
    if let Some(draft) = spec::spec(text) {
        return draft;
    }
    let blocks = blocks(text);
    let sections = sections(&blocks);
    let title = sections.iter().find(|section| section.level == 1).map(|section| plain(section.title));
    let mut counter = 0;
    let forms = [
        (Form::Phases, phases(&sections, &mut counter, false)),
        // Phases that stand below a heading such as *Purpose*, because nothing follows it, are better than none.
        (Form::Phases, phases(&sections, &mut counter, true)),
        (Form::Flow, flow(&sections)),
        (Form::Steps, numbered(&sections)),
        (Form::Topics, topics(&sections, title.as_deref())),
    ];
    let found = forms.into_iter().find(|(_, phases)| phases.iter().any(|phase| !phase.steps.is_empty()));
    let (form, mut phases) = found.unwrap_or_else(|| (Form::Whole, whole(text)));
    phases.retain(|phase| !phase.steps.is_empty());
    let all_topics = phases.iter().flat_map(|phase| &phase.steps).all(|step| step.is_topic && step.agent.is_none());
    let closes = all_topics && matches!(form, Form::Steps | Form::Topics);
    let closing = if closes { closing(&blocks, &sections, &phases) } else { None };
    let closing_line = closing.as_ref().map(|phase| phase.line);
    let left_out = left_out(form, &sections, &phases, closing_line.is_some());
    phases.extend(closing);
    Draft { form, title, description: description(&sections), phases, left_out, closing: closing_line }
}

/// A heading and what stands below it, up to the next heading of any level.
struct Section<'b> {
    line: u32,
    /// 0 for what stands before the first heading.
    level: u8,
    title: &'b str,
    /// It speaks about the command, or stands in a section that does.
    aside: bool,
    blocks: &'b [Block],
}

fn sections(blocks: &[Block]) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    let mut asides: Vec<(u8, bool)> = Vec::new();
    let is_heading = |block: &Block| matches!(block.kind, Kind::Heading(_));
    let mut rest = blocks;
    loop {
        let (level, line, title, below) = match rest.split_first() {
            Some((Block { kind: Kind::Heading(level), line, text }, below)) => (*level, *line, text.as_str(), below),
            Some(_) => (0, 1, "", rest),
            None => return sections,
        };
        let end = below.iter().position(is_heading).unwrap_or(below.len());
        let (own, next) = below.split_at(end);
        while asides.last().is_some_and(|(outer, _)| *outer >= level) {
            asides.pop();
        }
        let aside = is_aside(title) && level > 1 || asides.last().is_some_and(|(_, aside)| *aside);
        asides.push((level, aside));
        sections.push(Section { line, level, title, aside, blocks: own });
        rest = next;
    }
}

/// Whether a section with that title speaks about the command and is none of its steps.
fn is_aside(title: &str) -> bool {
    const FIRST: [&str; 32] = [
        "agent coordination",
        "available",
        "before",
        "after",
        "communication",
        "configuration",
        "context sharing",
        "contributing",
        "dag visualization",
        "estimated",
        "example",
        "expected",
        "failure recovery",
        "implementation checklist",
        "integration with",
        "license",
        "migration from",
        "multi-agent",
        "note",
        "option",
        "output",
        "parameter",
        "performance improvement",
        "prerequisite",
        "purpose",
        "related",
        "see also",
        "success",
        "todowrite",
        "troubleshooting",
        "usage",
        "version",
    ];
    const LAST: [&str; 6] = ["format", "guidelines", "standards", "metrics", "criteria", "structure"];
    let title = title.to_lowercase();
    let words = title.trim_start_matches(|c: char| !c.is_alphabetic()).trim_end_matches(|c: char| !c.is_alphabetic());
    FIRST.iter().any(|first| words.starts_with(first)) || LAST.iter().any(|last| words.ends_with(last))
}

/// `Phase 2: Static Analysis (20-40 mins)`: its number, name and time.
fn phase_heading(title: &str) -> Option<(Option<u32>, String, Option<Time>)> {
    let title = plain(title);
    let (word, rest) = title.split_once(' ')?;
    if !word.eq_ignore_ascii_case("phase") {
        return None;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let name = rest.trim_start().trim_start_matches([':', '-', '–', '—', '.']);
    if number.is_empty() || name.len() == rest.trim_start().len() && !rest.trim().is_empty() {
        return None;
    }
    let (name, time) = name_and_time(name);
    let number: Option<u32> = number.parse().ok();
    let name = if name.is_empty() { title.split(" (").next().unwrap_or(&title).to_owned() } else { name };
    Some((number, name, time))
}

/// Takes a time, or a place for one, off the end of a heading.
fn name_and_time(title: &str) -> (String, Option<Time>) {
    let title = plain(title);
    let name = title.trim_end_matches(':');
    if let Some((before, inner)) = name.strip_suffix(')').and_then(|name| name.rsplit_once('(')) {
        let time = times::time(inner);
        if time.is_some() || inner.starts_with('[') {
            return (before.trim().to_owned(), time);
        }
    }
    (name.trim().to_owned(), None)
}

fn phases(sections: &[Section<'_>], counter: &mut u32, asides: bool) -> Vec<DraftPhase> {
    *counter = 0;
    let mut phases: Vec<DraftPhase> = Vec::new();
    let mut open: Option<(u8, Vec<&Block>)> = None;
    for section in sections {
        let heading = phase_heading(section.title).filter(|_| (asides || !section.aside) && section.level > 1);
        let deeper = open.as_ref().is_some_and(|(level, _)| section.level > *level);
        if (heading.is_some() || !deeper)
            && let (Some((_, blocks)), Some(phase)) = (open.take(), phases.last_mut())
        {
            phase.steps = steps(&blocks, counter);
        }
        match (heading, &mut open) {
            (Some((number, name, time)), _) => {
                phases.push(DraftPhase { line: section.line, number, name, time, steps: Vec::new() });
                open = Some((section.level, section.blocks.iter().collect()));
            }
            (None, Some((_, blocks))) => blocks.extend(section.blocks),
            (None, None) => {}
        }
    }
    if let (Some((_, blocks)), Some(phase)) = (open, phases.last_mut()) {
        phase.steps = steps(&blocks, counter);
    }
    phases
}

/// The steps of one list: its numbered items, else its agents, else its plain items. Items below an item are its details.
fn steps(blocks: &[&Block], counter: &mut u32) -> Vec<Step> {
    let items = |numbered: bool| {
        blocks.iter().filter_map(move |block| match block.kind {
            Kind::Item { indent, number } if number.is_some() == numbered => Some(indent),
            _ => None,
        })
    };
    let agents: Vec<Step> = blocks
        .iter()
        .filter(|block| block.kind == Kind::Agents)
        .flat_map(|block| agents::agents(block.line, &block.text))
        .collect();
    let numbered = items(true).min().filter(|least| items(false).all(|indent| indent + 1 >= *least));
    let plain = items(false).min().filter(|_| numbered.is_none() && agents.is_empty());
    let mut steps = Vec::new();
    if let Some(base) = numbered.or(plain) {
        let mut open = false;
        for block in blocks {
            match block.kind {
                Kind::Item { indent, .. } if indent > base + 1 => {
                    if let Some(step) = steps.last_mut().filter(|_| open) {
                        Step::detail(step, &block.text);
                    }
                }
                Kind::Item { number, .. } => {
                    open = number.is_some() == numbered.is_some();
                    if open {
                        *counter = number.unwrap_or(*counter + 1);
                        steps.push(Step::new(block.line, *counter, &block.text));
                    }
                }
                _ => {}
            }
        }
    }
    for mut step in agents {
        *counter += 1;
        step.number = *counter;
        steps.push(step);
    }
    steps
}

fn flow(sections: &[Section<'_>]) -> Vec<DraftPhase> {
    let is_flow = |section: &&Section<'_>| section.title.to_lowercase().starts_with("execution flow");
    let Some(section) = sections.iter().find(is_flow) else { return Vec::new() };
    let base = section.blocks.iter().filter_map(|block| match block.kind {
        Kind::Item { indent, number: Some(_) } => Some(indent),
        _ => None,
    });
    let Some(base) = base.min() else { return Vec::new() };
    let mut phases: Vec<DraftPhase> = Vec::new();
    let mut groups: Vec<Vec<&Block>> = Vec::new();
    for block in section.blocks {
        match block.kind {
            Kind::Item { indent, number: Some(number) } if indent <= base + 1 => {
                let (name, time) = name_and_time(&block.text);
                phases.push(DraftPhase { line: block.line, number: Some(number), name, time, steps: Vec::new() });
                groups.push(Vec::new());
            }
            Kind::Item { .. } => groups.iter_mut().last().into_iter().for_each(|group| group.push(block)),
            _ => {}
        }
    }
    // Steps with nothing below them are steps and no phases.
    if groups.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let mut counter = 0;
    for (phase, group) in phases.iter_mut().zip(&groups) {
        phase.steps = steps(group, &mut counter);
    }
    phases
}

fn numbered(sections: &[Section<'_>]) -> Vec<DraftPhase> {
    let has_steps = |section: &&Section<'_>| {
        let is_step = |block: &Block| matches!(block.kind, Kind::Item { number: Some(_), .. } | Kind::Agents);
        !section.aside && section.blocks.iter().any(is_step)
    };
    let mut counter = 0;
    sections
        .iter()
        .filter(has_steps)
        .map(|section| {
            let (name, time) = if section.level > 1 { name_and_time(section.title) } else { (String::new(), None) };
            let steps = steps(&section.blocks.iter().collect::<Vec<_>>(), &mut counter);
            DraftPhase { line: section.line, number: None, name, time, steps }
        })
        .collect()
}

/// Each section with a list as one step.
fn topics(sections: &[Section<'_>], title: Option<&str>) -> Vec<DraftPhase> {
    let is_item = |block: &&Block| matches!(block.kind, Kind::Item { .. });
    let topics = sections
        .iter()
        .filter(|section| section.level > 1 && !section.aside && section.blocks.iter().any(|block| is_item(&block)));
    let steps: Vec<Step> = (1..)
        .zip(topics)
        .map(|(number, section)| {
            let mut step = Step { line: section.line, number, is_topic: true, ..Step::default() };
            (step.task, step.time) = name_and_time(section.title);
            step.details = section.blocks.iter().filter(is_item).map(|block| plain(&block.text)).collect();
            step
        })
        .collect();
    let line = steps.first().map_or(1, |step| step.line);
    vec![DraftPhase { line, number: None, name: title.unwrap_or_default().to_owned(), time: None, steps }]
}

/// A step from the paragraph that ends the text, which says what to make of all topics; what a section *Output* says of the
/// form belongs to it.
fn closing(blocks: &[Block], sections: &[Section<'_>], phases: &[DraftPhase]) -> Option<DraftPhase> {
    let last = blocks.last().filter(|block| block.kind == Kind::Paragraph && !block.text.starts_with("**"))?;
    let number = phases.iter().flat_map(|phase| &phase.steps).map(|step| step.number).max()?.checked_add(1)?;
    let mut step = Step { line: last.line, number, is_topic: true, ..Step::default() };
    step.task = plain(&last.text);
    step.details = sections
        .iter()
        .filter(|section| section.title.to_lowercase().starts_with("output"))
        .flat_map(|section| section.blocks)
        .filter(|block| matches!(block.kind, Kind::Item { .. }))
        .map(|block| plain(&block.text))
        .collect();
    Some(DraftPhase { line: last.line, number: None, name: "Report".into(), time: None, steps: vec![step] })
}

fn whole(text: &str) -> Vec<DraftPhase> {
    let step = Step { line: 1, number: 1, task: text.trim().to_owned(), ..Step::default() };
    vec![DraftPhase { line: 1, number: None, name: String::new(), time: None, steps: vec![step] }]
}

/// Headings of level 2 under which no step was found.
fn left_out(form: Form, sections: &[Section<'_>], phases: &[DraftPhase], closing: bool) -> Vec<(u32, String)> {
    if form == Form::Whole {
        return Vec::new();
    }
    let mut used: Vec<u32> = phases.iter().flat_map(|phase| phase.steps.iter().map(|step| step.line)).collect();
    used.sort_unstable();
    let tops: Vec<&Section<'_>> = sections.iter().filter(|section| section.level == 2).collect();
    let ends = tops.iter().skip(1).map(|next| next.line).chain([u32::MAX]);
    let is_report = |section: &Section<'_>| closing && section.title.to_lowercase().starts_with("output");
    tops.iter()
        .zip(ends)
        .filter(|(section, end)| {
            let next = used.get(used.partition_point(|line| *line < section.line));
            next.is_none_or(|line| line >= end) && !is_report(section)
        })
        .map(|(section, _)| (section.line, plain(section.title)))
        .collect()
}

/// The first paragraph of prose, from the part before the second heading or from a section *Purpose*.
fn description(sections: &[Section<'_>]) -> Option<String> {
    let prose = |section: &Section<'_>| {
        let is_prose = |block: &&Block| block.kind == Kind::Paragraph && !block.text.starts_with("**");
        section.blocks.iter().find(is_prose).map(|block| plain(&block.text))
    };
    let first = sections.iter().take_while(|section| section.level < 2).find_map(prose);
    first.or_else(|| {
        let purpose = sections.iter().find(|section| section.title.eq_ignore_ascii_case("purpose"));
        purpose.and_then(prose)
    })
}
