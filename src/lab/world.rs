//! Everything a lab is made of.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use super::account::{Account, Names};
use super::balancer::Balancer;
use super::config::LabConfig;
use super::ending::Ending;
use super::fault::{ApiFault, FaultKind};
use super::keys::Keys;
use super::lock::lock;
use super::metrics::publication::Publication;
use super::metrics::store::Store;
use super::notices::Notices;
use super::outage::Outages;
use super::past::Past;
use super::prometheus;
use super::s3::Buckets;
use super::task::{Containers, Surroundings};
use super::telemetry::Telemetry;
use super::traffic::Traffic;

/// A lab's parts. Locks are taken in the order of the fields and never held across a wait.
pub(super) struct World {
    /// What the lab was started with.
    pub config: LabConfig,
    /// How it all ends.
    pub ending: Ending,
    /// The speed to which the clock was slowed first.
    pub slowed: watch::Sender<Option<f64>>,
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
    /// When alarms are to be evaluated next.
    pub alarms_at: Mutex<u64>,
    /// When scaling policies are to be looked at next.
    pub scaling_at: Mutex<u64>,
}

/// The account is remembered this often, and no more moments of it.
const SNAPSHOT_EVERY_MS: u64 = 1_000;
const SNAPSHOTS_LIMIT: usize = 600;

impl World {
    /// Builds a world that does not move yet.
    pub(crate) fn new(config: LabConfig) -> Arc<World> {
        let (clock, seed, ending) = (config.clock.clone(), config.seed, Ending::new());
        let now = clock.now_ms();
        let account = Account::seeded(&config, now);
        let publication = match config.publication_delay {
            Some(delay) => Publication::Steady(delay.as_millis() as u64),
            None => Publication::Usual(seed),
        };
        let store = Store::published(publication);
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
            slowed: watch::Sender::new(None),
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

    /// Keeps the control plane as it is, while somebody may be given a stale read of it.
    pub(crate) fn remember(&self, account: &Account, now: u64) {
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
