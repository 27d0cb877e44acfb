//! Reads the history by git and adds it up.

use super::{
    aggregate::{Aggregate, MetricsOptions},
    facts::Facts,
    policy::{COMPAT_PATHS, Policy},
    tally::Tally,
};
use crate::{
    error::Result,
    git::{Git, Oid},
};

/// Adds up the history of a commit, beside what the store knows. One call of git, whose answer is read as it comes; for
/// [`Policy::Compat`] a second one, which compares trees. Blocks.
///
/// # Errors
///
/// Those of [`Git::log`]; [`InvalidValue`](crate::ErrorKind::InvalidValue) for an author that is no pattern.
pub fn collect(git: &Git, head: Option<&Oid>, options: MetricsOptions, facts: &Facts) -> Result<Aggregate> {
    let is_compat = options.policy == Policy::Compat;
    let mut tally = Tally::new(options, facts)?;
    // Before the first commit there is nothing to read.
    if let Some(head) = head {
        git.log(head, |commit| {
            tally.add(commit);
            Ok(())
        })?;
        if is_compat {
            git.touching(COMPAT_PATHS)?.into_iter().for_each(|(_, at)| tally.add_touching(at));
        }
    }
    Ok(tally.finish())
}
