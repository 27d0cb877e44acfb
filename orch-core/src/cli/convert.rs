//! `orch convert`: a version 1 command as version 2, with an account of what was inferred.

use std::{fs, path::Path};

use serde::Serialize;

use super::{
    args_definition::Convert,
    exit::Exit,
    source::{self, shown},
    streams::Console,
};
use crate::{
    Error, ErrorKind, Result, Severity,
    definition::command::{Conversion, Note, convert},
    report::{Short, render},
};

/// The JSON form, version 1.
#[derive(Serialize)]
struct Form<'a> {
    version: u8,
    #[serde(flatten)]
    conversion: &'a Conversion,
}

/// Runs `orch convert`.
pub(super) fn main(args: &Convert, console: &mut Console<'_>) -> Result<Exit> {
    let conversion = convert(&source::text(&args.file)?, source::stem(&args.file))?;
    let text = render::pretty_json(&conversion.command);
    if let Some(output) = &args.output {
        write(output, &args.file, &text)?;
    }
    if args.json {
        console.json(&Form { version: 1, conversion: &conversion });
    } else if args.output.is_none() {
        console.result(&text);
    }
    explain(&conversion, console);
    let sound = conversion.problems.iter().all(|problem| problem.severity < Severity::Error);
    Ok(if sound { Exit::Done } else { Exit::Bad })
}

/// Says on stderr what came out, and what a person should look at.
fn explain(conversion: &Conversion, console: &mut Console<'_>) {
    let paint = console.paint_err();
    let mut list = |title: &str, notes: &[Note]| {
        if !notes.is_empty() {
            console.note(paint.strong(title));
            notes.iter().for_each(|note| console.note(format_args!("  {note}")));
        }
    };
    list("inferred, since the text does not say it:", &conversion.inferred);
    list("left to you, since the text does not tell:", &conversion.unknown);
    for problem in &conversion.problems {
        console.plain(source::line(problem, paint));
    }
    let before = Short(conversion.serial);
    match conversion.parallel {
        Some(after) => console.note(format_args!("{before} one by one, {} as the dependencies allow", Short(after))),
        None => console.note(format_args!("{before} one by one; the dependencies form a cycle")),
    }
}

fn write(output: &Path, input: &Path, text: &str) -> Result<()> {
    let place = |path: &Path| fs::canonicalize(path).ok();
    if place(output).is_some() && place(output) == place(input) {
        let message = format!("`{}` is the input; name another file for the output", shown(output));
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    fs::write(output, text)
        .map_err(|error| Error::new(ErrorKind::Io, format!("could not write `{}`", shown(output))).caused_by(error))
}
