//! Who is told that worktrees are stale: whom the environment names, of each worktree once a day.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use crate::{
    cli::{notify, store},
    error::Result,
    ext::{
        notify::{Delivered, HttpCourier, Notice, Outbox},
        worktree::{Alert, Overview, Row},
    },
    id::Printable,
    store::Synchronous,
};

const AMBER: u32 = 0xFFAA00;

/// Tells of stale worktrees, by the outbox of a store.
pub(super) struct Notices {
    outbox: Outbox,
    /// What this process has posted: the store is not asked at each look.
    posted: BTreeSet<String>,
    /// How many letters of this process nobody has yet, as far as it knows.
    open: usize,
}

impl Notices {
    /// By that store, which is made where it is not there: it is what remembers who was told.
    pub(super) fn new(named: Option<&Path>, here: &Path) -> Result<Self> {
        notify::check()?;
        let store = store::open(named, Synchronous::Normal, here)?;
        Ok(Self { outbox: notify::outbox(Arc::new(store))?, posted: BTreeSet::new(), open: 0 })
    }

    /// Puts into the outbox what nobody was told on that day. Sends nothing.
    pub(super) fn post(&mut self, overview: &Overview) -> Result<()> {
        for row in &overview.rows {
            let Some(alert) = overview.stale(row) else { continue };
            let key = key(overview, row);
            if self.posted.contains(&key) {
                continue;
            }
            self.open += self.outbox.post(&key, &notice(overview, row, &alert))?;
            self.posted.insert(key);
        }
        Ok(())
    }

    /// Sends what is due, as long as something of this process waits.
    pub(super) fn deliver(&mut self) -> Result<Delivered> {
        if self.open == 0 {
            return Ok(Delivered::default());
        }
        let done = self.outbox.deliver(&HttpCourier::new())?;
        self.open = self.open.saturating_sub(usize::try_from(done.sent + done.dropped).unwrap_or(usize::MAX));
        Ok(done)
    }
}

/// One a day (of UTC) and worktree, by its path: a store may be that of several repositories.
fn key(overview: &Overview, row: &Row) -> String {
    let at = overview.at.to_string();
    format!("stale/{}/{}", at.get(..10).unwrap_or_default(), row.known.git.path.display())
}

fn notice(overview: &Overview, row: &Row, alert: &Alert) -> Notice {
    let next = format!("`orch worktree remove {}` puts it into the trash, if nothing is only there", alert.worktree);
    let branch = row.known.git.branch.as_deref().unwrap_or("(detached)");
    let mut notice = Notice::new("⏳ Stale Worktree", AMBER, overview.at)
        .described(format!("{alert}. {}", Printable(&next)))
        .with("Branch", Printable(branch).to_string());
    if let Some(purpose) = row.known.record.as_ref().and_then(|record| record.purpose.as_deref()) {
        notice = notice.with("Purpose", Printable(purpose).to_string());
    }
    if let Some((ahead @ 1.., _)) = row.apart {
        notice = notice.with("Commits of its own", ahead.to_string());
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{NOW, noted, overview, row},
        *,
    };
    use crate::{
        Clock,
        ext::{notify::Target, worktree::State as S},
        store::{MemoryStore, Store as _},
    };

    /// The notices of a process that tells one server.
    fn notices(store: &MemoryStore) -> Notices {
        let address = |name: &str| (name == "ORCH_WEBHOOK_URL").then(|| "https://example.org/hook".to_owned());
        let outbox = Outbox::new(Arc::new(store.clone()), Target::of_variables(address).unwrap(), Clock::system());
        Notices { outbox, posted: BTreeSet::new(), open: 0 }
    }

    #[test]
    fn each_stale_worktree_is_told_once_a_day_whoever_looks() {
        let old = noted(row("old\u{1b}", &[S::Idle, S::Stale], 60 * 24 * 12), None, Some("try it"));
        let rows = vec![
            row("young", &[S::Idle], 5),
            old,
            row("other", &[S::Idle, S::Stale], 60 * 24 * 8),
            row("gone", &[S::Idle, S::Stale, S::Prunable], 60 * 24 * 8),
        ];
        let mut seen = overview(rows);
        let store = MemoryStore::default();
        let (mut one, mut other) = (notices(&store), notices(&store));
        let posted = |notices: &mut Notices, seen: &Overview| {
            let before = notices.open;
            notices.post(seen).unwrap();
            notices.open - before
        };
        assert_eq!([posted(&mut one, &seen), posted(&mut one, &seen), posted(&mut other, &seen)], [2, 0, 0]);
        let mut keys: Vec<String> = store.letters(9).unwrap().into_iter().map(|letter| letter.key).collect();
        keys.sort();
        let at = "stale/2026-11-22//src/shop.worktrees";
        assert_eq!(keys, [format!("{at}/old\u{1b}"), format!("{at}/other")]);
        // To the last millisecond of the day, and after it.
        seen.at = crate::WallTime(NOW.0 - NOW.0 % 86_400_000 + 86_399_999);
        assert_eq!(posted(&mut one, &seen), 0);
        seen.at = seen.at.after(std::time::Duration::from_millis(1));
        assert_eq!([posted(&mut other, &seen), posted(&mut one, &seen)], [2, 0]);
    }

    #[test]
    fn a_notice_says_what_and_what_next() {
        let old = noted(row("old\u{1b}", &[S::Idle, S::Stale], 60 * 24 * 12), None, Some("try it"));
        let seen = overview(vec![old]);
        let alert = seen.stale(&seen.rows[0]).unwrap();
        // Else the page of `orch serve` had news each second.
        let later = Overview { at: seen.at.after(std::time::Duration::from_millis(59_999)), ..seen.clone() };
        assert_eq!(later.stale(&later.rows[0]), Some(alert.clone()), "to the minute");
        let notice = notice(&seen, &seen.rows[0], &alert);
        insta::assert_snapshot!(notice.description.unwrap(), @r"old\u{1b} is stale: nobody used it for 12 days. `orch worktree remove old\u{1b}` puts it into the trash, if nothing is only there");
        let fields: Vec<_> = notice.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        assert_eq!(fields, [("Branch", r"orch/old\u{1b}"), ("Purpose", "try it")]);
    }
}
