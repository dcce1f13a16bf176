//! The load balancer: one loopback socket per listener, rules, weights, stickiness, real forwarding.
//!
//! It answers in plain HTTP whatever the listener's protocol says, and passes authentication
//! actions through. Transforms are kept by the API and not applied here.

mod forward;
pub(super) mod health;
pub(super) mod meter;
mod route;
mod target;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use self::meter::{Meter, NAMESPACE};
use self::route::Routes;
use self::target::Upstream;
use super::account::{Account, TargetState, dimension};
use super::clock::LabClock;
use super::config::LabConfig;
use super::ending::Ending;
use super::fault;
use super::metrics::store::{Key, Store};

/// The header in which the balancer says which target group answered.
pub(super) const GROUP: &str = "x-lab-target-group";

/// The data plane of all load balancers.
pub(super) struct Balancer {
    clock: LabClock,
    ending: Ending,
    propagation: Duration,
    /// The share of requests that is counted a minute late.
    late: f64,
    die: Mutex<fastrand::Rng>,
    table: RwLock<Arc<Table>>,
    groups: RwLock<Arc<HashMap<String, Group>>>,
    learning: Mutex<Learning>,
    meters: Mutex<BTreeMap<String, Arc<Meter>>>,
}

/// The routes of every listener, by its ARN.
type Table = HashMap<String, Arc<Routes>>;

/// A target group as the data plane sees it.
struct Group {
    name: String,
    /// Where requests may go: the healthy targets, or all when none is healthy.
    open: Vec<Open>,
    /// How long a target's slow start takes.
    slow_start_ms: u64,
    next: Arc<AtomicUsize>,
}

/// A target that requests may go to.
#[derive(Clone)]
struct Open {
    upstream: Arc<Upstream>,
    /// When it became healthy, if that is known.
    since: Option<u64>,
}

impl Group {
    /// The next target in turn. One in its slow start passes on more of its turns the younger it is; while all are, none
    /// does (user guide, "Slow start mode").
    fn turn(&self, now: u64, mut roll: impl FnMut() -> f64) -> Option<&Open> {
        let share = |open: &Open| match open.since.filter(|_| self.slow_start_ms > 0) {
            Some(since) => now.saturating_sub(since) as f64 / self.slow_start_ms as f64,
            None => 1.0,
        };
        let all_start = self.open.iter().all(|open| share(open) < 1.0);
        let turns = self.next.fetch_add(1, Ordering::Relaxed);
        let mut in_turn = self.open.iter().cycle().skip(turns % self.open.len().max(1)).take(self.open.len());
        in_turn.find(|open| all_start || share(open) >= 1.0 || roll() < share(open))
    }
}

/// What the data plane has been told and not taken up yet, and what it keeps between two tellings.
#[derive(Default)]
struct Learning {
    version: u64,
    pending: VecDeque<(u64, Arc<Table>)>,
    upstreams: HashMap<SocketAddr, Arc<Upstream>>,
    turns: HashMap<String, Arc<AtomicUsize>>,
    sockets: BTreeMap<String, Socket>,
    counted_at: u64,
}

struct Socket {
    name: String,
    address: SocketAddr,
    accepting: Ending,
}

/// Healthy and unhealthy targets are counted this often.
const HOST_COUNT_EVERY_MS: u64 = 10_000;

impl Balancer {
    /// A balancer that knows nothing yet.
    pub(crate) fn new(config: &LabConfig, ending: Ending) -> Balancer {
        Balancer {
            clock: config.clock.clone(),
            ending,
            propagation: config.rule_propagation,
            late: fault::late_share(&config.faults),
            die: Mutex::new(fastrand::Rng::with_seed(config.seed ^ 1)),
            table: RwLock::default(),
            groups: RwLock::default(),
            learning: Mutex::default(),
            meters: Mutex::default(),
        }
    }

    /// Listeners by the name AWS would give them, and where they really are.
    pub(crate) fn connections(&self) -> Vec<(String, SocketAddr)> {
        let learning = lock(&self.learning);
        learning.sockets.values().map(|socket| (socket.name.clone(), socket.address)).collect()
    }

    /// Where a listener really is.
    pub(crate) fn address_of(&self, listener: &str) -> Option<SocketAddr> {
        lock(&self.learning).sockets.get(listener).map(|socket| socket.address)
    }

    /// Learns of targets at once and of rules after the propagation time.
    pub(crate) fn learn(self: &Arc<Balancer>, account: &Account, now: u64) {
        let mut learning = lock(&self.learning);
        self.learn_targets(&mut learning, account);
        if learning.version != account.routes_version {
            let is_first = learning.version == 0;
            learning.version = account.routes_version;
            let delay = if is_first { 0 } else { self.propagation.as_millis() as u64 };
            self.listen(&mut learning, account);
            let table = Arc::new(compile(account));
            learning.pending.push_back((now + delay, table));
        }
        while learning.pending.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, table)) = learning.pending.pop_front() {
                *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
            }
        }
    }

    fn learn_targets(&self, learning: &mut Learning, account: &Account) {
        let mut groups = HashMap::new();
        let mut known = HashMap::new();
        for group in &account.groups {
            let (mut healthy, mut all) = (Vec::new(), Vec::new());
            for target in &group.targets {
                let task = account.tasks.values().find(|task| task.address == target.id);
                let address = match task {
                    Some(task) => task.loopback,
                    None => health::loopback(&target.id, target.port),
                };
                if target.state == TargetState::Draining {
                    continue;
                }
                // A target that cannot be reached keeps its place: its requests fail with a 502.
                let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 1)));
                let upstream = learning.upstreams.get(&address).cloned();
                let upstream = upstream.unwrap_or_else(|| Arc::new(Upstream::new(address)));
                known.insert(address, Arc::clone(&upstream));
                let open = Open { upstream, since: target.well_since };
                if target.state == TargetState::Healthy {
                    healthy.push(open.clone());
                }
                all.push(open);
            }
            let open = if healthy.is_empty() { all } else { healthy };
            let next = Arc::clone(learning.turns.entry(group.arn.clone()).or_default());
            let slow_start_ms = group.slow_start_ms();
            groups.insert(group.arn.clone(), Group { name: group.name.clone(), open, slow_start_ms, next });
        }
        learning.upstreams = known;
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(groups);
    }

    /// Opens a socket for each listener, closes those of listeners that are gone.
    fn listen(self: &Arc<Balancer>, learning: &mut Learning, account: &Account) {
        let is_there = |arn: &str| account.listener(arn).is_some();
        learning.sockets.retain(|arn, socket| {
            let keep = is_there(arn);
            if !keep {
                socket.accepting.end();
            }
            keep
        });
        for listener in &account.listeners {
            if learning.sockets.contains_key(&listener.arn) {
                continue;
            }
            let dns = account.load_balancer(&listener.load_balancer).map(|one| one.dns.as_str());
            let name = format!("{}:{}", dns.unwrap_or_default(), listener.port);
            let Ok(socket) = std::net::TcpListener::bind(("127.0.0.1", 0)) else { continue };
            let (Ok(()), Ok(address)) = (socket.set_nonblocking(true), socket.local_addr()) else {
                continue;
            };
            let Ok(socket) = TcpListener::from_std(socket) else { continue };
            let accepting = Ending::new();
            let (balancer, arn) = (Arc::clone(self), listener.arn.clone());
            let own = accepting.clone();
            self.ending.spawn(async move { balancer.accept(socket, arn, own).await });
            learning.sockets.insert(listener.arn.clone(), Socket { name, address, accepting });
        }
    }

    async fn accept(self: Arc<Balancer>, socket: TcpListener, listener: String, own: Ending) {
        let accepting = async {
            loop {
                let Ok((stream, from)) = socket.accept().await else { continue };
                let balancer = Arc::clone(&self);
                let listener = listener.clone();
                self.ending.spawn(async move { balancer.converse(stream, from, listener).await });
            }
        };
        own.until(accepting).await;
    }

    async fn converse(self: Arc<Balancer>, stream: TcpStream, from: SocketAddr, listener: String) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.answer(&listener, from, request));
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    /// Moves what was counted into the store; counts healthy and unhealthy targets.
    pub(crate) fn flush(&self, store: &mut Store) {
        for (balancer, meter) in lock(&self.meters).iter() {
            meter.flush(balancer, store);
        }
    }

    /// Counts healthy and unhealthy targets, when it is time.
    pub(crate) fn count_hosts(&self, account: &Account, store: &mut Store, now: u64) {
        {
            let mut learning = lock(&self.learning);
            if now < learning.counted_at + HOST_COUNT_EVERY_MS {
                return;
            }
            learning.counted_at = now;
        }
        let minute = now / 60_000 * 60;
        for group in account.groups.iter().filter(|group| !group.targets.is_empty()) {
            let count = |state| group.targets.iter().filter(|t| t.state == state).count() as f64;
            let dim = dimension(&group.arn);
            for balancer in account.balancers_of(&group.arn) {
                let balancer = dimension(&balancer);
                let dims = [("LoadBalancer", balancer.as_str()), ("TargetGroup", dim.as_str())];
                let healthy = count(TargetState::Healthy);
                store.add(&Key::new(NAMESPACE, "HealthyHostCount", &dims), minute, healthy, 1.0);
                let ill = count(TargetState::Unhealthy);
                store.add(&Key::new(NAMESPACE, "UnHealthyHostCount", &dims), minute, ill, 1.0);
            }
        }
    }

    fn meter(&self, balancer: &str) -> Arc<Meter> {
        let mut meters = lock(&self.meters);
        match meters.get(balancer) {
            Some(meter) => Arc::clone(meter),
            None => Arc::clone(meters.entry(balancer.to_owned()).or_default()),
        }
    }

    fn routes(&self, listener: &str) -> Option<Arc<Routes>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(listener).cloned()
    }

    fn groups(&self) -> Arc<HashMap<String, Group>> {
        Arc::clone(&self.groups.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn roll(&self) -> f64 {
        lock(&self.die).f64()
    }
}

fn compile(account: &Account) -> Table {
    let routes = |listener: &super::account::Listener| {
        let routes = Routes::compile(account, &listener.arn, &listener.load_balancer);
        (listener.arn.clone(), Arc::new(routes))
    };
    account.listeners.iter().map(routes).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_in_its_slow_start_gets_a_part_of_its_share() {
        let open = |port: u16, since| Open { upstream: Arc::new(Upstream::new(([127, 0, 0, 1], port).into())), since };
        let group = |old: Option<u64>| Group {
            name: "g".to_owned(),
            open: vec![open(1, old), open(2, Some(1_000))],
            slow_start_ms: 100_000,
            next: Arc::default(),
        };
        let young = |group: &Group, now: u64| {
            let mut die = fastrand::Rng::with_seed(1);
            let second = &group.open[1];
            let turns = (0..1_000).filter_map(|_| group.turn(now, || die.f64()));
            turns.filter(|open| Arc::ptr_eq(&open.upstream, &second.upstream)).count()
        };
        let between = |now, least, most| {
            let count = young(&group(None), now);
            assert!((least..=most).contains(&count), "{count} of 1000 requests at {now}");
        };
        between(1_000, 0, 0);
        between(51_000, 200, 300);
        between(101_000, 500, 500);
        assert_eq!(young(&group(Some(1_000)), 2_000), 500, "while all of them start, none waits");
    }
}
