//! The port over a live account: each call goes to what all drivers share, or to the driver that fills the slots and moves
//! the weights.

use super::alb::AlbDriver;
use super::aws::ssm;
use super::drivers::drive::Drive;
use super::{Arming, Cloud, RouteOrder, Routed};
use crate::domain::clock::Timestamp;
use crate::domain::driver::Deployment;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Counted, Fleet, Role, RuleSeen, Served};
use crate::domain::safeguard::{Beacon, DeadMan, Scaling, TakenBack};
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{Gate, ProbeReading, ProbeRule, Reading};

impl Cloud for AlbDriver {
    async fn register(&self, digest: &str) -> Result<String, Fault> {
        let _turn = self.way.turn();
        self.find_or_register(digest).await
    }

    async fn scale(&self, role: Role, count: u32, task_definition: Option<&str>) -> Result<(), Fault> {
        let _turn = self.way.turn();
        match &self.drive {
            Drive::Pair => self.write_scale(role, count, task_definition).await,
            Drive::TaskSets => self.write_sets(role, count, task_definition).await,
            Drive::Ecs(ecs) => self.scale_by_ecs(ecs, role, count, task_definition).await,
            Drive::CodeDeploy(begun) => self.scale_by_codedeploy(begun, (role, count), task_definition).await,
        }
    }

    async fn route(&self, order: RouteOrder) -> Result<Routed, Fault> {
        let _turn = self.way.turn();
        match (&self.drive, order.expected) {
            (Drive::Pair | Drive::TaskSets, Some(expected)) => self.write_forward(order, expected).await,
            (Drive::Pair | Drive::TaskSets, None) => self.write_back(order).await,
            (Drive::Ecs(ecs), Some(_)) => self.go_on_by_ecs(ecs, order).await,
            (Drive::Ecs(ecs), None) => self.go_back_by_ecs(ecs, order).await,
            (Drive::CodeDeploy(begun), _) => self.route_by_codedeploy(begun, order).await,
        }
    }

    async fn deployment(&self) -> Result<Option<Deployment>, Fault> {
        match &self.drive {
            Drive::Pair | Drive::TaskSets => Ok(None),
            Drive::Ecs(ecs) => self.deployment_of_ecs(ecs).await,
            Drive::CodeDeploy(begun) => self.look_at_codedeploy(begun).await,
        }
    }

    async fn calendars(&self, names: &[String]) -> Result<CalendarSeen, Fault> {
        ssm::calendars(&self.aws, names).await
    }

    async fn conclude(&self) -> Result<(), Fault> {
        match &self.drive {
            Drive::Pair | Drive::TaskSets => Ok(()),
            Drive::Ecs(ecs) => self.conclude_by_ecs(ecs).await,
            Drive::CodeDeploy(begun) => self.end_by_codedeploy(begun).await,
        }
    }

    async fn mark(&self, beacon: Beacon) -> Result<(), Fault> {
        if let (Drive::Ecs(ecs), Beacon::Absent) = (&self.drive, beacon) {
            self.restore_configuration(ecs).await?;
        }
        self.write_beacon(beacon).await
    }

    async fn taken_back(&self) -> Option<TakenBack> {
        self.who_went_back().await
    }

    async fn set_scaling(&self, targets: &[(Role, Scaling)]) -> Result<(), Fault> {
        self.write_scaling(targets).await
    }

    async fn arm(&self, switch: &DeadMan, at: Timestamp, create: bool) -> Result<Arming, Fault> {
        self.write_switch(switch, at, create).await
    }

    async fn disarm(&self, switch: &DeadMan) -> Result<(), Fault> {
        self.remove_switch(switch).await
    }

    async fn rule(&self) -> Result<RuleSeen, Fault> {
        self.look_at_rule().await
    }

    async fn rule_at_once(&self) -> Result<RuleSeen, Fault> {
        match self.read_at_once().await {
            Err(fault) if fault.kind == FaultKind::Missing => self.in_its_place(&self.aws.reading.elb, fault).await,
            read => read.map(|actions| self.seen(&actions)),
        }
    }

    async fn healthy_at_once(&self, role: Role) -> Result<u32, Fault> {
        self.count_at_once(role).await
    }

    fn make_way(&self) {
        self.way.make();
    }

    async fn fleet(&self) -> Result<Fleet, Fault> {
        match &self.drive {
            Drive::Pair => self.look_at_fleet().await,
            Drive::Ecs(ecs) => self.look_at_fleet_of_ecs(ecs).await,
            Drive::TaskSets | Drive::CodeDeploy(_) => self.look_at_sets().await,
        }
    }

    async fn readings(&self, gates: &[&Gate], since: Timestamp) -> Vec<Reading> {
        self.read_gates(gates, since).await
    }

    async fn said(&self, gates: &[(usize, &Gate)], since: Timestamp) -> Vec<(usize, Reading)> {
        self.outside.said(gates, since).await
    }

    async fn requests(&self, role: Role, periods: u32, now: Timestamp) -> Result<Counted, Fault> {
        self.count_requests(role, periods, now).await
    }

    async fn entrances(&self, role: Role) -> Result<Vec<String>, Fault> {
        self.look_for_entrances(role).await
    }

    async fn observed(&self, now: Timestamp) -> Result<Option<Share>, Fault> {
        self.observe_share(now).await
    }

    async fn served(&self, role: Role, from: (Timestamp, Option<Timestamp>), now: Timestamp) -> Result<Served, Fault> {
        self.count_served(role, from, now).await
    }

    async fn probe(&self, rule: &ProbeRule, now: Timestamp) -> ProbeReading {
        let started = self.clock.now();
        let answer = self.prober.probe(rule).await;
        let at = now + self.clock.now().since(started);
        match answer {
            Ok(text) => ProbeReading { at, right: true, text },
            Err(text) => ProbeReading { at, right: false, text },
        }
    }
}
