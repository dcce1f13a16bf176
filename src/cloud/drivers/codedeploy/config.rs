//! Timetables as deployment configurations: CodeDeploy's own where it has one, else one named by its content.

use aws_sdk_codedeploy::types::{TimeBasedCanary, TimeBasedLinear, TrafficRoutingConfig, TrafficRoutingType};

use crate::domain::driver::Timetable;
use crate::domain::traffic::Share;

/// The configuration that CodeDeploy brings for a timetable (user guide, "Deployment configurations on an Amazon ECS
/// compute platform").
pub(super) fn predefined(timetable: Timetable) -> Option<&'static str> {
    Some(match parts(timetable) {
        Parts::AllAtOnce => "CodeDeployDefault.ECSAllAtOnce",
        Parts::Canary(10, 5) => "CodeDeployDefault.ECSCanary10Percent5Minutes",
        Parts::Canary(10, 15) => "CodeDeployDefault.ECSCanary10Percent15Minutes",
        Parts::Linear(10, 1) => "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
        Parts::Linear(10, 3) => "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
        Parts::Canary(..) | Parts::Linear(..) => return None,
    })
}

/// What a configuration of our own is called: `tidegate-ecs-linear-25-5m`.
pub(super) fn name(timetable: Timetable) -> String {
    match parts(timetable) {
        Parts::AllAtOnce => "tidegate-ecs-all-at-once".to_owned(),
        Parts::Canary(percent, minutes) => format!("tidegate-ecs-canary-{percent}-{minutes}m"),
        Parts::Linear(percent, minutes) => format!("tidegate-ecs-linear-{percent}-{minutes}m"),
    }
}

/// The same as CreateDeploymentConfig takes it.
pub(super) fn routing(timetable: Timetable) -> TrafficRoutingConfig {
    let config = TrafficRoutingConfig::builder();
    match parts(timetable) {
        Parts::AllAtOnce => config.r#type(TrafficRoutingType::AllAtOnce),
        Parts::Canary(percent, minutes) => config
            .r#type(TrafficRoutingType::TimeBasedCanary)
            .time_based_canary(TimeBasedCanary::builder().canary_percentage(percent).canary_interval(minutes).build()),
        Parts::Linear(percent, minutes) => config
            .r#type(TrafficRoutingType::TimeBasedLinear)
            .time_based_linear(TimeBasedLinear::builder().linear_percentage(percent).linear_interval(minutes).build()),
    }
    .build()
}

/// A timetable in whole percents and whole minutes, of which there is one at least.
enum Parts {
    AllAtOnce,
    Canary(i32, i32),
    Linear(i32, i32),
}

fn parts(timetable: Timetable) -> Parts {
    let percent = |share: Share| i32::from(share.permille() / 10).max(1);
    let minutes = |span: std::time::Duration| i32::try_from(span.as_secs().div_ceil(60)).unwrap_or(i32::MAX).max(1);
    match timetable {
        Timetable::AllAtOnce => Parts::AllAtOnce,
        Timetable::Canary { first, every } => Parts::Canary(percent(first), minutes(every)),
        Timetable::Linear { step, every } => Parts::Linear(percent(step), minutes(every)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timetable_is_one_that_codedeploy_brings_or_is_named_by_its_content() {
        let share = |percent: u16| Share::from_permille(percent * 10).unwrap();
        let every = |minutes: u64| Duration::from_secs(minutes * 60);
        let linear = |percent, minutes| Timetable::Linear { step: share(percent), every: every(minutes) };
        let canary = |percent, minutes| Timetable::Canary { first: share(percent), every: every(minutes) };
        assert_eq!(predefined(linear(10, 3)), Some("CodeDeployDefault.ECSLinear10PercentEvery3Minutes"));
        assert_eq!(predefined(canary(10, 15)), Some("CodeDeployDefault.ECSCanary10Percent15Minutes"));
        assert_eq!(predefined(linear(10, 2)), None);
        assert_eq!(name(linear(25, 5)), "tidegate-ecs-linear-25-5m");
        assert_eq!(name(canary(1, 30)), "tidegate-ecs-canary-1-30m");
        let made = routing(linear(25, 5));
        let made = made.time_based_linear().unwrap();
        assert_eq!((made.linear_percentage, made.linear_interval), (25, 5));
    }
}
