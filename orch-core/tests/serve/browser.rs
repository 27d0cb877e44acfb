//! The page in a real browser, driven by its own protocol over two pipes.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../support/chromium.rs"]
mod chromium;

/// A headless browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    calls: u64,
    session: Option<String>,
    heard: VecDeque<Value>,
    /// What the page, or the browser about it, wrote to the console.
    pub(crate) console: Vec<String>,
    _folder: TempDir,
}

impl Browser {
    /// Nothing where there is no browser.
    pub(crate) fn start() -> Option<Self> {
        let program = chromium::find()?;
        let folder = tempfile::tempdir().unwrap();
        let pipes = ["to", "from"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
        // The shell puts them where the browser wants them.
        let child = Command::new("sh")
            .args(["-c", r#"to="$1" from="$2"; shift 2; exec "$@" 3<"$to" 4>"$from""#, "sh"])
            .args(&pipes)
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-extensions"])
            .args(["--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(&pipes[0]).unwrap();
        let from = BufReader::new(File::open(&pipes[1]).unwrap());
        let (session, heard, console) = Default::default();
        let mut browser = Self { child, to, from, calls: 0, session, heard, console, _folder: folder };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let said = self.read();
            if said["id"] == json!(self.calls) {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
            self.note(&said);
            self.heard.push_back(said);
        }
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser went away");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn note(&mut self, said: &Value) {
        let params = &said["params"];
        match said["method"].as_str() {
            Some("Runtime.consoleAPICalled") => self.console.push(params["args"].to_string()),
            Some("Runtime.exceptionThrown") => self.console.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") => self.console.push(params["entry"]["text"].to_string()),
            _ => {}
        }
    }

    /// Makes the window so wide and high, light or dark.
    pub(crate) fn shape(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// What that piece of JavaScript answers; a promise is waited for.
    #[track_caller]
    pub(crate) fn ask(&mut self, script: &str) -> Value {
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let said = self.call("Runtime.evaluate", params);
        assert!(said["exceptionDetails"].is_null(), "{script}: {said}");
        said["result"]["value"].clone()
    }

    /// Waits until that is true of the page.
    #[track_caller]
    pub(crate) fn until(&mut self, condition: &str) {
        let script = format!(
            "new Promise((done) => {{ const end = Date.now() + 120000;
               const look = () => {{ let is = false; try {{ is = {condition}; }} catch {{}}
                 if (is) done('yes'); else if (Date.now() > end) done(document.body ? document.body.innerText : 'nothing');
                 else setTimeout(look, 20); }}; look(); }})"
        );
        let said = self.ask(&script);
        assert_eq!(said, "yes", "never: {condition}\n{}\n{:?}", said.as_str().unwrap_or_default(), self.console);
    }

    /// Keeps a picture of the whole page in that file.
    pub(crate) fn picture(&mut self, path: &Path) {
        let said = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        fs::write(path, base64(said["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill().and_then(|()| self.child.wait()));
        // Its own children have that pipe too: the folder goes when none of them writes there any more.
        if let Some(mut said) = self.child.stdout.take() {
            drop(io::copy(&mut said, &mut io::sink()));
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').collect();
    let whole = bytes.chunks(4).flat_map(|chunk| {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 6 | u32::from(value(*byte))) << (6 * (4 - chunk.len()));
        bits.to_be_bytes()[1..chunk.len()].to_vec()
    });
    whole.collect()
}
