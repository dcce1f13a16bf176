//! The one loop that moves a lab through lab time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::account::{Account, TargetState};
use super::api;
use super::autoscaling;
use super::balancer::health;
use super::codedeploy;
use super::lock::lock;
use super::metrics::alarm;
use super::scheduler;
use super::timetable;
use super::world::World;

/// The loop turns this often in lab time, but neither faster nor slower than this on the wall clock.
const TURN: Duration = Duration::from_millis(500);
const TURN_WITHIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// Alarms are evaluated this often.
const ALARMS_EVERY_MS: u64 = 10_000;
/// Scaling policies are looked at this often.
const SCALING_EVERY_MS: u64 = 60_000;

impl World {
    /// Brings the seeded tasks up, lets their targets be healthy, and sets everything in motion.
    pub(crate) fn begin(self: &Arc<World>) {
        let now = self.config.clock.now_ms();
        {
            let mut account = lock(&self.account);
            scheduler::tick(&mut account, now, &mut *lock(&self.containers));
            for target in account.groups.iter_mut().flat_map(|group| &mut group.targets) {
                target.state = TargetState::Healthy;
                target.reason = "";
                target.passes = 1;
            }
            self.balancer.learn(&account, now);
        }
        let world = Arc::clone(self);
        self.ending.spawn(async move {
            loop {
                world.turn();
                let pause = world.config.clock.wall(TURN).clamp(TURN_WITHIN.0, TURN_WITHIN.1);
                tokio::time::sleep(pause).await;
            }
        });
        let listener = lock(&self.account).listeners[0].arn.clone();
        if let Some(address) = self.balancer.address_of(&listener) {
            self.traffic.begin(address, &self.ending);
        }
    }

    fn turn(self: &Arc<World>) {
        let now = self.config.clock.now_ms();
        let (probes, attempts) = {
            let mut account = lock(&self.account);
            scheduler::tick(&mut account, now, &mut *lock(&self.containers));
            codedeploy::tick(&mut account, now);
            let probes = health::due(&mut account, now);
            self.balancer.learn(&account, now);
            let (mut past, mut store) = (lock(&self.past), lock(&self.store));
            self.balancer.flush(&mut store);
            self.balancer.count_hosts(&account, &mut store, now);
            self.telemetry.turn(&mut store, now);
            if is_time(&self.alarms_at, now, ALARMS_EVERY_MS) {
                past.reach(&mut store, alarm::looked_at_from(&account.alarms, now));
                let Account { alarms, history, .. } = &mut *account;
                alarm::evaluate(alarms, history, &store, now);
            }
            if is_time(&self.scaling_at, now, SCALING_EVERY_MS) && !account.scaling_policies.is_empty() {
                past.reach(&mut store, (now / 1_000).saturating_sub(autoscaling::LOOKED_AT));
                autoscaling::tick(&mut account, &store, now);
            }
            self.remember(&account, now);
            let attempts = timetable::due(&mut account, now, || lock(&self.die).f64());
            (probes, attempts)
        };
        for attempt in attempts {
            let world = Arc::clone(self);
            self.ending.spawn(async move {
                let finding = api::attempt(&world, &attempt).await;
                let now = world.config.clock.now_ms();
                timetable::note(&mut lock(&world.account), &attempt, finding, now);
            });
        }
        for probe in probes {
            let world = Arc::clone(self);
            self.ending.spawn(async move {
                let finding = health::perform(&probe, &world.config.clock).await;
                health::note(&mut lock(&world.account), &probe, finding);
            });
        }
    }
}

/// Whether the moment has come for what happens every so often; then the next one is noted.
fn is_time(at: &Mutex<u64>, now: u64, every: u64) -> bool {
    let mut at = lock(at);
    let is_time = now >= *at;
    if is_time {
        *at = now + every;
    }
    is_time
}
