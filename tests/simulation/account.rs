//! What a process reaches the world by: the shipped port, over the simulated account. What AWS dates is told to each in
//! its own time, as if the driver knew how far its clock is off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate::cloud::{Arming, Cloud, Fence, NotSent, RouteOrder, Routed};
use tidegate::domain::clock::{Clock, Timestamp};
use tidegate::domain::driver::Deployment;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::domain::fleet::{Counted, Fleet, Role, RuleSeen, Served};
use tidegate::domain::safeguard::{Beacon, DeadMan, Scaling};
use tidegate::domain::traffic::Share;
use tidegate::gate::{AlarmData, AlarmReading, Gate, ProbeReading, ProbeRule, Reading, Watched};
use tidegate::lease::{LEASE, SEND_WITHIN, WRITE_WINDOW};
use tidegate::machine::{Answer, Effect, FIRST_READ_WITHIN, Issued, Route, Stickiness};

use super::invariants::is_forward;
use super::points::Point;
use super::scene::{Scene, Sim};

/// How long is read before a write is sent, at most.
const PREPARED_WITHIN: Duration = Duration::from_secs(2);
/// How long one effect may take, as in `engine/perform.rs`: it is given up then.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// A driver.
pub struct Account {
    pub scene: Arc<Scene>,
    pub who: usize,
    /// Its rollout's clock.
    pub clock: Clock,
    pub fence: Fence,
    pub has_lease: bool,
    /// The way back waits for the write in flight.
    pub way: AtomicBool,
}

/// A write in flight, which nobody may drop.
struct InFlight<'a> {
    account: &'a Account,
    began: Timestamp,
    effect: Effect,
    landed: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let (scene, who) = (&self.account.scene, self.account.who);
        // What was asked of this write is asked of no other.
        self.account.way.store(false, Ordering::SeqCst);
        if self.landed || std::thread::panicking() {
            return;
        }
        let mut sim = scene.sim();
        sim.processes[who].unsent = None;
        let given_up = sim.now().since(self.began) >= GIVEN_UP;
        if sim.processes[who].is_driving() && !given_up {
            drop(sim);
            scene.breaks(format!("a write in flight was dropped: {:?}", self.effect));
        }
    }
}

/// A first read of the way back, which is let go when it takes too long.
struct FirstRead<'a> {
    account: &'a Account,
    asked: Timestamp,
}

impl Drop for FirstRead<'_> {
    fn drop(&mut self) {
        let took = self.account.clock.now().since(self.asked);
        if took >= FIRST_READ_WITHIN && !std::thread::panicking() {
            self.account.scene.sim().hits.hit(Point::FirstReadTooSlow);
        }
    }
}

impl Account {
    async fn sleeps(&self, span: Duration) {
        if !span.is_zero() {
            self.clock.sleep_until(self.clock.now() + span).await;
        }
    }

    /// A moment of the process's as the world dates it.
    fn to_world(&self, at: Timestamp, now: Timestamp) -> Timestamp {
        Timestamp::from_millis((at.as_millis() + now.as_millis()).saturating_sub(self.clock.now().as_millis()))
    }

    /// A moment of the world's as the process dates it.
    fn to_mine(&self, at: Timestamp, now: Timestamp) -> Timestamp {
        Timestamp::from_millis((at.as_millis() + self.clock.now().as_millis()).saturating_sub(now.as_millis()))
    }

    /// Reads something.
    async fn read<T>(&self, see: impl FnOnce(&mut Sim) -> T) -> Result<T, Fault> {
        let (latency, seen) = {
            let mut sim = self.scene.sim();
            let sim = &mut *sim;
            let latency = sim.die.span(Duration::ZERO, sim.world.mishaps.latency);
            (latency, sim.reads(see))
        };
        self.sleeps(latency).await;
        seen
    }

    /// Decides a write, asks the fence right before it is sent, and waits for its answer.
    async fn write(&self, effect: Effect) -> Answer {
        let forward = is_forward(&effect);
        let (decided, prepared) = self.decides(&effect, forward);
        let mut in_flight = InFlight { account: self, began: decided.0, effect: effect.clone(), landed: false };
        self.sleeps(prepared).await;
        let (latency, answer) = self.sends(&effect, forward, decided.1);
        self.sleeps(latency).await;
        in_flight.landed = true;
        answer
    }

    /// What is decided now. When that was, by the world's clock and by this one, and how long until it is sent.
    fn decides(&self, effect: &Effect, forward: bool) -> ((Timestamp, Timestamp), Duration) {
        match effect {
            Effect::Route(route) => self.fence.decide_by(forward, route.by, self.clock.now()),
            _ => self.fence.decide(forward),
        }
        let mut sim = self.scene.sim();
        let sim = &mut *sim;
        let asked = sim.is_asked(self.who, effect, (forward, self.way.load(Ordering::SeqCst)));
        let own = self.clock.now();
        let decided = asked.filter(|_| forward).map_or(own, |issued| issued.at.min(own));
        let process = &mut sim.processes[self.who];
        process.wrote_first |= process.seat.is_none() && matches!(effect, Effect::Route(_));
        process.unsent = Some((effect.clone(), self.fence.clone()));
        let drives = process.is_driving();
        if sim.healed.is_none() && drives && sim.die.chance(sim.options.freeze_sending) {
            sim.hits.hit(Point::FrozenBeforeSending);
            sim.freeze(self.who, 0);
        }
        ((sim.now(), decided), sim.die.span(Duration::ZERO, PREPARED_WITHIN))
    }

    fn sends(&self, effect: &Effect, forward: bool, decided: Timestamp) -> (Duration, Answer) {
        let mut sim = self.scene.sim();
        let sim = &mut *sim;
        let who = self.who;
        sim.processes[who].unsent = None;
        let failed = |words: String| Answer::Failed(Fault::new(FaultKind::Transient, "write", words));
        if forward && self.way.load(Ordering::SeqCst) {
            sim.hits.hit(Point::MadeWay);
            return (Duration::ZERO, failed("not sent, because it goes back".into()));
        }
        if let Err(why) = self.fence.check() {
            sim.hits.hit(match why {
                NotSent::Late | NotSent::Old => Point::NotSentLate,
                NotSent::Unrenewed => Point::NotSentUnrenewed,
                NotSent::Unsure => Point::NotSentUnsure,
                NotSent::Fenced => Point::NotSentFenced,
            });
            sim.note(|| format!("{who}: {why}: {effect:?}"));
            return (Duration::ZERO, failed(why.to_string()));
        }
        let own = self.clock.now();
        let process = &sim.processes[who];
        if !forward && self.has_lease && process.clock.now() > process.renewed + LEASE {
            sim.hits.hit(Point::SentWithoutStore);
        }
        sim.world.late_for = if process.seat.is_some() {
            WRITE_WINDOW.saturating_sub(own.since(decided)).saturating_sub(Duration::from_millis(1))
        } else {
            SEND_WITHIN
        };
        let mut dated = effect.clone();
        if let Effect::Arm { at, .. } = &mut dated {
            *at = self.to_world(*at, sim.world.now);
        }
        let (latency, answer) = sim.writes(who, &dated, (own, self.has_lease));
        self.scene.stirred.notify_one();
        (latency, answer)
    }

    /// An answer that may only be this, or a fault.
    async fn asks(&self, effect: Effect) -> Result<Answer, Fault> {
        match self.write(effect).await {
            Answer::Failed(fault) => Err(fault),
            answer => Ok(answer),
        }
    }
}

impl Sim {
    /// What a read shows, unless it fails.
    pub fn reads<T>(&mut self, see: impl FnOnce(&mut Self) -> T) -> Result<T, Fault> {
        if self.world.is_expired() {
            self.hits.hit(Point::CredentialsExpired);
            return Err(Fault::new(FaultKind::Expired, "call", "the security token has expired"));
        }
        if self.die.chance(self.world.mishaps.read_fails) {
            self.hits.hit(Point::ReadThrottled);
            return Err(Fault::new(FaultKind::Transient, "read", "throttled"));
        }
        Ok(see(self))
    }

    /// What is written must be what the machine asks for, which the journal must lead to where it goes forward.
    fn is_asked(&mut self, who: usize, effect: &Effect, (forward, gives_way): (bool, bool)) -> Option<Issued> {
        let owner = self.is_owner(who);
        let lines = self.objects.lines();
        let damaged = self.objects.is_damaged();
        if matches!(effect, Effect::Route(_)) {
            self.invariants.rule_read = self.world.now;
        }
        let seat = self.processes[who].seat.as_mut().filter(|seat| seat.turns)?;
        let issued = seat.shadow.pending().filter(|issued| issued.effect == *effect).cloned();
        assert!(issued.is_some(), "written, and not asked for: {effect:?} for {:?}", seat.shadow.pending());
        let issued = issued?;
        if owner && !gives_way {
            seat.checks.asked(&issued, None, &seat.shadow);
        }
        let written = seat.is_journaled && (lines >= seat.lines + seat.heard || damaged);
        let back = seat.shadow.is_retreating();
        // The dead-man's switch is pushed on meanwhile.
        let pushes = matches!(effect, Effect::Arm { create: false, .. });
        assert!(!forward || back || written || pushes, "forward before its reason is in the journal: {issued:?}");
        Some(issued)
    }

    /// A write that the fence let through meets the world as it truly is.
    fn writes(&mut self, who: usize, effect: &Effect, (own, has_lease): (Timestamp, bool)) -> (Duration, Answer) {
        let now = self.now();
        let epoch = if has_lease { self.processes[who].epoch } else { 0 };
        if let Some(seat) = self.processes[who].seat.as_ref().filter(|seat| seat.turns) {
            let process = &self.processes[who];
            assert!(!process.knows_fenced, "one that knows that it is fenced writes: {effect:?}");
            // The lease of a forward write outlasts whatever can become of it.
            let late = process.clock.now() > process.renewed + LEASE.saturating_sub(WRITE_WINDOW);
            assert!(!late || !is_forward(effect), "forward under an old lease: {effect:?}");
            if self.is_owner(who) {
                seat.checks.sent(effect, &self.plan, &self.world);
            }
            match effect {
                Effect::Route(route) if route.share > Share::NONE => seat.checks.sent_in_time(own, route),
                Effect::Scale { role, count, .. } if *count < self.world.tasks(*role).desired => {
                    self.takes_capacity(*role, who);
                }
                _ => {}
            }
        }
        self.note(|| format!("{who} sends {effect:?}"));
        if has_lease {
            if self.processes[who].seat.is_none() && matches!(effect, Effect::Route(_)) {
                self.hits.hit(Point::FirstWrite);
            }
            let (latency, answer) = self.world.answer(effect, &mut self.die);
            let lands = self.world.lands.unwrap_or(now);
            if self.invariants.sent(&self.world, (epoch, effect), lands) {
                self.hits.hit(Point::OldWriteInQuarantine);
            }
            return (latency, answer);
        }
        if !self.world.is_ended_by_aws() && matches!(effect, Effect::Route(_)) {
            self.invariants.sent_back(now, false);
        }
        self.hits.hit(Point::BlindWrite);
        self.invariants.blind_wrote = Some(now);
        self.world.foreign = true;
        self.world.answer(effect, &mut self.die)
    }
}

impl Cloud for Account {
    async fn register(&self, digest: &str) -> Result<String, Fault> {
        match self.asks(Effect::Register { digest: digest.to_owned() }).await? {
            Answer::Registered(arn) => Ok(arn),
            other => unreachable!("{other:?}"),
        }
    }

    async fn scale(&self, role: Role, count: u32, task_definition: Option<&str>) -> Result<(), Fault> {
        let task_definition = task_definition.map(str::to_owned);
        self.asks(Effect::Scale { role, count, task_definition }).await.map(drop)
    }

    async fn route(&self, order: RouteOrder) -> Result<Routed, Fault> {
        let plan_was_sticky = self.scene.sim().plan.before.stickiness.is_some();
        let asked = {
            let sim = self.scene.sim();
            let seat = sim.processes[self.who].seat.as_ref().filter(|seat| seat.turns);
            seat.and_then(|seat| seat.shadow.pending().cloned())
        };
        let stickiness = match order.sticky {
            None => Stickiness::Keep,
            Some(true) => Stickiness::Restore,
            // To restore what was off is to leave it off.
            Some(false) => match asked.map(|issued| issued.effect) {
                Some(Effect::Route(route)) if !plan_was_sticky => route.stickiness,
                _ => Stickiness::Suspend,
            },
        };
        let route = Route { share: order.share, expected: order.expected, stickiness, by: order.by };
        Ok(match self.asks(Effect::Route(route)).await? {
            Answer::Routed(seen) => Routed::Written(seen),
            Answer::Unsettled(seen) => Routed::Unsettled(seen),
            Answer::Moving(seen) => Routed::Moving(seen),
            Answer::Foreign(seen) => Routed::Foreign(seen),
            other => unreachable!("{other:?}"),
        })
    }

    async fn deployment(&self) -> Result<Option<Deployment>, Fault> {
        self.read(|sim| sim.world.aws.as_ref().and_then(super::deployment::Deployment::told)).await
    }

    async fn conclude(&self) -> Result<(), Fault> {
        self.asks(Effect::Conclude).await.map(drop)
    }

    async fn mark(&self, beacon: Beacon) -> Result<(), Fault> {
        self.asks(Effect::Mark(beacon)).await.map(drop)
    }

    async fn set_scaling(&self, targets: &[(Role, Scaling)]) -> Result<(), Fault> {
        let holds = targets.iter().all(|(_, scaling)| *scaling == scaling.held());
        let pending = {
            let sim = self.scene.sim();
            let seat = sim.processes[self.who].seat.as_ref();
            seat.and_then(|seat| seat.shadow.pending().map(|issued| issued.effect.clone()))
        };
        let effect = match pending {
            Some(effect @ (Effect::HoldScaling | Effect::FreeScaling)) if targets.is_empty() => effect,
            _ if holds => Effect::HoldScaling,
            _ => Effect::FreeScaling,
        };
        self.asks(effect).await.map(drop)
    }

    async fn arm(&self, _: &DeadMan, at: Timestamp, create: bool) -> Result<Arming, Fault> {
        match self.asks(Effect::Arm { at, create }).await? {
            Answer::Gone => Ok(Arming::Gone),
            _ => Ok(Arming::Armed),
        }
    }

    async fn disarm(&self, _: &DeadMan) -> Result<(), Fault> {
        self.asks(Effect::Disarm).await.map(drop)
    }

    async fn rule(&self) -> Result<RuleSeen, Fault> {
        self.read(|sim| {
            sim.invariants.rule_read = sim.world.now;
            sim.world.rule_seen(&mut sim.die)
        })
        .await
    }

    async fn rule_at_once(&self) -> Result<RuleSeen, Fault> {
        let _first = FirstRead { account: self, asked: self.clock.now() };
        self.rule().await
    }

    async fn healthy_at_once(&self, role: Role) -> Result<u32, Fault> {
        let seen = self.read(|sim| sim.world.healthy(role)).await;
        let mut sim = self.scene.sim();
        match seen {
            Ok(0) => sim.processes[self.who].wrote_first = true,
            Ok(_) => {}
            Err(_) => sim.hits.hit(Point::StableUnread),
        }
        drop(sim);
        seen
    }

    fn make_way(&self) {
        self.way.store(true, Ordering::SeqCst);
    }

    async fn fleet(&self) -> Result<Fleet, Fault> {
        let see = |sim: &mut Sim| {
            let mut fleet = sim.world.fleet_seen(&mut sim.die);
            for capacity in [&mut fleet.stable, &mut fleet.candidate] {
                capacity.stopped.iter_mut().for_each(|stop| stop.at = self.to_mine(stop.at, sim.world.now));
            }
            fleet
        };
        self.read(see).await
    }

    async fn readings(&self, gates: &[&Gate], since: Timestamp) -> Vec<Reading> {
        let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
        let read = |sim: &mut Sim| {
            let since = self.to_world(since, sim.world.now);
            let place = |name: &&str| sim.world.gates.iter().position(|gate| gate.name == **name);
            let places: Vec<usize> = names.iter().filter_map(place).collect();
            let readings = places.into_iter().map(|gate| sim.world.reading(gate, since, &mut sim.die));
            let mut readings: Vec<Reading> = readings.collect();
            let now = sim.world.now;
            for reading in &mut readings {
                self.dates(reading, now);
            }
            readings
        };
        match self.read(read).await {
            Ok(readings) => readings,
            Err(fault) => gates.iter().map(|_| Reading::Unreadable(fault.clone())).collect(),
        }
    }

    async fn requests(&self, role: Role, _: u32, _: Timestamp) -> Result<Counted, Fault> {
        let see = |sim: &mut Sim| {
            let counted = sim.world.requests(role);
            Counted { until: self.to_mine(counted.until, sim.world.now), ..counted }
        };
        self.read(see).await
    }

    async fn entrances(&self, role: Role) -> Result<Vec<String>, Fault> {
        self.read(|sim| sim.world.entrances(role)).await
    }

    async fn observed(&self, _: Timestamp) -> Result<Option<Share>, Fault> {
        Ok(None)
    }

    async fn served(&self, _: Role, _: (Timestamp, Option<Timestamp>), _: Timestamp) -> Result<Served, Fault> {
        self.read(|_| Served { requests: 100, failed: 3, since_full: None }).await
    }

    async fn probe(&self, _: &ProbeRule, now: Timestamp) -> ProbeReading {
        ProbeReading { at: now, right: true, text: "200".into() }
    }
}

impl Account {
    /// What AWS dates is told in the process's own time.
    fn dates(&self, reading: &mut Reading, now: Timestamp) {
        let mine = |at: &mut Timestamp| *at = self.to_mine(*at, now);
        match reading {
            Reading::Metric(metric) => metric.values.iter_mut().for_each(|point| mine(&mut point.at)),
            Reading::Counts(bins) => bins.iter_mut().for_each(|bin| mine(&mut bin.at)),
            Reading::Burn(burn) => mine(&mut burn.until),
            Reading::Alarm(AlarmReading { changed, rang, read, watched, .. }) => {
                [changed, read].into_iter().chain(rang).for_each(mine);
                for Watched { data, .. } in watched {
                    if let AlarmData::Read { until, broken } = data {
                        until.iter_mut().chain(broken).for_each(mine);
                    }
                }
            }
            Reading::Tasks(_) | Reading::Said(_) | Reading::Unreadable(_) => {}
        }
    }
}
