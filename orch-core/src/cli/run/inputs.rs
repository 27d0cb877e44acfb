//! The values that a run is given.

use serde_json::{Map, Value};

use crate::{
    Command, Error, ErrorKind, Printable, Result,
    cli::{
        args,
        source::{shown, text},
    },
};

/// What the command line gives: `--input` before the file of `--inputs`.
pub(super) fn given(args: &args::Run) -> Result<Map<String, Value>> {
    let mut inputs = Map::new();
    if let Some(path) = &args.inputs {
        let refuse = |why: String| Error::new(ErrorKind::InvalidFormat, format!("`{}` {why}", shown(path)));
        inputs = match serde_json::from_str(&text(path)?) {
            Ok(Value::Object(object)) => object,
            Ok(_) => {
                return Err(refuse("is not a JSON object of inputs, for example {\"objective\": \"…\"}".to_owned()));
            }
            Err(error) => return Err(refuse(format!("is not JSON: {error}"))),
        };
    }
    for pair in &args.input {
        let (key, value) = pair.value("--input")?;
        inputs.insert(key, value);
    }
    Ok(inputs)
}

/// Adds what the command says by default, and asks for what it needs and nobody gave.
pub(super) fn complete(given: Map<String, Value>, command: Option<&Command>, dry: bool) -> Result<Map<String, Value>> {
    let Some(command) = command else { return Ok(given) };
    let mut inputs = command.inputs().clone();
    inputs.extend(given);
    let missing: Vec<String> = command
        .required_inputs()
        .iter()
        .filter(|name| !inputs.contains_key(name.as_str()))
        .map(|name| format!("`{}`", Printable(name)))
        .collect();
    // Without programs nobody reads the values; conditions on them are false, as always without a value.
    if missing.is_empty() || dry {
        return Ok(inputs);
    }
    let plural = if missing.len() == 1 { "" } else { "s" };
    Err(Error::new(
        ErrorKind::InvalidValue,
        format!("the command needs the input{plural} {}; give `--input NAME=VALUE`", missing.join(", ")),
    ))
}
