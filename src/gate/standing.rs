//! What a gate remembers of earlier readings, and how a reading is judged in the light of it.

use super::burn::Burning;
use super::compare::Comparison;
use super::metric::Sighted;
use super::quiet::Quiet;
use super::said::LastAsked;
use super::split::Split;
use super::{Check, CommandRule, Evidence, Gate, Reading, Verdict, WebhookRule, Window, alarm, tasks};
use crate::domain::clock::Timestamp;

/// Where one gate stands. Most judge every reading by itself and remember nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing is remembered.
    Plain,
    /// A comparison in progress.
    Compare(Box<Comparison>),
    /// A split check in progress.
    Split(Box<Split>),
    /// What the whole service burned before the candidate had traffic.
    Burn(Burning),
    /// What the last look saw of a metric.
    Metric(Sighted),
    /// Since when an alarm's data cover the present step.
    Alarm(Quiet),
    /// When somebody else was last asked.
    Said(LastAsked),
}

impl Standing {
    /// Where `gate` stands before its first reading.
    pub fn new(gate: &Gate) -> Self {
        match &gate.check {
            Check::Compare(_) => Self::Compare(Box::default()),
            Check::Split(_) => Self::Split(Box::default()),
            Check::Burn(_) => Self::Burn(Burning::default()),
            Check::Alarm(_) => Self::Alarm(Quiet::default()),
            Check::Metric(_) => Self::Metric(Sighted::default()),
            Check::Webhook(_) | Check::Command(_) => Self::Said(LastAsked::default()),
            _ => Self::Plain,
        }
    }

    /// Judges `reading` as the answer to `gate`, whose standing this is. A reading of another kind than
    /// the gate's is inconclusive, and so is one that the world refused.
    pub fn judge(&mut self, gate: &Gate, reading: &Reading, window: Window<'_>) -> Verdict {
        match (&gate.check, reading, self) {
            (Check::Compare(rule), Reading::Counts(bins), Self::Compare(comparison)) => {
                comparison.take(rule, bins, window)
            }
            (Check::Split(rule), Reading::Counts(bins), Self::Split(split)) => split.take(rule, bins, window),
            (Check::Alarm(rule), Reading::Alarm(reading), Self::Alarm(quiet)) => {
                alarm::judge(rule, reading, window, quiet)
            }
            (Check::Metric(rule), Reading::Metric(reading), Self::Metric(sighted)) => {
                sighted.take(rule, reading, window)
            }
            (Check::Tasks(rule), Reading::Tasks(reading), _) => tasks::judge(rule, reading, window),
            (Check::Burn(rule), Reading::Burn(reading), Self::Burn(burning)) => burning.take(rule, reading, window),
            (_, Reading::Said(reading), Self::Said(asked)) => asked.take(reading, window),
            (_, Reading::Unreadable(fault), _) => Verdict::inconclusive(fault.clone()),
            _ => Verdict::inconclusive(Evidence::Misfit),
        }
    }

    /// Whether `gate`, whose standing this is, has a part in a look at `now`; `step` is when the present step
    /// took hold. Only gates that somebody else answers are asked less often than the world is looked at.
    pub fn is_due(&self, gate: &Gate, step: Timestamp, now: Timestamp) -> bool {
        match (self, &gate.check) {
            (
                Self::Said(asked),
                Check::Webhook(WebhookRule { every, .. }) | Check::Command(CommandRule { every, .. }),
            ) => asked.is_due(*every, step, now),
            _ => true,
        }
    }
}
