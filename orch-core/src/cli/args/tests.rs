//! Every command that a help text or a document shows is understood.

use std::{fs, path::Path};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use super::Cli;

/// What a line of a shell has before the rest of it is another program's, or a file's.
fn words(line: &str) -> Vec<String> {
    let split = shlex::split(line).unwrap_or_else(|| panic!("no line for a shell: {line}"));
    let ends = |word: &String| {
        matches!(word.as_str(), "|" | "||" | "&&" | "&" | ";") || word.trim_start_matches('2').starts_with(['>', '<'])
    };
    split.into_iter().take_while(|word| !ends(word)).collect()
}

/// Why a command is not understood. One that only lacks something is: texts name commands without all that they need.
fn misunderstood(line: &str) -> Option<String> {
    let error = Cli::try_parse_from(words(line).into_iter().map(|word| word.replace("COMMAND", "run"))).err()?;
    let fine = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
    );
    (!fine).then(|| format!("{line}\n    {}", error.to_string().lines().next().unwrap_or_default()))
}

/// The examples of all help texts: a line each, and after two spaces what it does.
fn of_help(command: &clap::Command, found: &mut Vec<String>) {
    let texts = [command.get_after_help(), command.get_after_long_help(), command.get_long_about()];
    for line in texts.into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join("\n").lines() {
        if let Some(shown) = line.trim().split("  ").next().filter(|shown| shown.starts_with("orch ")) {
            found.push(shown.to_owned());
        }
    }
    command.get_subcommands().for_each(|command| of_help(command, found));
}

/// The commands of a Markdown document: lines of its blocks of code, and what stands between backticks.
fn of_document(text: &str, found: &mut Vec<String>) {
    let text = text.replace("\\\n", " ");
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            let line = line.trim().trim_start_matches("$ ");
            // In a block that shows a line of usage, not a command, the parts that may be left out stand in brackets.
            found.extend(line.starts_with("orch ").then(|| line.to_owned()).filter(|line| !line.contains('[')));
        } else {
            let spans = line.split('`').skip(1).step_by(2).filter(|span| span.starts_with("orch "));
            found.extend(spans.filter(|span| !span.contains(['[', '|', '<'])).map(str::to_owned));
        }
    }
}

#[test]
fn every_command_that_is_shown_is_understood() {
    let mut shown = Vec::new();
    of_help(&Cli::command(), &mut shown);
    let in_help = shown.len();
    assert!(in_help > 60, "only {in_help} examples in help texts");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for path in docs.filter(|path| path.extension().is_some_and(|it| it == "md")).chain([root.join("../README.md")]) {
        of_document(&fs::read_to_string(path).unwrap(), &mut shown);
    }
    assert!(shown.len() > in_help + 60, "only {} in documents", shown.len() - in_help);
    let wrong: Vec<String> = shown.iter().filter_map(|line| misunderstood(line)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), shown.len(), wrong.join("\n"));
}
