//! Health checks: which target is due, what one answer changes, which targets are gone.

use std::net::SocketAddr;
use std::time::Duration;

use crate::account::{Account, HealthCheck, Target, TargetState};
use crate::clock::LabClock;
use crate::plain::Connection;

/// A check to make.
pub(crate) struct Probe {
    /// The target group's ARN.
    pub group: String,
    /// The target's address.
    pub id: String,
    /// The target's port.
    pub port: u16,
    /// Where it really listens.
    address: Option<SocketAddr>,
    check: HealthCheck,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The answer passed.
    Well,
    /// The answer had a status code that does not pass.
    Mismatch,
    /// There was no answer in time.
    Silent,
}

/// However fast the lab runs, this machine gets so long to answer.
const TIMEOUT_AT_LEAST: Duration = Duration::from_secs(2);

/// Moves targets on as time goes by, and gives the checks that are due.
pub(crate) fn due(account: &mut Account, now: u64) -> Vec<Probe> {
    let mut probes = Vec::new();
    let in_use: Vec<bool> = account.groups.iter().map(|group| account.is_in_use(&group.arn)).collect();
    let tasks = &account.tasks;
    for (group, in_use) in account.groups.iter_mut().zip(in_use) {
        group.targets.retain(|target| target.drains_until.is_none_or(|until| now < until));
        for target in &mut group.targets {
            settle(target, in_use, now);
            let is_due = matches!(target.state, TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy);
            if !is_due || target.is_being_checked || now < target.next_check_at {
                continue;
            }
            target.is_being_checked = true;
            target.next_check_at = now + group.check.interval_seconds * 1_000;
            let task = tasks.values().find(|task| task.address == target.id);
            let port = group.check.port.parse().unwrap_or(target.port);
            let address = match task {
                Some(task) => task.loopback,
                None => loopback(&target.id, port),
            };
            probes.push(Probe {
                group: group.arn.clone(),
                id: target.id.clone(),
                port: target.port,
                address,
                check: group.check.clone(),
            });
        }
    }
    probes
}

/// Targets that are no task of ours are reached only on loopback.
pub(crate) fn loopback(id: &str, port: u16) -> Option<SocketAddr> {
    let address: std::net::IpAddr = id.parse().ok()?;
    address.is_loopback().then_some(SocketAddr::new(address, port))
}

fn settle(target: &mut Target, in_use: bool, now: u64) {
    match (in_use, target.state) {
        (_, TargetState::Draining) | (true, _) if target.state != TargetState::Unused => {}
        (true, _) => {
            target.state = TargetState::Initial;
            target.reason = "Elb.RegistrationInProgress";
            (target.passes, target.failures, target.next_check_at) = (0, 0, now);
        }
        (false, _) => {
            target.state = TargetState::Unused;
            target.reason = "Target.NotInUse";
        }
    }
}

/// Asks the target.
pub(crate) async fn perform(probe: &Probe, clock: &LabClock) -> Finding {
    let Some(address) = probe.address else { return Finding::Silent };
    let ask = async {
        let mut connection = Connection::open(address).await.ok()?;
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {}:{}\r\nuser-agent: ELB-HealthChecker/2.0\r\n\
             connection: close\r\n\r\n",
            probe.check.path, probe.id, probe.port
        );
        connection.ask(request.as_bytes()).await.ok().map(|answer| answer.status)
    };
    let within = Duration::from_secs(probe.check.timeout_seconds);
    match clock.within(within, TIMEOUT_AT_LEAST, ask).await.flatten() {
        Some(status) if probe.check.passes(status) => Finding::Well,
        Some(_) => Finding::Mismatch,
        None => Finding::Silent,
    }
}

/// Writes down what a check found.
pub(crate) fn note(account: &mut Account, probe: &Probe, finding: Finding) {
    let Some(group) = account.group_mut(&probe.group) else { return };
    let check = group.check.clone();
    if let Some(target) = group.target_mut(&probe.id, probe.port) {
        target.is_being_checked = false;
        judge(target, &check, finding);
    }
}

/// | state | finding | becomes |
/// |---|---|---|
/// | initial, unhealthy | well, threshold reached | healthy |
/// | initial, healthy | not well, threshold reached | unhealthy |
/// | unused, draining | any | unchanged |
fn judge(target: &mut Target, check: &HealthCheck, finding: Finding) {
    if matches!(target.state, TargetState::Unused | TargetState::Draining) {
        return;
    }
    if finding == Finding::Well {
        (target.passes, target.failures) = (target.passes + 1, 0);
    } else {
        (target.passes, target.failures) = (0, target.failures + 1);
    }
    if target.state != TargetState::Healthy && target.passes >= check.healthy_threshold {
        target.state = TargetState::Healthy;
        target.reason = "";
        // The check that made it so began an interval before the next one.
        target.well_since = Some(target.next_check_at.saturating_sub(check.interval_seconds * 1_000));
    } else if target.failures >= check.unhealthy_threshold {
        target.state = TargetState::Unhealthy;
        target.reason = match finding {
            Finding::Mismatch => "Target.ResponseCodeMismatch",
            _ => "Target.Timeout",
        };
    } else if target.state == TargetState::Initial {
        target.reason = "Elb.InitialHealthChecking";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(findings: &[Finding], expected: TargetState) {
        let settings = HealthCheck {
            path: "/".into(),
            port: "traffic-port".into(),
            interval_seconds: 10,
            timeout_seconds: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: "200,300-399".into(),
            protocol: "HTTP".into(),
            is_grpc: false,
        };
        assert!(settings.passes(200) && settings.passes(302) && !settings.passes(503));
        let mut target = Target {
            id: "10.0.0.4".into(),
            port: 80,
            state: TargetState::Initial,
            reason: "",
            passes: 0,
            failures: 0,
            next_check_at: 0,
            well_since: None,
            is_being_checked: false,
            drains_until: None,
        };
        for finding in findings {
            judge(&mut target, &settings, *finding);
        }
        assert_eq!(target.state, expected, "{findings:?}");
    }

    #[test]
    fn thresholds_are_counted_in_a_row() {
        use Finding::{Mismatch, Silent, Well};
        check(&[Well], TargetState::Initial);
        check(&[Well, Well], TargetState::Healthy);
        check(&[Well, Mismatch, Well], TargetState::Initial);
        check(&[Well, Well, Silent], TargetState::Healthy);
        check(&[Well, Well, Silent, Silent], TargetState::Unhealthy);
        check(&[Mismatch, Mismatch, Well, Well], TargetState::Healthy);
    }
}
