//! The harm-budget ramp: the weight that keeps the worst case of the next blind stretch below what a
//! person said is acceptable.

use std::time::Duration;

use super::tally::share_at;
use super::{CompareRule, Comparison};
use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;

/// The chance with which a bound that a weight rests on may be wrong.
const BETA: f64 = 0.3;
/// What an answer that is too slow counts for when a failure counts for 1.
const SLOW: f64 = 0.5;
/// How many times the share may grow while a bin is counted.
const STRIDE: f64 = 24.0;

/// How a ramp chooses weights.
#[derive(Clone, Debug, PartialEq)]
pub struct RampRule {
    /// How many harmed requests are acceptable.
    pub budget: f64,
    /// The least share it gives.
    pub floor: Share,
    /// The most it gives before the margins are proven.
    pub ceiling: Share,
    /// How long harm stays unseen: a bin, its delay, and the write that ends it.
    pub blind: Duration,
}

impl Comparison {
    /// The share the candidate should have next; never less than it has, but for one.
    ///
    /// With R requests a second over both slots, a blind stretch T, and the candidate harming at most the
    /// part U of its requests, the share w harms at most `w R T U` requests before anyone can know: w is the
    /// one that makes this the budget. U is 1 before there is data. The share does not grow while response
    /// times do not count yet, while the capital is 1.5 or more, on data that cannot be, and at most 24-fold
    /// while a bin is counted. Answers that are too slow count for half a failure each.
    pub fn next_share(
        &self,
        rule: &CompareRule,
        ramp: &RampRule,
        course: &[(Timestamp, Share)],
        now: Timestamp,
    ) -> Share {
        let has = course.last().map_or(Share::NONE, |(_, share)| *share);
        let exposed = course.iter().find(|(_, share)| *share > Share::NONE).map(|(at, _)| *at);
        let cold = exposed.is_some_and(|at| now < at + rule.warm_up);
        if has > Share::NONE && self.is_slow_while_cold() {
            return self.waiting_share(rule, ramp).min(has);
        }
        if has > Share::NONE && (cold || self.is_doubtful()) {
            return has.max(ramp.floor);
        }
        let unseen = self.rate(rule) * ramp.blind.as_secs_f64();
        let bounds = self.bounds_at(rule, BETA);
        let worst = bounds.errors.unwrap_or(0.0).max(SLOW * bounds.slow.unwrap_or(0.0));
        let worst = if has == Share::NONE { 1.0 } else { worst };
        let before = share_at(course, now.before(rule.feed.span()));
        let stride = if before == Share::NONE { has } else { before };
        let limit = if has == Share::NONE { 1.0 } else { STRIDE * stride.percent() / 100.0 };
        // Without a rate nothing is known; a candidate that harms nobody may have everything.
        let affordable = if unseen > 0.0 { ramp.budget / (unseen * worst) } else { 0.0 };
        permille(affordable.min(limit)).clamp(ramp.floor, ramp.ceiling.max(ramp.floor)).max(has)
    }
}

impl Comparison {
    /// What may be given for as long as a warm-up lasts, whatever the candidate is like.
    fn waiting_share(&self, rule: &CompareRule, ramp: &RampRule) -> Share {
        let unseen = self.rate(rule) * ramp.blind.as_secs_f64().max(super::warming::MOST);
        let affordable = if unseen > 0.0 { ramp.budget / unseen } else { 0.0 };
        permille(affordable.min(1.0)).clamp(ramp.floor, ramp.ceiling.max(ramp.floor))
    }
}

/// The share that a part is, rounded down.
fn permille(part: f64) -> Share {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to 0 to 1000")]
    let permille = (part * 1000.0 + 1e-9).clamp(0.0, 1000.0) as u16;
    Share::from_permille(permille).unwrap_or(Share::NONE)
}
