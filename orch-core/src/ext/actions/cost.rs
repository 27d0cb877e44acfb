//! What a workflow costs in 30 days: measured where runs were given, else by its crons and what is taken for granted.

use super::{
    audit::{AuditOptions, Basis, WINDOW_DAYS},
    cron::Cron,
    price::Runner,
    runs::{History, Measured},
    workflow::{Job, Workflow},
};
use crate::units::Usd;

/// Minutes, money, and what they rest on.
pub(super) type Cost = (f64, Usd, Basis);

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

    /// The billed minutes of one job in one run, all its copies together.
    pub(super) fn minutes(&self, job: &Job<'_>) -> f64 {
        let each = self.measured.and_then(|measured| measured.job_minutes(job.name()));
        each.unwrap_or(self.options.assumptions.job_minutes) * job.copies() as f64
    }

    /// The price of a minute of that job: the mean of what its matrix asks for. Nothing where no price is known.
    pub(super) fn price(&self, job: &Job<'_>) -> Usd {
        let labels = job.labels();
        let prices: Vec<i64> = labels
            .iter()
            .map(|labels| Runner::of_labels(labels.iter().copied()).price(self.options.at).map_or(0, Usd::nanos))
            .collect();
        Usd::from_nanos(prices.iter().sum::<i64>() / i64::try_from(prices.len().max(1)).unwrap_or(1))
    }

    /// So many minutes of that job.
    pub(super) fn of_job(&self, job: &Job<'_>, minutes: f64, basis: Basis) -> Cost {
        (minutes, money(self.price(job), minutes), basis)
    }

    /// So many runs of the whole workflow.
    pub(super) fn of_runs(&self, runs: f64, basis: Basis) -> Cost {
        let mut cost = (0.0, Usd::ZERO);
        for job in &self.workflow.jobs {
            let (minutes, usd, _) = self.of_job(job, runs * self.minutes(job), basis);
            cost = (cost.0 + minutes, cost.1 + usd);
        }
        (cost.0, cost.1, basis)
    }
}

/// So many minutes at that price.
pub(super) fn money(price: Usd, minutes: f64) -> Usd {
    // `as` saturates, which is what the type promises of sums.
    Usd::from_nanos((price.nanos() as f64 * minutes).round() as i64)
}
