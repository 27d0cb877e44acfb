//! The small programs that git calls. Pure.

use std::fmt;

/// A hook that orch puts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitHook {
    /// Before a commit: it may be refused.
    PreCommit,
    /// After a commit: it is recorded.
    PostCommit,
    /// After a merge or a pull: it is recorded.
    PostMerge,
}

impl GitHook {
    /// All, in the order in which git calls them.
    pub const ALL: [Self; 3] = [Self::PreCommit, Self::PostCommit, Self::PostMerge];

    /// Its name for git, and the name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PostCommit => "post-commit",
            Self::PostMerge => "post-merge",
        }
    }

    /// The code with which `orch hook git pre-commit` refuses. Every other one lets the commit be made: what fails is not who commits.
    pub const REFUSED: u8 = 3;

    /// The file in which a hook is kept that was there before.
    pub(super) fn earlier(self) -> String {
        format!("{}.before-orch", self.name())
    }
}

impl fmt::Display for GitHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How our files begin.
const MADE: &str = "#!/bin/sh\n# Made by `orch hooks install git`; `orch hooks uninstall git` takes it out";
const PROGRAM: &str = "\norch='";

/// The text of a hook that calls that program. `sources`: the one that was there before is read by the same shell, so that it finds its own name
/// in `$0`; some look there for more.
pub(super) fn script(hook: GitHook, program: &str, sources: bool) -> String {
    let (name, earlier, refused) = (hook.name(), hook.earlier(), GitHook::REFUSED);
    let run = if sources { "( . \"$earlier\" )" } else { "\"$earlier\" \"$@\"" };
    let (broken, end) = match hook {
        GitHook::PreCommit => (" || exit $?", format!("[ $? -ne {refused} ] || exit 1\nexit 0\n")),
        _ => ("; code=$?", "exit $code\n".to_owned()),
    };
    let gone = if hook == GitHook::PreCommit { "0" } else { "$code" };
    let quoted = program.replace('\'', "'\\''");
    format!(
        "{MADE}.\n\
         # A hook that was here before is beside it, `{earlier}`; it runs first, and its exit code counts.\n\
         code=0\n\
         earlier=\"${{0%/*}}/{earlier}\"\n\
         if [ -x \"$earlier\" ]; then {run}{broken}; fi{PROGRAM}{quoted}'\n\
         [ -x \"$orch\" ] || exit {gone}\n\
         \"$orch\" hook git {name} \"$@\" </dev/null\n\
         {end}"
    )
}

/// The program that a hook of ours calls, and whether anybody has changed the hook since; `None`: it is not ours.
pub(super) fn ours(hook: GitHook, text: &[u8]) -> Option<(String, bool)> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with(MADE) {
        return None;
    }
    let quoted = text.split_once(PROGRAM).and_then(|(_, rest)| rest.split_once("'\n")).map_or("", |(quoted, _)| quoted);
    let program = quoted.replace("'\\''", "'");
    let same = [false, true].iter().any(|sources| script(hook, &program, *sources) == text);
    Some((program, !same))
}

/// Whether the earlier hook is for that very shell.
pub(super) fn is_plain_shell(text: &[u8]) -> bool {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    matches!(first.trim_ascii_end(), b"#!/bin/sh" | b"#! /bin/sh" | b"#!/usr/bin/env sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_of_ours_is_known_again() {
        for hook in GitHook::ALL {
            for (program, sources) in [("/usr/bin/orch", false), ("/a b/it's $(x)/orch", true)] {
                let text = script(hook, program, sources);
                assert_eq!(ours(hook, text.as_bytes()), Some((program.to_owned(), false)));
                let changed = text.replace("code=0", "code=1");
                assert_eq!(ours(hook, changed.as_bytes()), Some((program.to_owned(), true)));
            }
        }
        assert_eq!(ours(GitHook::PreCommit, b"#!/bin/sh\nexit 0\n"), None);
        assert_eq!(ours(GitHook::PreCommit, b"\xff"), None);
    }

    #[test]
    fn only_the_same_shell_reads_the_earlier_hook() {
        for (text, is) in [
            ("#!/bin/sh\n", true),
            ("#!/usr/bin/env sh\r\n", true),
            ("#!/bin/sh -e\n", false),
            ("#!/bin/bash\n", false),
            ("", false),
        ] {
            assert_eq!(is_plain_shell(text.as_bytes()), is, "{text}");
        }
    }
}
