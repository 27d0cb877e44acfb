//! A headless Chromium, where the machine has one.

use std::{fs, path::Path, process::Command};

#[path = "../support/chromium.rs"]
mod chromium;

pub(super) use chromium::find;

/// What came of a page in the browser.
pub(super) struct Seen {
    told: String,
    /// What the browser wrote to its console, one line an entry.
    pub(super) console: Vec<String>,
}

impl Seen {
    /// What the only page told under that name.
    #[track_caller]
    pub(super) fn told(&self, name: &str) -> &str {
        self.told_by("page-0", name)
    }

    /// What that page told under that name.
    #[track_caller]
    pub(super) fn told_by(&self, page: &str, name: &str) -> &str {
        let start = format!("{page}-{name}=\"");
        let rest = self.told.split(&start).nth(1);
        rest.unwrap_or_else(|| panic!("nothing told of `{name}` by {page}: {:?}", self.console))
            .split('"')
            .next()
            .unwrap()
    }
}

/// What every piece of JavaScript can use; `tell` is how it answers.
const PRELUDE: &str =
    "const tell = (name, value) => parent.postMessage([`${window.name}-${name}`, String(value)], '*');
    const all = (query) => [...document.querySelectorAll(query)];
    const press = (element, key) => element.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    const root = document.documentElement;";

/// Writes down what the frames tell. Frames are there because a window cannot be as narrow as a phone.
const FRAME: &str = "<!doctype html><script>addEventListener('message', ({ data: [name, value] }) =>
    document.documentElement.setAttribute(name, value));</script>";

/// Opens the page in a frame of that width, then does what `then`, a piece of JavaScript, says.
pub(super) fn open(browser: &Path, page: &str, width: u32, then: &str) -> Seen {
    open_all(browser, &[(page, width)], then)
}

/// Opens several pages, each in its frame; they tell as `page-0`, `page-1` and so on.
///
/// The piece is let in by each page's own nonce, which only a reader of the whole page can know.
pub(super) fn open_all(browser: &Path, pages: &[(&str, u32)], then: &str) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut frames = FRAME.to_owned();
    for (nth, (page, width)) in pages.iter().enumerate() {
        let nonce = page.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        let added = format!("<script nonce=\"{nonce}\">{PRELUDE}{then}</script></body>");
        fs::write(path(&format!("{nth}.html")), page.replace("</body>", &added)).unwrap();
        let style = format!("width:{width}px;height:900px;border:0");
        frames += &format!("<iframe name=\"page-{nth}\" src=\"{nth}.html\" style=\"{style}\"></iframe>");
    }
    fs::write(path("frame.html"), frames).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-extensions"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=4000", "--window-size=1400,1000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", path("profile").display()))
        .arg(format!("file://{}", path("frame.html").display()))
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    Seen {
        told: String::from_utf8_lossy(&output.stdout).into_owned(),
        console: log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
    }
}
