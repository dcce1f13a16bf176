//! What load balancing keeps: balancers, listeners, rules, target groups and their targets.

use std::collections::BTreeMap;

use serde_json::Value;

/// An application load balancer.
#[derive(Debug, Clone)]
pub(crate) struct LoadBalancer {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its DNS name.
    pub dns: String,
    /// `internet-facing` or `internal`.
    pub scheme: String,
    /// When it was created.
    pub created_at: u64,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// A listener.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its load balancer.
    pub load_balancer: String,
    /// Its port, as the API tells it.
    pub port: u16,
    /// `HTTP` or `HTTPS`; the data plane speaks plain HTTP for both.
    pub protocol: String,
    /// What one that is HTTPS has besides.
    pub security: Option<Security>,
}

/// What an HTTPS listener has, as the API tells it; the data plane has no use for it.
#[derive(Debug, Clone)]
pub(crate) struct Security {
    /// The policy.
    pub policy: String,
    /// The ARNs of the certificates.
    pub certificates: Vec<String>,
}

/// The policy that an HTTPS listener gets when none is given.
pub(crate) const TLS_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// A rule of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its listener.
    pub listener: String,
    /// Its priority; the default rule has none.
    pub priority: Option<u32>,
    /// Its conditions, as the API answers them.
    pub conditions: Vec<Value>,
    /// Its actions, as the API answers them.
    pub actions: Vec<Value>,
    /// Its transforms, as they were given.
    pub transforms: Vec<Value>,
}

impl Rule {
    /// The target groups its actions name.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.actions.iter().flat_map(groups_of)
    }

    /// Whether it divides clients between this group and others, and binds none of them to a group.
    pub(crate) fn divides_unbound(&self, group: &str) -> bool {
        self.actions.iter().any(|action| {
            let on = action.pointer("/ForwardConfig/TargetGroupStickinessConfig/Enabled");
            let groups: Vec<&str> = groups_of(action).collect();
            groups.len() > 1 && groups.contains(&group) && on != Some(&Value::Bool(true))
        })
    }
}

/// The target groups one action names.
pub(crate) fn groups_of(action: &Value) -> impl Iterator<Item = &str> {
    let groups = action.pointer("/ForwardConfig/TargetGroups").and_then(Value::as_array);
    groups.into_iter().flatten().filter_map(|group| group.get("TargetGroupArn").and_then(Value::as_str))
}

/// A target group.
#[derive(Debug, Clone)]
pub(crate) struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The port targets get when none is given.
    pub port: u16,
    /// What the balancer speaks with its targets, as the API tells it: the lab's targets speak plain HTTP/1.1.
    pub protocol: String,
    /// The version of it: `HTTP1`, `HTTP2` or `GRPC`.
    pub version: String,
    /// `ip` or `instance`.
    pub target_type: String,
    /// How targets are checked.
    pub check: HealthCheck,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its targets.
    pub targets: Vec<Target>,
}

/// The attribute that says how long a target drains.
pub(crate) const DEREGISTRATION_DELAY: &str = "deregistration_delay.timeout_seconds";
/// The attribute that says how long a new target gets less than its share.
pub(crate) const SLOW_START: &str = "slow_start.duration_seconds";
/// The attribute that says whether clients stay with a target of the group.
pub(crate) const STICKINESS: &str = "stickiness.enabled";

impl TargetGroup {
    /// How long a target drains.
    pub(crate) fn deregistration_delay_ms(&self) -> u64 {
        let seconds = self.attributes.get(DEREGISTRATION_DELAY);
        seconds.and_then(|text| text.parse::<f64>().ok()).map_or(300_000, |s| (s * 1e3) as u64)
    }

    /// How long a target that has become healthy gets less than its share.
    pub(crate) fn slow_start_ms(&self) -> u64 {
        let seconds = self.attributes.get(SLOW_START).and_then(|text| text.parse::<u64>().ok());
        seconds.unwrap_or(0) * 1_000
    }

    /// Whether clients stay with a target of the group.
    pub(crate) fn is_sticky(&self) -> bool {
        self.attributes.get(STICKINESS).is_some_and(|on| on == "true")
    }

    /// Finds a target to change.
    pub(crate) fn target_mut(&mut self, id: &str, port: u16) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.id == id && target.port == port)
    }

    /// Registers a target; a draining one comes back.
    pub(crate) fn register(&mut self, id: &str, port: u16, now: u64) {
        self.targets.retain(|target| !(target.id == id && target.port == port));
        self.targets.push(Target {
            id: id.to_owned(),
            port,
            state: TargetState::Initial,
            reason: "Elb.RegistrationInProgress",
            well_since: None,
            passes: 0,
            failures: 0,
            next_check_at: now,
            is_being_checked: false,
            drains_until: None,
        });
    }

    /// Lets a target drain.
    pub(crate) fn deregister(&mut self, id: &str, port: u16, now: u64) -> bool {
        let until = now + self.deregistration_delay_ms();
        let Some(target) = self.target_mut(id, port) else { return false };
        if target.drains_until.is_none() {
            target.state = TargetState::Draining;
            target.reason = "Target.DeregistrationInProgress";
            target.drains_until = Some(until);
        }
        true
    }
}

/// How targets are checked.
#[derive(Debug, Clone)]
pub(crate) struct HealthCheck {
    /// The path asked for.
    pub path: String,
    /// `traffic-port` or a number.
    pub port: String,
    /// Seconds between two checks.
    pub interval_seconds: u64,
    /// Seconds an answer may take.
    pub timeout_seconds: u64,
    /// Passes in a row that make a target healthy.
    pub healthy_threshold: u32,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
    /// Status codes that pass: `200`, `200,202` or `200-299`.
    pub matcher: String,
    /// The protocol, as the API tells it.
    pub protocol: String,
    /// Whether the codes are those of gRPC. The lab's targets speak HTTP, in which the right code is 200.
    pub is_grpc: bool,
}

impl HealthCheck {
    /// Whether a status code passes.
    pub(crate) fn passes(&self, status: u16) -> bool {
        if self.is_grpc {
            return status == 200;
        }
        self.matcher.split(',').any(|part| match part.trim().split_once('-') {
            Some((from, to)) => {
                let bounds = (from.parse::<u16>(), to.parse::<u16>());
                matches!(bounds, (Ok(from), Ok(to)) if (from..=to).contains(&status))
            }
            None => part.trim().parse() == Ok(status),
        })
    }
}

/// A target of a group.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its address.
    pub id: String,
    /// Its port.
    pub port: u16,
    /// Its health.
    pub state: TargetState,
    /// The code in answers; empty when healthy.
    pub reason: &'static str,
    /// When it became healthy, if the lab saw it.
    pub well_since: Option<u64>,
    /// Passed checks in a row.
    pub passes: u32,
    /// Failed checks in a row.
    pub failures: u32,
    /// When it is checked next.
    pub next_check_at: u64,
    /// Whether a check is under way.
    pub is_being_checked: bool,
    /// When it is gone, once deregistered.
    pub drains_until: Option<u64>,
}

/// The health of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetState {
    /// Registered, and not checked often enough yet.
    Initial,
    /// Gets requests.
    Healthy,
    /// Failed its checks.
    Unhealthy,
    /// No rule names its group.
    Unused,
    /// Deregistered; finishes what it has.
    Draining,
}

impl TargetState {
    /// The word in answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            TargetState::Initial => "initial",
            TargetState::Healthy => "healthy",
            TargetState::Unhealthy => "unhealthy",
            TargetState::Unused => "unused",
            TargetState::Draining => "draining",
        }
    }
}
