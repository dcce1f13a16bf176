//! Everything a lab is made of, and the one loop that moves it through lab time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::account::{Account, Names, TargetState};
use super::api;
use super::autoscaling;
use super::balancer::{Balancer, health};
use super::codedeploy;
use super::config::LabConfig;
use super::ending::Ending;
use super::fault::{ApiFault, FaultKind};
use super::keys::Keys;
use super::metrics::alarm;
use super::metrics::store::Store;
use super::notices::Notices;
use super::outage::Outages;
use super::past::Past;
use super::prometheus;
use super::s3::Buckets;
use super::scheduler;
use super::task::{Containers, Surroundings};
use super::telemetry::Telemetry;
use super::timetable;
use super::traffic::Traffic;

/// A lab's parts. Locks are taken in the order of the fields and never held across a wait.
pub(super) struct World {
    /// What the lab was started with.
    pub config: LabConfig,
    /// How it all ends.
    pub ending: Ending,
    /// The control plane.
    pub account: Mutex<Account>,
    /// The credentials that were minted; nothing of them is stale either.
    pub keys: Mutex<Keys>,
    /// S3's buckets; nothing of them is stale, so they are no part of the account.
    pub buckets: Mutex<Buckets>,
    /// SNS's topics and the change calendars; nothing of them is stale either.
    pub notices: Mutex<Notices>,
    /// The containers.
    pub containers: Mutex<Containers>,
    /// The metrics from before the lab began that nobody has looked at yet.
    pub past: Mutex<Past>,
    /// The metrics.
    pub store: Mutex<Store>,
    /// Trouble that all tasks share.
    pub outages: Arc<Outages>,
    /// What tasks tell of themselves.
    pub telemetry: Arc<Telemetry>,
    /// What would have been scraped before the lab began.
    pub scraped: prometheus::Past,
    /// The data plane.
    pub balancer: Arc<Balancer>,
    /// The simulated clients.
    pub traffic: Arc<Traffic>,
    /// The control plane as it was, for stale reads; newest last.
    snapshots: Mutex<VecDeque<(u64, Arc<Account>)>>,
    /// The trouble of the API, as it is dialled in now.
    pub faults: RwLock<Vec<ApiFault>>,
    /// How often each operation changed something.
    pub writes: Mutex<BTreeMap<String, u64>>,
    /// The die for faults and pauses.
    pub die: Mutex<fastrand::Rng>,
    alarms_at: Mutex<u64>,
    scaling_at: Mutex<u64>,
}

/// The loop turns this often in lab time, but neither faster nor slower than this on the wall clock.
const TURN: Duration = Duration::from_millis(500);
const TURN_WITHIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// Alarms are evaluated this often.
const ALARMS_EVERY_MS: u64 = 10_000;
/// Scaling policies are looked at this often.
const SCALING_EVERY_MS: u64 = 60_000;
/// The account is remembered this often, and no more moments of it.
const SNAPSHOT_EVERY_MS: u64 = 1_000;
const SNAPSHOTS_LIMIT: usize = 600;

impl World {
    /// Builds a world that does not move yet.
    pub(crate) fn new(config: LabConfig) -> Arc<World> {
        let (clock, seed, ending) = (config.clock, config.seed, Ending::new());
        let now = clock.now_ms();
        let account = Account::seeded(&config, now);
        let store = Store::new(config.publication_delay.as_millis() as u64);
        let outages = Arc::new(Outages::new(&config.outages, now));
        let telemetry = Arc::new(Telemetry::default());
        let surroundings = Surroundings {
            clock,
            ending: ending.clone(),
            seed,
            health_path: config.world.health_check.path.clone(),
            errors: config.errors,
            outages: Arc::clone(&outages),
            telemetry: Arc::clone(&telemetry),
        };
        Arc::new(World {
            keys: Mutex::default(),
            buckets: Mutex::new(Buckets::new(now)),
            notices: Mutex::new(Notices::seeded(&config.world.topics, &config.world.calendars)),
            containers: Mutex::new(Containers::new(surroundings)),
            past: Mutex::new(Past::new(&account, &config, now)),
            store: Mutex::new(store),
            outages,
            telemetry,
            scraped: prometheus::Past::new(&config, now),
            balancer: Arc::new(Balancer::new(&config, ending.clone())),
            traffic: Arc::new(Traffic::new(&config)),
            snapshots: Mutex::default(),
            writes: Mutex::default(),
            faults: RwLock::new(config.faults.clone()),
            die: Mutex::new(fastrand::Rng::with_seed(seed ^ 2)),
            alarms_at: Mutex::new(now),
            scaling_at: Mutex::new(now),
            account: Mutex::new(account),
            ending,
            config,
        })
    }

    /// The account and region in ARNs.
    pub(crate) fn names(&self) -> Names {
        Names { region: self.config.region.clone(), account: self.config.account.clone() }
    }

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
        let pause = self.config.clock.wall(TURN).clamp(TURN_WITHIN.0, TURN_WITHIN.1);
        self.ending.spawn(async move {
            loop {
                world.turn();
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
                let finding = health::perform(&probe, world.config.clock).await;
                health::note(&mut lock(&world.account), &probe, finding);
            });
        }
    }

    fn remember(&self, account: &Account, now: u64) {
        let faults = self.faults.read().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = faults.iter().any(|fault| matches!(fault.kind, FaultKind::StaleRead(_)));
        let mut snapshots = lock(&self.snapshots);
        let is_due = snapshots.back().is_none_or(|(at, _)| now >= at + SNAPSHOT_EVERY_MS);
        if is_wanted && is_due {
            snapshots.push_back((now, Arc::new(account.clone())));
            while snapshots.len() > SNAPSHOTS_LIMIT {
                snapshots.pop_front();
            }
        }
    }

    /// The control plane as it was at a moment, as far back as is remembered.
    pub(crate) fn as_it_was(&self, at: u64) -> Option<Arc<Account>> {
        let snapshots = lock(&self.snapshots);
        let before = snapshots.iter().rev().find(|(then, _)| *then <= at).or(snapshots.front());
        before.map(|(_, account)| Arc::clone(account))
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

/// Takes a lock; a panic elsewhere leaves plain data that is still whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
