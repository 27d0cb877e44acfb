//! What a minute of a runner costs, by date.
//!
//! The prices are GitHub's list, "Actions runner pricing" (<https://docs.github.com/en/billing/reference/actions-runner-pricing>), in US dollars, as
//! it was on [`PRICES_CHECKED`], and as it was until 2026-01-01 by the edition of the same page that told both. Private repositories pay them; public
//! ones pay nothing for standard machines, and nobody for machines of their own. GitHub rounds each job up to a whole minute.

use jiff::civil::{Date, date};

use super::cron::date_of;
use crate::{clock::WallTime, units::Usd};

/// When the table of prices was last compared with GitHub's list.
pub const PRICES_CHECKED: &str = "2026-11-22";

/// The day from which on the second price holds.
const CHANGED: Date = date(2026, 1, 1);

/// A kind of machine that GitHub has a price for.
#[derive(Debug, PartialEq, Eq)]
pub struct Machine {
    /// What GitHub's bills call it: `linux_4_core`.
    pub sku: &'static str,
    /// Its name in texts: `Linux 4-core`.
    pub name: &'static str,
    /// Thousandths of a dollar a minute: before 2026, and since.
    mills: [i64; 2],
}

const fn machine(sku: &'static str, name: &'static str, before: i64, since: i64) -> Machine {
    Machine { sku, name, mills: [before, since] }
}

static LINUX: Machine = machine("linux", "Linux 2-core", 8, 6);
static LINUX_SLIM: Machine = machine("linux_slim", "Linux 1-core (`ubuntu-slim`)", 2, 2);
static LINUX_ARM: Machine = machine("linux_2_core_arm", "Linux arm64 2-core", 5, 5);

/// The other rows of GitHub's list, but for the two cores with which Linux costs no other price.
static LARGER: [Machine; 27] = [
    machine("windows", "Windows 2-core", 16, 10),
    machine("macos", "macOS", 80, 62),
    machine("linux_4_core", "Linux 4-core", 16, 12),
    machine("linux_8_core", "Linux 8-core", 32, 22),
    machine("linux_16_core", "Linux 16-core", 64, 42),
    machine("linux_32_core", "Linux 32-core", 128, 82),
    machine("linux_64_core", "Linux 64-core", 256, 162),
    machine("linux_96_core", "Linux 96-core", 384, 252),
    machine("windows_4_core", "Windows 4-core", 32, 22),
    machine("windows_8_core", "Windows 8-core", 64, 42),
    machine("windows_16_core", "Windows 16-core", 128, 82),
    machine("windows_32_core", "Windows 32-core", 256, 162),
    machine("windows_64_core", "Windows 64-core", 512, 322),
    machine("windows_96_core", "Windows 96-core", 768, 552),
    machine("macos_l", "macOS 12-core", 120, 77),
    machine("linux_4_core_arm", "Linux arm64 4-core", 10, 8),
    machine("linux_8_core_arm", "Linux arm64 8-core", 20, 14),
    machine("linux_16_core_arm", "Linux arm64 16-core", 40, 26),
    machine("linux_32_core_arm", "Linux arm64 32-core", 80, 50),
    machine("linux_64_core_arm", "Linux arm64 64-core", 160, 98),
    machine("windows_2_core_arm", "Windows arm64 2-core", 10, 8),
    machine("windows_4_core_arm", "Windows arm64 4-core", 20, 14),
    machine("windows_8_core_arm", "Windows arm64 8-core", 40, 26),
    machine("windows_16_core_arm", "Windows arm64 16-core", 80, 50),
    machine("windows_32_core_arm", "Windows arm64 32-core", 160, 98),
    machine("windows_64_core_arm", "Windows arm64 64-core", 320, 194),
    machine("macos_xl", "macOS 5-core (M2 Pro)", 160, 102),
];
static GPU: [Machine; 2] = [
    machine("linux_4_core_gpu", "Linux 4-core GPU", 70, 52),
    machine("windows_4_core_gpu", "Windows 4-core GPU", 140, 102),
];

/// What a job runs on.
///
/// ```
/// use orch_core::ext::actions::Runner;
///
/// let at = "2026-11-22".parse()?;
/// assert_eq!(Runner::of_labels(["windows-11-arm"]).price(at).unwrap().dollars(), 0.008);
/// assert_eq!(Runner::of_labels(["our-big-machine"]).price(at), None); // not nothing: not known
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runner {
    /// A machine of GitHub.
    Hosted(&'static Machine),
    /// A machine of one's own, for which GitHub asks nothing.
    SelfHosted,
    /// Labels that the table does not know: such as the names that an organization gives to its larger machines.
    Unknown,
}

impl Runner {
    /// `ubuntu-latest`.
    pub const LINUX: Self = Self::Hosted(&LINUX);
    /// `ubuntu-slim`.
    pub const LINUX_SLIM: Self = Self::Hosted(&LINUX_SLIM);
    /// `ubuntu-24.04-arm`.
    pub const LINUX_ARM: Self = Self::Hosted(&LINUX_ARM);

    /// What the labels of a job ask for.
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::Unknown;
        for label in labels {
            let label = label.to_ascii_lowercase();
            if label == "self-hosted" {
                return Self::SelfHosted;
            }
            if let Some(machine) = sku(&label).and_then(|sku| by_sku(&sku)) {
                found = Self::Hosted(machine);
            }
        }
        found
    }

    /// What a minute costs on that day; `None` where the table does not say.
    pub fn price(self, at: WallTime) -> Option<Usd> {
        match self {
            Self::SelfHosted => Some(Usd::ZERO),
            Self::Unknown => None,
            Self::Hosted(machine) => {
                let [before, since] = machine.mills;
                let mills = if date_of(at) < CHANGED { before } else { since };
                Some(Usd::from_nanos(mills * 1_000_000))
            }
        }
    }

    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosted(machine) => machine.name,
            Self::SelfHosted => "a machine of one's own",
            Self::Unknown => "a machine that is not known",
        }
    }

    /// The smallest machine of that kind, where this is a larger one: for eight cores of Linux two. Of GPUs there is one size.
    pub(super) fn smallest(self) -> Option<Self> {
        let sku = self.sku()?;
        let os = sku.split('_').next()?;
        let small = match sku.rsplit('_').next()? {
            "gpu" | "slim" => return None,
            "arm" => format!("{os}_2_core_arm"),
            _ => os.to_owned(),
        };
        by_sku(&small).filter(|small| small.sku != sku).map(Self::Hosted)
    }

    /// What GitHub's bills call it; nothing for machines that are not GitHub's.
    pub fn sku(self) -> Option<&'static str> {
        match self {
            Self::Hosted(machine) => Some(machine.sku),
            Self::SelfHosted | Self::Unknown => None,
        }
    }
}

fn by_sku(sku: &str) -> Option<&'static Machine> {
    [&LINUX, &LINUX_SLIM, &LINUX_ARM].into_iter().chain(&LARGER).chain(&GPU).find(|machine| machine.sku == sku)
}

/// What GitHub's bills would call the machine of that label; nothing where a word of it is not understood: a wrong price is worse than none.
fn sku(label: &str) -> Option<String> {
    let mut words = label.split('-');
    let os = match words.next()? {
        "ubuntu" => "linux",
        os @ ("windows" | "macos") => os,
        _ => return None,
    };
    let (mut number, mut cores, mut kind) = (None, None, "");
    for word in words {
        let digits = word.trim_end_matches("cores").trim_end_matches("core");
        match word {
            "arm" | "arm64" => kind = "_arm",
            "gpu" => kind = "_gpu",
            "slim" => kind = "_slim",
            "large" => kind = "_l",
            "xlarge" => kind = "_xl",
            "latest" | "intel" | "x64" => {}
            "core" | "cores" => cores = number,
            // `16core`.
            _ if digits != word && is_number(digits) => cores = Some(digits),
            // `22.04`, `2025` or the 8 of `8-cores`; `vs2026` names what is on it.
            _ if is_number(&word.replace('.', "")) => number = Some(word),
            _ if word.strip_prefix("vs").is_some_and(is_number) => {}
            _ => return None,
        }
    }
    Some(match (cores, kind) {
        (Some("2"), "") => os.to_owned(),
        (Some(cores), kind) => format!("{os}_{cores}_core{kind}"),
        (None, "_arm") => format!("{os}_2_core_arm"),
        (None, "_gpu") => format!("{os}_4_core_gpu"),
        (None, kind) => format!("{os}{kind}"),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
    fn labels_are_machines_and_have_prices_of_their_day() {
        let (before, now) = ("2025-12-31".parse().unwrap(), "2026-01-01".parse().unwrap());
        for (labels, sku, prices) in [
            (&["ubuntu-latest"][..], Some("linux"), Some([8, 6])),
            (&["ubuntu-22.04"], Some("linux"), Some([8, 6])),
            (&["ubuntu-slim"], Some("linux_slim"), Some([2, 2])),
            (&["ubuntu-24.04-arm"], Some("linux_2_core_arm"), Some([5, 5])),
            (&["ubuntu-latest-8-cores"], Some("linux_8_core"), Some([32, 22])),
            (&["ubuntu-20.04-16core"], Some("linux_16_core"), Some([64, 42])),
            (&["ubuntu-24.04-arm-4-cores"], Some("linux_4_core_arm"), Some([10, 8])),
            (&["ubuntu-22.04-gpu"], Some("linux_4_core_gpu"), Some([70, 52])),
            (&["windows-2025"], Some("windows"), Some([16, 10])),
            (&["windows-2025-vs2026"], Some("windows"), Some([16, 10])),
            (&["windows-latest-4-cores"], Some("windows_4_core"), Some([32, 22])),
            (&["windows-11-arm"], Some("windows_2_core_arm"), Some([10, 8])),
            (&["windows-2022-96core"], Some("windows_96_core"), Some([768, 552])),
            (&["windows-2022-4-core-gpu"], Some("windows_4_core_gpu"), Some([140, 102])),
            (&["macOS-latest"], Some("macos"), Some([80, 62])),
            (&["macos-15-intel"], Some("macos"), Some([80, 62])),
            (&["macos-15-large"], Some("macos_l"), Some([120, 77])),
            (&["macos-15-xlarge"], Some("macos_xl"), Some([160, 102])),
            // Not on the list: a size, a word, a name.
            (&["ubuntu-latest-12-cores"], None, None),
            (&["ubuntu-22.04-big"], None, None),
            (&["my-machine"], None, None),
            (&[], None, None),
        ] {
            let runner = Runner::of_labels(labels.iter().copied());
            let found = [before, now].map(|at| runner.price(at).map(Usd::nanos));
            assert_eq!(runner.sku(), sku, "{labels:?}");
            let wanted = prices.map_or([None; 2], |mills: [i64; 2]| mills.map(|mills| Some(mills * 1_000_000)));
            assert_eq!(found, wanted, "{labels:?}");
        }
        let own = Runner::of_labels(["ubuntu-latest", "self-hosted"]);
        assert_eq!((own, own.price(now)), (Runner::SelfHosted, Some(Usd::ZERO)));
    }
}
