//! Deployment configurations: how production traffic is shifted, and when.

use serde_json::{Value, json};

/// The prefix of the names of the configurations that CodeDeploy brings.
pub(crate) const PREDEFINED_PREFIX: &str = "CodeDeployDefault.";
/// The configuration of a rollback, and where none is named.
pub(crate) const ALL_AT_ONCE: &str = "CodeDeployDefault.ECSAllAtOnce";
/// Those for the ECS compute platform (CodeDeploy user guide, "Deployment configurations on an Amazon ECS compute
/// platform").
const PREDEFINED: [(&str, Routing); 5] = [
    (ALL_AT_ONCE, Routing::AllAtOnce),
    ("CodeDeployDefault.ECSCanary10Percent15Minutes", Routing::Canary { percent: 10, minutes: 15 }),
    ("CodeDeployDefault.ECSCanary10Percent5Minutes", Routing::Canary { percent: 10, minutes: 5 }),
    ("CodeDeployDefault.ECSLinear10PercentEvery1Minutes", Routing::Linear { percent: 10, minutes: 1 }),
    ("CodeDeployDefault.ECSLinear10PercentEvery3Minutes", Routing::Linear { percent: 10, minutes: 3 }),
];
/// Milliseconds in a minute.
pub(crate) const MINUTE_MS: u64 = 60_000;

/// A deployment configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How traffic is shifted.
    pub routing: Routing,
    /// When it was created.
    pub created_at: u64,
}

/// How traffic is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routing {
    /// All of it.
    AllAtOnce,
    /// A part, and after a while the rest.
    Canary {
        /// The part.
        percent: u32,
        /// The while.
        minutes: u64,
    },
    /// A part every so often until it is all.
    Linear {
        /// The part.
        percent: u32,
        /// How often.
        minutes: u64,
    },
}

impl Routing {
    /// The percentage of traffic that the replacement has, so many milliseconds after the first shift.
    pub(crate) fn percent_after(self, elapsed: u64) -> u32 {
        match self {
            Routing::Canary { percent, minutes } if elapsed < minutes * MINUTE_MS => percent,
            Routing::AllAtOnce | Routing::Canary { .. } => 100,
            Routing::Linear { percent, minutes } => {
                let shifts = elapsed / (minutes * MINUTE_MS).max(1) + 1;
                u64::from(percent).saturating_mul(shifts).min(100) as u32
            }
        }
    }

    /// Minutes between the first shift and the last.
    pub(crate) fn minutes(self) -> u64 {
        match self {
            Routing::AllAtOnce => 0,
            Routing::Canary { minutes, .. } => minutes,
            Routing::Linear { percent, minutes } => minutes * u64::from(100_u32.div_ceil(percent.max(1)) - 1),
        }
    }

    /// As `trafficRoutingConfig` tells it.
    pub(crate) fn show(self) -> Value {
        match self {
            Routing::AllAtOnce => json!({"type": "AllAtOnce"}),
            Routing::Canary { percent, minutes } => json!({"type": "TimeBasedCanary",
                "timeBasedCanary": {"canaryPercentage": percent, "canaryInterval": minutes}}),
            Routing::Linear { percent, minutes } => json!({"type": "TimeBasedLinear",
                "timeBasedLinear": {"linearPercentage": percent, "linearInterval": minutes}}),
        }
    }
}

/// The configurations that CodeDeploy brings for ECS.
pub(crate) fn predefined() -> Vec<Config> {
    let config = |(name, routing): (&str, Routing)| Config {
        id: crate::names::uuid(name),
        name: name.to_owned(),
        routing,
        created_at: 0,
    };
    PREDEFINED.into_iter().map(config).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_come_at_the_start_and_after_each_interval() {
        let linear = Routing::Linear { percent: 30, minutes: 2 };
        let at = |minutes: u64| linear.percent_after(minutes * MINUTE_MS);
        assert_eq!([at(0), at(1), at(2), at(4), at(6), at(60)], [30, 30, 60, 90, 100, 100]);
        assert_eq!(linear.minutes(), 6);
        let canary = Routing::Canary { percent: 10, minutes: 5 };
        let at = |seconds: u64| canary.percent_after(seconds * 1_000);
        assert_eq!([at(0), at(299), at(300)], [10, 10, 100]);
        assert_eq!((canary.minutes(), Routing::AllAtOnce.percent_after(0)), (5, 100));
    }
}
