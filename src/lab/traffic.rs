//! The simulated clients: sixty-four of them, each with connections and a cookie of its own.
//!
//! A client has as many requests under way as its rate and the time of the answers ask for, so a slow release
//! does not lower the rate; but no more, so a busy machine lowers it rather than let requests queue up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::balancer::GROUP;
use super::chance::wait;
use super::clock::LabClock;
use super::config::{LabConfig, WorldSeed};
use super::ending::Ending;
use super::lock::lock;
use super::metrics::bucket::Bucket;
use super::metrics::statistic::Statistic;
use super::plain::{AnswerHead, Connection};
use super::task::SERVICE_TIME;

/// What the clients have seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficReport {
    /// Requests answered or failed.
    pub requests: u64,
    /// Requests answered with a 5XX or not at all.
    pub failed: u64,
    /// Failures no task caused: the balancer's own 5XX, or no answer.
    pub unrouted: u64,
    /// By the name of the target group that answered.
    pub by_target_group: BTreeMap<String, GroupTraffic>,
    /// The first failures.
    pub failures: Vec<TrafficFailure>,
}

/// What one target group answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupTraffic {
    /// Requests answered.
    pub requests: u64,
    /// Requests answered with a 5XX.
    pub failed: u64,
    /// The median time, in lab milliseconds.
    pub p50_ms: f64,
    /// The 95th percentile, in lab milliseconds.
    pub p95_ms: f64,
}

/// One failed request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficFailure {
    /// When, in lab milliseconds since 1970.
    pub at_ms: u64,
    /// The status; 0 when there was no answer.
    pub status: u16,
    /// The target group that answered, or was tried.
    pub target_group: Option<String>,
    /// What happened.
    pub reason: String,
}

const CLIENTS: u64 = 64;
/// Requests of one client under way, at most: each takes four sockets of this process.
const UNDER_WAY_LIMIT: f64 = 3.0;
/// How much of what a client knows of answers' times is the last one.
const LAST_COUNTS: f64 = 0.1;
/// Failures kept.
const FAILURES_LIMIT: usize = 100;
/// A client this far behind its own schedule forgets what it missed, in lab milliseconds.
const BEHIND_LIMIT_MS: f64 = 10_000.0;
/// A client is a new person without a cookie after about this long, in lab milliseconds.
const VISIT_MS: f64 = 300_000.0;
/// A client waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(90);
const PATIENCE_AT_LEAST: Duration = Duration::from_secs(10);

/// The clients and what they have seen.
pub(super) struct Traffic {
    clock: LabClock,
    seed: u64,
    head: String,
    rps: watch::Sender<f64>,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    requests: u64,
    failed: u64,
    unrouted: u64,
    groups: BTreeMap<String, Group>,
    failures: Vec<TrafficFailure>,
}

#[derive(Default)]
struct Group {
    requests: u64,
    failed: u64,
    times: Bucket,
}

impl Traffic {
    /// Clients that send nothing yet.
    pub(crate) fn new(config: &LabConfig) -> Traffic {
        Traffic {
            clock: config.clock.clone(),
            seed: config.seed,
            head: request_head(&config.world),
            rps: watch::channel(config.rps).0,
            tally: Mutex::default(),
        }
    }

    /// Changes the rate.
    pub(crate) fn set_rps(&self, rps: f64) {
        self.rps.send_replace(rps.max(0.0));
    }

    /// The rate.
    pub(crate) fn rps(&self) -> f64 {
        *self.rps.borrow()
    }

    /// Lets the clients send to a listener.
    pub(crate) fn begin(self: &Arc<Traffic>, address: SocketAddr, ending: &Ending) {
        for number in 0..CLIENTS {
            let traffic = Arc::clone(self);
            let die = fastrand::Rng::with_seed(traffic.seed ^ (number + 1) << 32);
            let head = format!("{}user-agent: lab-client/{number}\r\n", traffic.head);
            let client = Client { address, head, idle: Mutex::default(), cookie: Mutex::default() };
            ending.spawn(async move { traffic.drive(Arc::new(client), die).await });
        }
    }

    /// One client: a Poisson process of its own, on its own schedule.
    async fn drive(self: Arc<Traffic>, client: Arc<Client>, mut die: fastrand::Rng) {
        let mut rps = self.rps.subscribe();
        let mut due = self.clock.now_ms() as f64;
        let mut leaves_at = 0.0;
        let mut under_way = UnderWay { requests: JoinSet::new(), usual: 0.0 };
        loop {
            let rate = *rps.borrow_and_update();
            if rate <= 0.0 {
                if rps.changed().await.is_err() {
                    return;
                }
                due = self.clock.now_ms() as f64;
                continue;
            }
            due += wait(&mut die, 1e3 * CLIENTS as f64 / rate);
            let ahead = due - self.clock.now_ms() as f64;
            if ahead < -BEHIND_LIMIT_MS {
                due = self.clock.now_ms() as f64;
            }
            if ahead > 0.0 {
                let pause = self.clock.wall(Duration::from_secs_f64(ahead / 1e3));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = rps.changed() => {
                        due = self.clock.now_ms() as f64;
                        continue;
                    }
                }
            }
            if due > leaves_at {
                *lock(&client.cookie) = None;
                leaves_at = due + wait(&mut die, VISIT_MS);
            }
            under_way.make_room(rate / CLIENTS as f64).await;
            let (traffic, client) = (Arc::clone(&self), Arc::clone(&client));
            under_way.requests.spawn(async move { traffic.request(&client).await });
        }
    }

    /// Makes a request, and gives how long the work for it took in lab seconds.
    async fn request(&self, client: &Client) -> f64 {
        let started = Instant::now();
        let asked = self.clock.within(PATIENCE, PATIENCE_AT_LEAST, client.ask()).await;
        let elapsed = started.elapsed();
        let at_ms = self.clock.now_ms();
        let mut tally = lock(&self.tally);
        tally.requests += 1;
        match asked {
            Some(Ok(answer)) => {
                let declared = answer.header(SERVICE_TIME).and_then(|time| time.parse().ok());
                tally.note(&answer, self.clock.taken(declared, elapsed), at_ms);
                return declared.unwrap_or(0.0);
            }
            Some(Err(error)) => tally.lose(at_ms, format!("no answer: {error}")),
            None => tally.lose(at_ms, "no answer in time".to_owned()),
        }
        elapsed.as_secs_f64() * self.clock.speed()
    }

    /// What the clients have seen so far.
    pub(crate) fn report(&self) -> TrafficReport {
        let tally = lock(&self.tally);
        let groups = tally.groups.iter().map(|(name, group)| {
            let at = |percent| Statistic::Percentile(percent).of(&group.times).unwrap_or(0.0);
            let traffic = GroupTraffic {
                requests: group.requests,
                failed: group.failed,
                p50_ms: (at(50.0) * 1e5).round() / 1e2,
                p95_ms: (at(95.0) * 1e5).round() / 1e2,
            };
            (name.clone(), traffic)
        });
        TrafficReport {
            requests: tally.requests,
            failed: tally.failed,
            unrouted: tally.unrouted,
            by_target_group: groups.collect(),
            failures: tally.failures.clone(),
        }
    }
}

/// The requests of a client that wait for their answers.
struct UnderWay {
    requests: JoinSet<f64>,
    /// How long the work for one usually takes, in lab seconds.
    usual: f64,
}

impl UnderWay {
    /// Waits until there are no more than a rate of requests, each of which takes as long as usual, asks for.
    async fn make_room(&mut self, rate: f64) {
        let wanted = (2.0 * rate * self.usual).ceil().clamp(1.0, UNDER_WAY_LIMIT) as usize;
        loop {
            let done = match self.requests.try_join_next() {
                None if self.requests.len() >= wanted => self.requests.join_next().await,
                done => done,
            };
            let Some(took) = done else { return };
            self.usual += LAST_COUNTS * (took.unwrap_or(self.usual) - self.usual);
        }
    }
}

struct Client {
    address: SocketAddr,
    /// The request, up to where a cookie may follow.
    head: String,
    idle: Mutex<Vec<Connection>>,
    cookie: Mutex<Option<String>>,
}

impl Client {
    async fn ask(&self) -> std::io::Result<AnswerHead> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let cookie = lock(&self.cookie).as_ref().map(|cookie| format!("cookie: {cookie}\r\n"));
        let request = format!("{}{}\r\n", self.head, cookie.unwrap_or_default());
        let answer = connection.ask(request.as_bytes()).await?;
        if answer.is_reusable {
            lock(&self.idle).push(connection);
        }
        let cookie = answer.all("set-cookie").next();
        if let Some(cookie) = cookie.and_then(|cookie| cookie.split(';').next()) {
            *lock(&self.cookie) = Some(cookie.to_owned());
        }
        Ok(answer)
    }
}

impl Tally {
    fn note(&mut self, answer: &AnswerHead, took: f64, at_ms: u64) {
        let is_failed = answer.status >= 500;
        let group = answer.header(GROUP);
        if let Some(name) = group {
            if !self.groups.contains_key(name) {
                self.groups.insert(name.to_owned(), Group::default());
            }
            if let Some(group) = self.groups.get_mut(name) {
                group.requests += 1;
                group.failed += u64::from(is_failed);
                group.times.add(took, 1.0);
            }
        }
        if !is_failed {
            return;
        }
        self.failed += 1;
        self.unrouted += u64::from(group.is_none());
        let by = if group.is_some() { "a task" } else { "the load balancer" };
        self.keep(TrafficFailure {
            at_ms,
            status: answer.status,
            target_group: group.or(answer.header("x-lab-tried")).map(str::to_owned),
            reason: format!("answered with {} by {by}", answer.status),
        });
    }

    fn lose(&mut self, at_ms: u64, reason: String) {
        self.failed += 1;
        self.unrouted += 1;
        self.keep(TrafficFailure { at_ms, status: 0, target_group: None, reason });
    }

    fn keep(&mut self, failure: TrafficFailure) {
        if self.failures.len() < FAILURES_LIMIT {
            self.failures.push(failure);
        }
    }
}

/// The start of a request that the seeded rule matches.
fn request_head(world: &WorldSeed) -> String {
    let concrete = |pattern: &String| pattern.replace('*', "lab").replace('?', "x");
    let host = world.rule_hosts.first().map_or("lab.example".to_owned(), concrete);
    let path = world.rule_paths.first().map_or("/".to_owned(), concrete);
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n")
}
