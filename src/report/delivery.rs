//! How releases are delivered, from the journals of many rollouts: how often, how many fail, how soon a failed one is
//! back, and how long a good one takes. These are the four that DORA measures, as far as a rollout sees them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::fields::moment;
use super::summary::row;
use super::{Style, Summary};
use crate::domain::clock::{Timestamp, span};
use crate::domain::text::{many, prometheus_label};
use crate::domain::traffic::Share;
use crate::machine::Outcome;
use crate::plan::Plan;

const DAY: f64 = 86_400.0;

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Promoted.
    Promoted,
    /// Rolled back.
    RolledBack,
    /// Stranded.
    Stranded,
}

/// What of one rollout counts here.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The spec's name.
    pub name: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended, and how, if it has.
    pub ended: Option<(Timestamp, End)>,
    /// Whether the candidate ever had traffic: what never had any failed nobody.
    pub exposed: bool,
    /// From the decision to go back until the traffic was read back.
    pub restored: Option<Duration>,
}

impl Delivery {
    /// What counts of a rollout that has started.
    pub fn of(plan: &Plan, summary: &Summary) -> Option<Self> {
        let (started, _) = summary.started.as_ref()?;
        let ended = summary.finished.as_ref().map(|(at, outcome)| {
            let end = match outcome {
                Outcome::Promoted => End::Promoted,
                Outcome::RolledBack(_) => End::RolledBack,
                Outcome::Stranded { .. } => End::Stranded,
            };
            (*at, end)
        });
        let exposed = summary.highest > Share::NONE;
        let restored = summary.back.filter(|_| exposed).map(|(_, took)| took);
        Some(Self { name: plan.name.to_string(), started: *started, ended, exposed, restored })
    }
}

/// The figures of some rollouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Of which name; of all when none.
    pub name: Option<String>,
    /// The time that is looked at: from the first rollout on.
    pub over: Duration,
    /// When the last one started.
    pub last: Timestamp,
    /// How many started.
    pub started: usize,
    /// How many were promoted.
    pub promoted: usize,
    /// How many were rolled back.
    pub rolled_back: usize,
    /// How many were stranded.
    pub stranded: usize,
    /// How many of those that were not promoted never gave the candidate any traffic.
    pub harmless: usize,
    /// How long those took that were promoted, shortest first.
    pub lead: Vec<Duration>,
    /// How long the traffic took back, shortest first.
    pub restore: Vec<Duration>,
}

impl Figures {
    /// The figures at the moment `now`; `None` when there is nothing to count.
    pub fn of(name: Option<&str>, all: &[Delivery], now: Timestamp) -> Option<Self> {
        let all: Vec<&Delivery> = all.iter().filter(|one| name.is_none_or(|name| one.name == name)).collect();
        let (first, last) = (all.iter().map(|one| one.started).min()?, all.iter().map(|one| one.started).max()?);
        let count = |end| all.iter().filter(|one| one.ended.is_some_and(|(_, how)| how == end)).count();
        let lead = all.iter().filter_map(|one| match one.ended {
            Some((at, End::Promoted)) => Some(at.since(one.started)),
            _ => None,
        });
        let failed = |one: &&&Delivery| one.ended.is_some_and(|(_, how)| how != End::Promoted);
        Some(Self {
            name: name.map(str::to_owned),
            over: now.since(first),
            last,
            started: all.len(),
            promoted: count(End::Promoted),
            rolled_back: count(End::RolledBack),
            stranded: count(End::Stranded),
            harmless: all.iter().filter(failed).filter(|one| !one.exposed).count(),
            lead: sorted(lead),
            restore: sorted(all.iter().filter_map(|one| one.restored)),
        })
    }

    /// The figures of each name that occurs, by name.
    pub fn by_name(all: &[Delivery], now: Timestamp) -> Vec<Self> {
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        names.into_iter().filter_map(|name| Self::of(Some(name), all, now)).collect()
    }

    /// Promoted releases in a week, over at least a day.
    pub fn per_week(&self) -> f64 {
        self.promoted as f64 * 7.0 * DAY / self.over.as_secs_f64().max(DAY)
    }

    /// The share of the releases with traffic that were not promoted; `None` when none had any and ended.
    pub fn failure(&self) -> Option<f64> {
        let failed = self.rolled_back + self.stranded - self.harmless;
        let counted = failed + self.promoted;
        (counted > 0).then(|| failed as f64 / counted as f64)
    }

    /// The figures for people.
    pub fn text(&self, style: Style) -> String {
        let failed = self.rolled_back + self.stranded - self.harmless;
        let mut rows = vec![
            ("rollouts", format!("{} in {}", self.started, days(self.over))),
            ("deployments", format!("{} promoted, {:.1} a week", self.promoted, self.per_week())),
        ];
        let failure = self.failure().map_or("nothing has ended yet".to_owned(), |share| {
            format!("{:.0}%: {failed} of {} that had traffic", share * 100.0, failed + self.promoted)
        });
        let failure = match self.harmless {
            0 => failure,
            harmless => format!("{failure}; {harmless} more went back before any traffic"),
        };
        rows.push(("failures", failure));
        rows.push(("restored in", spread(&self.restore, "decision to traffic read back")));
        rows.push(("lead", spread(&self.lead, "start to promoted")));
        let head = self.name.as_deref().unwrap_or("all names");
        let mut text = format!("{}\n\n", crate::domain::text::escape(head));
        for (label, words) in rows {
            text.push_str(&row(label, &words, style));
        }
        text
    }

    /// The figures for programs.
    pub fn json(&self) -> Value {
        let times = |spans: &[Duration]| {
            json!({
                "count": spans.len(),
                "median_seconds": quantile(spans, 0.5).map(|span| span.as_secs_f64()),
                "p90_seconds": quantile(spans, 0.9).map(|span| span.as_secs_f64()),
            })
        };
        json!({
            "type": "figures",
            "name": self.name,
            "over_seconds": self.over.as_secs(),
            "last_started": moment(self.last),
            "started": self.started,
            "promoted": self.promoted,
            "rolled_back": self.rolled_back,
            "stranded": self.stranded,
            "without_traffic": self.harmless,
            "deployments_per_week": self.per_week(),
            "change_failure_ratio": self.failure(),
            "restore": times(&self.restore),
            "lead": times(&self.lead),
        })
    }
}

/// Figures in Prometheus's text format, one metric after the other.
pub fn prometheus(all: &[Figures]) -> String {
    type Count = fn(&Figures) -> usize;
    type Value = fn(&Figures) -> Option<f64>;
    let count = |figure: fn(&Figures) -> usize, all: &Figures| figure(all) as f64;
    let mut text =
        String::from("# HELP tidegate_rollouts Rollouts by how they ended.\n# TYPE tidegate_rollouts gauge\n");
    for figures in all {
        let name = prometheus_label(figures.name.as_deref().unwrap_or_default());
        let open = |all: &Figures| all.started - all.promoted - all.rolled_back - all.stranded;
        let outcomes: [(&str, Count); 4] = [
            ("promoted", |all| all.promoted),
            ("rolled_back", |all| all.rolled_back),
            ("stranded", |all| all.stranded),
            ("open", open),
        ];
        for (outcome, figure) in outcomes {
            let _ =
                writeln!(text, "tidegate_rollouts{{name=\"{name}\",outcome=\"{outcome}\"}} {}", count(figure, figures));
        }
    }
    let metrics: [(&str, &str, Value); 7] = [
        ("tidegate_deployments_per_week", "Promoted rollouts in a week.", |all| Some(all.per_week())),
        (
            "tidegate_change_failure_ratio",
            "The part of the rollouts with traffic that was not promoted.",
            Figures::failure,
        ),
        ("tidegate_restore_seconds_median", "From the decision to go back to the traffic read back.", |all| {
            quantile(&all.restore, 0.5).map(|span| span.as_secs_f64())
        }),
        ("tidegate_restore_seconds_p90", "From the decision to go back to the traffic read back.", |all| {
            quantile(&all.restore, 0.9).map(|span| span.as_secs_f64())
        }),
        ("tidegate_lead_seconds_median", "From the start of a rollout to its promotion.", |all| {
            quantile(&all.lead, 0.5).map(|span| span.as_secs_f64())
        }),
        ("tidegate_lead_seconds_p90", "From the start of a rollout to its promotion.", |all| {
            quantile(&all.lead, 0.9).map(|span| span.as_secs_f64())
        }),
        ("tidegate_last_rollout_timestamp_seconds", "When the last rollout started.", |all| {
            Some(all.last.as_millis() as f64 / 1000.0)
        }),
    ];
    for (metric, help, value) in metrics {
        let _ = writeln!(text, "# HELP {metric} {help}\n# TYPE {metric} gauge");
        for figures in all {
            let name = prometheus_label(figures.name.as_deref().unwrap_or_default());
            // What is not known is left out: 0 would be an answer.
            if let Some(value) = value(figures) {
                let _ = writeln!(text, "{metric}{{name=\"{name}\"}} {value}");
            }
        }
    }
    text
}

fn sorted(spans: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut spans: Vec<Duration> = spans.collect();
    spans.sort_unstable();
    spans
}

/// The least of the sorted spans that so large a part is not above.
fn quantile(spans: &[Duration], part: f64) -> Option<Duration> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length is within it")]
    let at = (spans.len() as f64 * part).ceil() as usize;
    spans.get(at.clamp(1, spans.len().max(1)) - 1).copied()
}

fn spread(spans: &[Duration], what: &str) -> String {
    match (quantile(spans, 0.5), quantile(spans, 0.9)) {
        (Some(median), Some(most)) if spans.len() > 1 => {
            format!(
                "median {}, nine of ten within {}; {what}, {}",
                span(median),
                span(most),
                many(spans.len() as u64, "time")
            )
        }
        (Some(only), _) => format!("{}; {what}, once", span(only)),
        _ => "never yet".to_owned(),
    }
}

fn days(over: Duration) -> String {
    match over.as_secs() {
        seconds if seconds < 2 * 86_400 => span(Duration::from_secs(seconds.div_ceil(60) * 60)),
        seconds => many(seconds.div_ceil(86_400), "day"),
    }
}

#[cfg(test)]
mod tests;
