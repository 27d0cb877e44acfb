//! Which settings files may start programs: `orch trust` and its memory.
//!
//! What is remembered is a hash of the file's path and content, in `$XDG_STATE_HOME/orch/trusted` (else
//! `~/.local/state/orch/trusted`), a line each. A changed file is a file that nobody approved.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{args::Trust, config, config::Config, exit::Exit, source::shown, streams::Console};
use crate::{
    Agent,
    error::{Error, ErrorKind, Result},
    executor::models::Endpoint,
    id::Printable,
};

/// Runs `orch trust`.
pub(super) fn main(args: &Trust, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let path = args.path.clone().or_else(|| config::find(here)).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no `{}` here or above; name the file", config::FILE_NAME))
    })?;
    let config = Config::read(&path)?;
    let file = shown(&path);
    let memory = Memory::of_user()?;
    if args.revoke {
        memory.forget(&config)?;
        console.note(format_args!("`{file}` is not trusted any more"));
        return Ok(Exit::Done);
    }
    if config.agents.is_empty() && config.models.is_empty() && config.worktrees.commands.is_empty() {
        console.note(format_args!("`{file}` names no programs; there is nothing to trust"));
        return Ok(Exit::Done);
    }
    for (name, agent) in config.agents.iter() {
        console.result(&describe(name, agent));
    }
    for (name, model) in config.models.iter() {
        console.result(&asked(name, model));
    }
    for command in &config.worktrees.commands {
        console.result(&format!("to set up a worktree  {}\n", Printable(&words(command))));
    }
    memory.remember(&config)?;
    console
        .note(format_args!("`{file}` may start these programs until it changes (`orch trust --revoke` takes it back)"));
    Ok(Exit::Done)
}

/// Whom a model's name stands for, and whose key it is sent.
fn asked(name: &str, model: &Endpoint) -> String {
    let base = model.base_url.as_deref().unwrap_or(model.api.base());
    let key = match model.key_env() {
        "" => "no key".to_owned(),
        name => format!("the key in {}", Printable(name)),
    };
    format!("{}  asks {} of {} with {key}\n", Printable(name), Printable(&model.model), Printable(base))
}

fn words(argv: &[String]) -> String {
    argv.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" ")
}

/// All of an agent that decides what is started: the same words do other things in another folder or environment.
fn describe(name: &str, agent: &Agent) -> String {
    let models = |models: &[String]| Printable(&models.join(", ")).to_string();
    let mut text = match (agent.is_model(), &agent.steps[..]) {
        (false, _) => format!("{}  {}\n", Printable(name), Printable(&words(&agent.argv))),
        (true, []) => format!("{}  asks {}\n", Printable(name), models(&agent.models)),
        (true, steps) => {
            let asks = steps.iter().map(|step| models(&step.models)).collect::<Vec<_>>();
            format!("{}  asks {}\n", Printable(name), asks.join(", then "))
        }
    };
    for more in [&agent.model_args, &agent.budget_args].into_iter().filter(|more| !more.is_empty()) {
        text += &format!("    and {}\n", Printable(&words(more)));
    }
    if !agent.undo.is_empty() {
        text += &format!("    to undo  {}\n", Printable(&words(&agent.undo)));
    }
    if let Some(cwd) = &agent.cwd {
        text += &format!("    in {}\n", shown(cwd));
    }
    for (variable, value) in &agent.env {
        text += &format!("    with {}={}\n", Printable(variable), Printable(&format!("{value:?}")));
    }
    text
}

/// Whether the user approved the programs of that file: by naming it, or by `orch trust`.
pub(super) fn is_trusted(config: &Config) -> bool {
    config.named || Memory::of_user().is_ok_and(|memory| memory.knows(config))
}

/// The list of approved files.
struct Memory(PathBuf);

impl Memory {
    fn of_user() -> Result<Self> {
        let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        folder("XDG_STATE_HOME")
            .or_else(|| folder("LOCALAPPDATA"))
            .or_else(|| folder("HOME").map(|home| home.join(".local/state")))
            .map(|state| Self(state.join("orch/trusted")))
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no home folder to remember this in; set HOME"))
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.0).map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
    }

    fn knows(&self, config: &Config) -> bool {
        let wanted = fingerprint(config);
        self.lines().iter().any(|line| line.split(' ').next() == Some(&wanted))
    }

    fn remember(&self, config: &Config) -> Result<()> {
        if self.knows(config) {
            return Ok(());
        }
        let mut lines = self.lines();
        let path = config.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        // The path is for a person who reads the list; only the hash counts.
        lines.push(format!("{} {}", fingerprint(config), Printable(&path)));
        self.write(&lines)
    }

    fn forget(&self, config: &Config) -> Result<()> {
        let path = config.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let (hash, path) = (fingerprint(config), Printable(&path).to_string());
        let left: Vec<String> = self
            .lines()
            .into_iter()
            .filter(|line| !line.starts_with(&hash) && line.split_once(' ').is_none_or(|(_, known)| known != path))
            .collect();
        self.write(&left)
    }

    fn write(&self, lines: &[String]) -> Result<()> {
        let write = || {
            if let Some(folder) = self.0.parent() {
                private_folder(folder)?;
            }
            let fresh = self.0.with_extension("new");
            let mut file = fs::File::create(&fresh)?;
            lines.iter().try_for_each(|line| writeln!(file, "{line}"))?;
            fs::rename(&fresh, &self.0)
        };
        write().map_err(|error| {
            Error::new(ErrorKind::Io, format!("could not write `{}`", Printable(&self.0.display().to_string())))
                .caused_by(error)
        })
    }
}

/// Makes the folder, for its owner alone.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The hash of where the file is and what it says: the same text in another project is another thing.
fn fingerprint(config: &Config) -> String {
    let path = config.path.as_deref().and_then(|path| fs::canonicalize(path).ok()).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.as_os_str().as_encoded_bytes());
    hasher.update(&[0]);
    hasher.update(config.text.as_bytes());
    hasher.finalize().to_hex().to_string()
}
