//! What a workflow file says, with the place of each thing.

use super::yaml::{Fault, View, Yaml};

/// How many steps and jobs are looked at: aliases make many of few.
const MAX_PARTS: usize = 20_000;

/// The state of the key `on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Written,
    /// The key is there and has no value.
    Nothing,
    Missing,
    /// Only `true`, which a tool of YAML 1.1 makes of `on`.
    True,
}

#[derive(Debug)]
pub(super) struct Trigger<'a> {
    pub(super) event: &'a str,
    pub(super) at: View<'a>,
    /// What is written behind it, where it is a key.
    pub(super) value: Option<View<'a>>,
}

impl<'a> Trigger<'a> {
    pub(super) fn list(&self, key: &str) -> Option<Vec<&'a str>> {
        Some(self.value?.get(key)?.texts())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value.is_some_and(|value| value.get(key).is_some())
    }
}

#[derive(Debug)]
pub(super) struct WrittenCron<'a> {
    pub(super) text: &'a str,
    pub(super) at: View<'a>,
    pub(super) zone: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) id: &'a str,
    pub(super) key: View<'a>,
    pub(super) node: View<'a>,
    pub(super) steps: Vec<Step<'a>>,
}

impl<'a> Job<'a> {
    /// A workflow that is called in place of steps.
    pub(super) fn calls(&self) -> Option<View<'a>> {
        self.node.get("uses")
    }

    pub(super) fn name(&self) -> &'a str {
        self.node.get("name").and_then(View::text).unwrap_or(self.id)
    }

    /// The labels that it asks for, each as it is written, those of a matrix spelled out.
    pub(super) fn labels(&self) -> Vec<Vec<&'a str>> {
        let Some(node) = self.node.get("runs-on") else { return Vec::new() };
        let labels = match node.get("labels") {
            Some(labels) => labels.texts(),
            None => node.texts(),
        };
        let of_matrix = match labels.as_slice() {
            [one] => matrix_key(one),
            _ => None,
        };
        match of_matrix.and_then(|key| self.matrix()?.get(key)) {
            Some(values) => values.texts().into_iter().map(|label| vec![label]).collect(),
            None => vec![labels],
        }
    }

    pub(super) fn matrix(&self) -> Option<View<'a>> {
        self.node.get("strategy")?.get("matrix")
    }

    /// How many values each axis of its matrix has.
    pub(super) fn axes(&self) -> Vec<u64> {
        let entries = self.matrix().map(View::entries).into_iter().flatten();
        let axes =
            entries.filter(|(key, value)| !matches!(key.scalar(), Some("include" | "exclude")) && value.is_seq());
        axes.map(|(_, values)| values.items().count() as u64).collect()
    }

    /// How many jobs its matrix makes; 1 where there is none, or an expression makes it.
    pub(super) fn copies(&self) -> u64 {
        let Some(matrix) = self.matrix().filter(|matrix| matrix.is_map()) else { return 1 };
        let axes = self.axes();
        let product = axes.iter().fold(1_u64, |product, values| product.saturating_mul(*values));
        let count = |key: &str| matrix.get(key).map_or(0, |list| list.items().count() as u64);
        if axes.is_empty() {
            return count("include").max(1);
        }
        let keys: Vec<&str> = matrix.entries().filter_map(|(key, _)| key.scalar()).collect();
        // An entry that has none of the axes, or values that they have not, is a job of its own; it cannot be told from one
        // that only adds to a job without expanding all of them. Those that change a value count.
        let more = matrix.get("include").map_or(0, |list| {
            let new = |entry: &View<'_>| {
                entry.entries().any(|(key, value)| {
                    let axis = key.scalar().filter(|key| keys.contains(key)).and_then(|key| matrix.get(key));
                    axis.is_some_and(|axis| !axis.texts().contains(&value.text().unwrap_or_default()))
                })
            };
            list.items().filter(new).count() as u64
        });
        product.saturating_sub(count("exclude")).saturating_add(more).clamp(1, 256)
    }
}

/// `key` of `${{ matrix.key }}`.
fn matrix_key(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim().strip_prefix("matrix.")
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) node: View<'a>,
}

impl<'a> Step<'a> {
    pub(super) fn uses(&self) -> Option<(&'a str, View<'a>)> {
        let node = self.node.get("uses")?;
        Some((node.text()?, node))
    }

    /// The action that it uses, without its version, in lower case.
    pub(super) fn action(&self) -> Option<String> {
        let (uses, _) = self.uses()?;
        Some(uses.split('@').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    pub(super) fn run(&self) -> Option<(&'a str, View<'a>)> {
        let node = self.node.get("run")?;
        Some((node.text()?, node))
    }

    pub(super) fn with(&self, key: &str) -> Option<View<'a>> {
        self.node.get("with")?.get(key)
    }
}

#[derive(Debug)]
pub(super) struct Workflow<'a> {
    pub(super) root: View<'a>,
    pub(super) on: On,
    pub(super) on_at: Option<View<'a>>,
    pub(super) triggers: Vec<Trigger<'a>>,
    pub(super) crons: Vec<WrittenCron<'a>>,
    pub(super) jobs: Vec<Job<'a>>,
}

impl<'a> Workflow<'a> {
    /// # Errors
    ///
    /// Where GitHub would refuse the file as a whole.
    pub(super) fn read(yaml: &'a Yaml<'a>) -> Result<Self, Fault> {
        let fault = |view: Option<View<'_>>, message: &str| {
            let (line, column) = view.map_or((1, 1), View::place);
            Fault { line, column, message: message.to_owned() }
        };
        let root = yaml.root().filter(|root| !root.is_null()).ok_or_else(|| fault(None, "the file has no content"))?;
        if !root.is_map() {
            return Err(fault(Some(root), "a workflow is a mapping: `on`, `jobs`"));
        }
        if yaml.documents > 1 {
            return Err(fault(None, "the file has more than one document"));
        }
        if let Some(&ix) = yaml.twice.first() {
            let key = yaml.view(ix);
            let name = crate::id::Printable(key.scalar().unwrap_or_default()).to_string();
            return Err(fault(Some(key), &format!("the key `{name}` is there twice")));
        }
        let mut workflow =
            Self { root, on: On::Missing, on_at: None, triggers: Vec::new(), crons: Vec::new(), jobs: Vec::new() };
        workflow.read_on();
        let mut parts = 0;
        for (key, node) in root.get("jobs").map(View::entries).into_iter().flatten() {
            let id = key.scalar().unwrap_or_default();
            let steps: Vec<Step<'_>> =
                node.get("steps").map(View::items).into_iter().flatten().map(|node| Step { node }).collect();
            parts += 1 + steps.len();
            if parts > MAX_PARTS {
                return Err(fault(Some(key), &format!("the file has more than {MAX_PARTS} jobs and steps")));
            }
            workflow.jobs.push(Job { id, key, node, steps });
        }
        Ok(workflow)
    }

    fn read_on(&mut self) {
        let Some((key, on)) = self.root.entry("on") else {
            let wrong = self.root.entries().find(|(key, _)| {
                let truth = key.is_plain() && key.flag() == Some(true);
                truth || key.scalar().is_some_and(|key| key.eq_ignore_ascii_case("on"))
            });
            if let Some((key, _)) = wrong {
                (self.on, self.on_at) = (On::True, Some(key));
            }
            return;
        };
        self.on_at = Some(key);
        if on.is_null() || (on.is_map() || on.is_seq()) && on.entries().next().is_none() && on.items().next().is_none()
        {
            self.on = On::Nothing;
            return;
        }
        self.on = On::Written;
        if let Some(event) = on.text() {
            self.triggers.push(Trigger { event, at: on, value: None });
        }
        for item in on.items() {
            if let Some(event) = item.text() {
                self.triggers.push(Trigger { event, at: item, value: None });
            }
        }
        for (key, value) in on.entries() {
            self.triggers.push(Trigger { event: key.scalar().unwrap_or_default(), at: key, value: Some(value) });
        }
        let schedules = on.get("schedule").map(View::items).into_iter().flatten();
        for entry in schedules {
            if let Some(at) = entry.get("cron") {
                let zone = entry.get("timezone").and_then(View::text);
                self.crons.push(WrittenCron { text: at.scalar().unwrap_or_default(), at, zone });
            }
        }
    }

    pub(super) fn trigger(&self, event: &str) -> Option<&Trigger<'a>> {
        self.triggers.iter().find(|trigger| trigger.event == event)
    }

    pub(super) fn name(&self) -> Option<&'a str> {
        self.root.get("name").and_then(View::text)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = (&Job<'a>, Step<'a>)> {
        self.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (job, *step)))
    }

    /// Whether a run of it may change something outside, so that ending it half way leaves that half changed. Answers why.
    pub(super) fn writes(&self) -> Option<String> {
        let names = self.name().into_iter().chain(self.jobs.iter().flat_map(|job| [job.id, job.name()]));
        if let Some(name) = names.into_iter().find(|name| is_deploy_word(name)) {
            return Some(format!("`{}` says that it deploys or releases", crate::id::Printable(name)));
        }
        let permissions = std::iter::once(self.root).chain(self.jobs.iter().map(|job| job.node));
        for at in permissions.filter_map(|node| node.get("permissions")) {
            if at.text() == Some("write-all") {
                return Some("it has every permission to write".to_owned());
            }
            let strong = ["actions", "contents", "deployments", "id-token", "packages", "pages"];
            if let Some((key, _)) = at.entries().find(|(key, value)| {
                value.text() == Some("write") && key.scalar().is_some_and(|key| strong.contains(&key))
            }) {
                return Some(format!("it has the permission `{}: write`", key.scalar().unwrap_or_default()));
            }
        }
        if let Some(job) = self.jobs.iter().find(|job| job.node.get("environment").is_some()) {
            return Some(format!("the job `{}` has an environment, which deployments have", job.id));
        }
        if let Some(job) = self.jobs.iter().find(|job| job.calls().is_some()) {
            return Some(format!("the job `{}` calls another workflow, which may", job.id));
        }
        self.steps().find_map(|(job, step)| {
            let what = match (step.action(), step.run()) {
                (Some(action), _) => writing_action(&action, &step)?,
                (_, Some((run, _))) => writing_command(run)?.to_owned(),
                _ => return None,
            };
            Some(format!("the job `{}` has `{what}`", job.id))
        })
    }
}

/// Whether one of the words of a name is about deploying or releasing.
fn is_deploy_word(name: &str) -> bool {
    let words = name.split(|char: char| !char.is_ascii_alphanumeric());
    let deploys =
        ["deploy", "deployment", "deploys", "release", "releases", "publish", "publisher", "rollout", "promote"];
    words.into_iter().any(|word| deploys.contains(&word.to_ascii_lowercase().as_str()))
}

fn writing_action(action: &str, step: &Step<'_>) -> Option<String> {
    const WORDS: [&str; 6] = ["deploy", "publish", "release", "create-pull-request", "git-auto-commit", "gh-pages"];
    let pushes = step.with("push").is_some_and(|push| push.flag() != Some(false));
    let named = WORDS.iter().any(|word| action.contains(word))
        || action.starts_with("changesets/")
        || action.contains("merge-action")
        || action.contains("add-and-commit");
    (named || action == "docker/build-push-action" && pushes).then(|| action.to_owned())
}

/// What of a script changes something outside.
fn writing_command(run: &str) -> Option<&'static str> {
    const COMMANDS: [&str; 22] = [
        "git push",
        "npm publish",
        "pnpm publish",
        "yarn publish",
        "cargo publish",
        "twine upload",
        "docker push",
        "gh release",
        "gh pr merge",
        "gh workflow run",
        "terraform apply",
        "kubectl apply",
        "kubectl rollout",
        "helm upgrade",
        "helm install",
        "aws s3 sync",
        "aws s3 cp",
        "gcloud app deploy",
        "firebase deploy",
        "vercel --prod",
        "netlify deploy",
        "serverless deploy",
    ];
    COMMANDS.into_iter().find(|command| run.contains(command))
}

/// The crons that a text writes, where it is no YAML: what stands behind `- cron:`. Each with its line.
pub(super) fn written_crons(text: &str) -> Vec<(usize, String)> {
    let crons = text.lines().enumerate().filter_map(|(nth, line)| {
        let rest = line.trim_start().trim_start_matches('\u{feff}').strip_prefix('-')?.trim_start();
        let value = rest.strip_prefix("cron:")?.trim();
        let cron = match value.chars().next()? {
            quote @ ('\'' | '"') => value.get(1..)?.split(quote).next()?,
            _ => value.split(" #").next()?.trim(),
        };
        Some((nth + 1, cron.to_owned()))
    });
    crons.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, look: impl Fn(&Workflow<'_>) -> T) -> T {
        let yaml = Yaml::parse(text).unwrap();
        look(&Workflow::read(&yaml).unwrap())
    }

    #[test]
    fn triggers_are_read_in_their_three_forms() {
        for on in ["on: push", "on: [push]", "on:\n  push:", "'on': push", "on:\n- push", "\"on\": {push: }"] {
            let events = with(&format!("{on}\njobs: {{}}\n"), |workflow| {
                workflow.triggers.iter().map(|trigger| trigger.event.to_owned()).collect::<Vec<_>>()
            });
            assert_eq!(events, ["push"], "{on}");
        }
        for (on, state) in [
            ("on:", On::Nothing),
            ("on: {}", On::Nothing),
            ("on: []", On::Nothing),
            ("on: ~", On::Nothing),
            ("true: push", On::True),
            ("On: push", On::True),
            ("name: x", On::Missing),
        ] {
            assert_eq!(with(&format!("{on}\njobs: {{}}\n"), |workflow| workflow.on), state, "{on}");
        }
    }

    #[test]
    fn matrices_are_multiplied() {
        for (matrix, copies) in [
            ("{os: [a, b], v: [1, 2, 3]}", 6),
            ("{os: [a, b], exclude: [{os: a}]}", 1),
            ("{os: [a, b], include: [{os: a, extra: 1}, {os: c}]}", 3),
            ("{include: [{os: a}, {os: b}]}", 2),
            ("${{ fromJSON(needs.a.outputs.b) }}", 1),
        ] {
            let text = format!("jobs:\n  a:\n    strategy:\n      matrix: {matrix}\n");
            assert_eq!(with(&text, |workflow| workflow.jobs[0].copies()), copies, "{matrix}");
        }
    }

    #[test]
    fn what_writes_is_known() {
        for (part, writes) in [
            ("jobs: {test: {steps: [{run: cargo test}]}}", false),
            ("jobs: {deploy: {steps: []}}", true),
            ("name: Pre-release checks\njobs: {}", true),
            ("jobs: {a: {steps: [{run: 'git add . && git push'}]}}", true),
            ("permissions: {contents: write}\njobs: {}", true),
            ("permissions: {pull-requests: write}\njobs: {}", false),
            ("jobs: {a: {environment: production}}", true),
            ("jobs: {a: {steps: [{uses: softprops/action-gh-release@v2}]}}", true),
            ("jobs: {a: {steps: [{uses: docker/build-push-action@v6, with: {push: false}}]}}", false),
            ("jobs: {a: {uses: ./.github/workflows/b.yml}}", true),
        ] {
            assert_eq!(with(part, |workflow| workflow.writes().is_some()), writes, "{part}");
        }
    }

    #[test]
    fn crons_of_broken_files_are_seen() {
        let text =
            "on:\n  schedule:\n    - cron: '0 2 * * *' # two\n    -   cron: 5 * * * * # x\n  - cron: \"1 1 1 1 1\"\n";
        let crons = written_crons(text);
        assert_eq!(crons, [(3, "0 2 * * *".into()), (4, "5 * * * *".into()), (5, "1 1 1 1 1".into())]);
    }
}
