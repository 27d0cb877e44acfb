//! What a workflow costs in 30 days: measured where runs were given, else by its crons and what is taken for granted.

use super::{
    audit::{AuditOptions, Basis, WINDOW_DAYS},
    cron::Cron,
    history::{History, Measured},
    price::Runner,
    workflow::{Job, Workflow},
};
use crate::units::Usd;

/// Minutes, money, and what they rest on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) minutes: f64,
    /// What the minutes cost whose price is known.
    pub(super) usd: Usd,
    /// The minutes whose price is not.
    pub(super) unpriced: f64,
    pub(super) basis: Basis,
}

impl Cost {
    /// What costs no minutes.
    pub(super) const NONE: Self = Self { minutes: 0.0, usd: Usd::ZERO, unpriced: 0.0, basis: Basis::Schedule };
}

pub(super) struct Costs<'a> {
    workflow: &'a Workflow<'a>,
    options: &'a AuditOptions,
    measured: Option<&'a Measured>,
    fires: f64,
}

impl<'a> Costs<'a> {
    pub(super) fn new(file: &str, workflow: &'a Workflow<'a>, options: &'a AuditOptions) -> Self {
        let crons = workflow.crons.iter().filter_map(|cron| cron.text.parse::<Cron>().ok());
        let fires: u64 = crons.map(|cron| cron.fires(options.window, WINDOW_DAYS)).sum();
        let measured =
            options.history.as_ref().and_then(|history: &History| history.of_workflow(file, workflow.name()));
        Self { workflow, options, measured, fires: fires as f64 }
    }

    pub(super) fn measured(&self) -> Option<&'a Measured> {
        self.measured
    }

    /// How often the crons of the workflow fire in the window.
    pub(super) fn fires(&self) -> f64 {
        self.fires
    }

    /// Runs in 30 days that this event starts.
    pub(super) fn runs(&self, event: &str) -> (f64, Basis) {
        if let Some(measured) = self.measured {
            return (measured.runs_per_30_days(event), Basis::Measured);
        }
        if self.workflow.trigger(event).is_none() {
            return (0.0, Basis::Assumed);
        }
        let assumed = &self.options.assumptions;
        match event {
            "schedule" => (self.fires, Basis::Schedule),
            "push" => (f64::from(assumed.pushes), Basis::Assumed),
            "pull_request" | "pull_request_target" => (f64::from(assumed.pull_requests), Basis::Assumed),
            _ => (0.0, Basis::Assumed),
        }
    }

    /// Runs in 30 days of all events.
    pub(super) fn all_runs(&self) -> (f64, Basis) {
        let events = self.workflow.triggers.iter().map(|trigger| trigger.event);
        events.fold((0.0, Basis::Measured), |(sum, basis), event| {
            let (runs, one) = self.runs(event);
            (sum + runs, if runs > 0.0 { basis.max(one) } else { basis })
        })
    }

    /// The billed minutes of one job in one run, all its copies together, and what they rest on: runs that were given without their jobs say
    /// nothing of it.
    pub(super) fn minutes(&self, job: &Job<'_>, runs: Basis) -> (f64, Basis) {
        let each = self.measured.and_then(|measured| measured.job_minutes(job.name()));
        let basis = if each.is_none() && runs == Basis::Measured { Basis::Assumed } else { runs };
        (each.unwrap_or(self.options.assumptions.job_minutes) * job.copies() as f64, basis)
    }

    /// So many minutes of that job, shared evenly by the machines that its matrix asks for.
    pub(super) fn of_job(&self, job: &Job<'_>, minutes: f64, basis: Basis) -> Cost {
        let labels = job.labels();
        let share = minutes / labels.len().max(1) as f64;
        let mut cost = Cost { minutes, basis, ..Cost::NONE };
        for labels in &labels {
            match Runner::of_labels(labels.iter().copied()).price(self.options.at) {
                Some(price) => cost.usd += money(price, share),
                None => cost.unpriced += share,
            }
        }
        if labels.is_empty() {
            cost.unpriced = minutes;
        }
        cost
    }

    /// So many runs of the whole workflow.
    pub(super) fn of_runs(&self, runs: f64, basis: Basis) -> Cost {
        let mut all = Cost { basis, ..Cost::NONE };
        for job in &self.workflow.jobs {
            let (each, basis) = self.minutes(job, basis);
            let cost = self.of_job(job, runs * each, basis);
            all.minutes += cost.minutes;
            all.usd += cost.usd;
            all.unpriced += cost.unpriced;
            all.basis = all.basis.max(basis);
        }
        all
    }
}

/// So many minutes at that price.
pub(super) fn money(price: Usd, minutes: f64) -> Usd {
    // `as` saturates, which is what the type promises of sums.
    Usd::from_nanos((price.nanos() as f64 * minutes).round() as i64)
}
