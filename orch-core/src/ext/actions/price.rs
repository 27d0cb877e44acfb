//! What a minute of a runner costs, by date.
//!
//! The prices are GitHub's list for private repositories, written down on [`PRICES_CHECKED`]; a public repository pays nothing for standard runners, and
//! nobody for runners of their own. GitHub rounds each job up to a whole minute.

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use super::cron::date_of;
use crate::{clock::WallTime, units::Usd};

/// When the table of prices was last compared with GitHub's list.
pub const PRICES_CHECKED: &str = "2026-11-22";

/// A kind of machine that GitHub has a price for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Runner {
    /// `ubuntu-slim`: Linux with one core.
    LinuxSlim,
    /// `ubuntu-latest` and its versions: Linux with two cores.
    Linux,
    /// Linux with four cores.
    Linux4,
    /// Linux with eight cores.
    Linux8,
    /// Linux with sixteen cores.
    Linux16,
    /// Linux on arm64 with two cores.
    LinuxArm,
    /// Linux on arm64 with four cores.
    LinuxArm4,
    /// Linux on arm64 with eight cores.
    LinuxArm8,
    /// Windows with two cores.
    Windows,
    /// macOS.
    Macos,
    /// macOS with twelve cores.
    Macos12,
    /// A machine of one's own, for which GitHub asks nothing.
    SelfHosted,
    /// A label that this table does not know.
    Unknown,
}

/// A price in thousandths of a dollar a minute, from that day on.
struct Since {
    from: Date,
    mills: i64,
}

const fn since(year: i16, month: i8, mills: i64) -> Since {
    Since { from: date(year, month, 1), mills }
}

/// Newest first.
const SLIM: &[Since] = &[since(2025, 10, 2)];
const LINUX: &[Since] = &[since(2026, 1, 6), since(2019, 11, 8)];
const WINDOWS: &[Since] = &[since(2026, 1, 10), since(2019, 11, 16)];
const MACOS: &[Since] = &[since(2026, 1, 62), since(2019, 11, 80)];

impl Runner {
    /// What the labels of a job ask for.
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::Unknown;
        for label in labels {
            match Self::of_label(&label.to_ascii_lowercase()) {
                Self::SelfHosted => return Self::SelfHosted,
                Self::Unknown => {}
                known => found = known,
            }
        }
        found
    }

    fn of_label(label: &str) -> Self {
        let cores = |count: &str| label.contains(&format!("{count}-core")) || label.contains(&format!("{count}core"));
        let arm = label.ends_with("-arm") || label.contains("-arm-") || label.contains("arm64");
        if label == "self-hosted" {
            Self::SelfHosted
        } else if label.starts_with("ubuntu-slim") {
            Self::LinuxSlim
        } else if label.starts_with("ubuntu-") {
            match (arm, cores("16"), cores("8"), cores("4")) {
                (false, true, ..) => Self::Linux16,
                (false, _, true, _) => Self::Linux8,
                (false, _, _, true) => Self::Linux4,
                (false, ..) => Self::Linux,
                (true, true, ..) => Self::Unknown,
                (true, _, true, _) => Self::LinuxArm8,
                (true, _, _, true) => Self::LinuxArm4,
                (true, ..) => Self::LinuxArm,
            }
        } else if label.starts_with("windows-") && !arm && !label.contains("core") {
            Self::Windows
        } else if label.starts_with("macos-") {
            match label {
                _ if label.ends_with("-xlarge") => Self::Unknown,
                _ if label.ends_with("-large") => Self::Macos12,
                _ => Self::Macos,
            }
        } else {
            Self::Unknown
        }
    }

    /// What a minute costs on that day; `None` where the table does not say.
    pub fn price(self, at: WallTime) -> Option<Usd> {
        let on = date_of(at);
        let fixed: &[Since] = match self {
            Self::SelfHosted => return Some(Usd::ZERO),
            Self::Unknown => return None,
            Self::LinuxSlim => SLIM,
            Self::Linux => LINUX,
            Self::Windows => WINDOWS,
            Self::Macos => MACOS,
            Self::Linux4 => &[since(2026, 1, 12), since(2023, 4, 16)],
            Self::Linux8 => &[since(2026, 1, 22), since(2023, 4, 32)],
            Self::Linux16 => &[since(2026, 1, 42), since(2023, 4, 64)],
            Self::LinuxArm => &[since(2026, 1, 5), since(2023, 4, 5)],
            Self::LinuxArm4 => &[since(2026, 1, 8), since(2023, 4, 10)],
            Self::LinuxArm8 => &[since(2026, 1, 14), since(2023, 4, 20)],
            Self::Macos12 => &[since(2026, 1, 77), since(2023, 4, 120)],
        };
        let valid = fixed.iter().find(|since| since.from <= on)?;
        Some(Usd::from_nanos(valid.mills * 1_000_000))
    }

    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinuxSlim => "Linux 1-core",
            Self::Linux => "Linux 2-core",
            Self::Linux4 => "Linux 4-core",
            Self::Linux8 => "Linux 8-core",
            Self::Linux16 => "Linux 16-core",
            Self::LinuxArm => "Linux arm64 2-core",
            Self::LinuxArm4 => "Linux arm64 4-core",
            Self::LinuxArm8 => "Linux arm64 8-core",
            Self::Windows => "Windows 2-core",
            Self::Macos => "macOS",
            Self::Macos12 => "macOS 12-core",
            Self::SelfHosted => "self-hosted",
            Self::Unknown => "unknown runner",
        }
    }
}

/// The whole minutes that GitHub bills for a job of so many seconds: none for a job that took no time.
///
/// ```
/// assert_eq!([0, 1, 60, 61].map(orch_core::ext::actions::billed_minutes), [0, 1, 1, 2]);
/// ```
pub fn billed_minutes(seconds: u64) -> u64 {
    seconds.div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_runners_and_have_prices_of_their_day() {
        let now = "2026-11-22".parse().unwrap();
        for (labels, runner, price) in [
            (&["ubuntu-latest"][..], Runner::Linux, Some(6)),
            (&["ubuntu-22.04"], Runner::Linux, Some(6)),
            (&["ubuntu-24.04-arm"], Runner::LinuxArm, Some(5)),
            (&["ubuntu-slim"], Runner::LinuxSlim, Some(2)),
            (&["ubuntu-latest-8-cores"], Runner::Linux8, Some(22)),
            (&["windows-2025"], Runner::Windows, Some(10)),
            (&["macOS-latest"], Runner::Macos, Some(62)),
            (&["macos-15-large"], Runner::Macos12, Some(77)),
            (&["macos-15-xlarge"], Runner::Unknown, None),
            (&["self-hosted", "ubuntu-latest"], Runner::SelfHosted, Some(0)),
            (&["my-machine"], Runner::Unknown, None),
        ] {
            assert_eq!(Runner::of_labels(labels.iter().copied()), runner, "{labels:?}");
            assert_eq!(runner.price(now).map(Usd::nanos), price.map(|mills| mills * 1_000_000), "{labels:?}");
        }
        assert_eq!(Runner::Linux.price("2025-12-31".parse().unwrap()), Some(Usd::from_nanos(8_000_000)));
        assert_eq!(Runner::Macos12.price("2025-07-01".parse().unwrap()), Some(Usd::from_nanos(120_000_000)));
        assert_eq!(Runner::LinuxSlim.price("2025-06-30".parse().unwrap()), None);
    }
}
