//! The containers: each task is a real HTTP server on loopback that behaves as its release does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::account::{Task, last};
use super::behaviour::{Behaviour, Conduct};
use super::clock::LabClock;
use super::ending::Ending;
use super::outage::Outages;
use super::scheduler::Host;
use super::telemetry::{Telemetry, Teller};
use super::usual;

/// The header in which a task declares how long its work took, in lab seconds.
pub(super) const SERVICE_TIME: &str = "x-lab-service-time";
/// The header in which a task gives its id.
pub(super) const TASK: &str = "x-lab-task";
/// The path every task answers its health on, whatever path the target group asks for.
const HEALTH_PATHS: [&str; 3] = ["/healthz", "/health", "/ping"];
/// A container told to stop still accepts connections for this long on the wall clock.
const LINGER: Duration = Duration::from_millis(500);

/// All containers that run.
pub(super) struct Containers {
    surroundings: Surroundings,
    running: HashMap<String, Container>,
}

/// What every container runs in.
#[derive(Clone)]
pub(super) struct Surroundings {
    /// Lab time.
    pub clock: LabClock,
    /// How it all ends.
    pub ending: Ending,
    /// Where the dice of tasks start.
    pub seed: u64,
    /// The path that health checks ask for.
    pub health_path: String,
    /// The share of requests that fail in every task, whatever its release, from 0 to 1.
    pub errors: f64,
    /// Trouble that all tasks share.
    pub outages: Arc<Outages>,
    /// Where tasks tell of their requests.
    pub telemetry: Arc<Telemetry>,
}

struct Container {
    orders: watch::Sender<Order>,
    behaviour: Arc<Mutex<Behaviour>>,
    definition: String,
}

/// What a container was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Serve,
    Finish,
    Die,
}

impl Containers {
    /// No containers yet.
    pub(crate) fn new(surroundings: Surroundings) -> Containers {
        Containers { surroundings, running: HashMap::new() }
    }

    /// Makes the running tasks of a task definition behave otherwise.
    pub(crate) fn behave(&mut self, definition: &str, behaviour: &Behaviour) {
        for container in self.running.values().filter(|one| one.definition == definition) {
            *lock(&container.behaviour) = behaviour.clone();
        }
    }

    fn order(&mut self, id: &str, order: Order) {
        if let Some(container) = self.running.remove(id) {
            container.orders.send_replace(order);
        }
    }
}

impl Host for Containers {
    fn start(&mut self, task: &Task) -> Option<SocketAddr> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).ok()?;
        listener.set_nonblocking(true).ok()?;
        let address = listener.local_addr().ok()?;
        let listener = TcpListener::from_std(listener).ok()?;
        let behaviour = Arc::new(Mutex::new(task.behaviour.clone()));
        let (orders, told) = watch::channel(Order::Serve);
        let Surroundings { clock, seed, ending, telemetry, .. } = &self.surroundings;
        let server = Arc::new(Server {
            id: task.id.clone(),
            born: clock.now_ms(),
            behaviour: Arc::clone(&behaviour),
            die: Mutex::new(fastrand::Rng::with_seed(seed ^ u64::from(address.port()) << 20)),
            teller: telemetry.teller(last(&task.service), &task.id),
            surroundings: self.surroundings.clone(),
        });
        ending.spawn(serve(listener, server, told));
        let definition = task.definition.clone();
        self.running.insert(task.id.clone(), Container { orders, behaviour, definition });
        Some(address)
    }

    fn stop(&mut self, id: &str) {
        self.order(id, Order::Finish);
    }

    fn kill(&mut self, id: &str) {
        self.order(id, Order::Die);
    }
}

struct Server {
    id: String,
    born: u64,
    behaviour: Arc<Mutex<Behaviour>>,
    die: Mutex<fastrand::Rng>,
    teller: Arc<Teller>,
    surroundings: Surroundings,
}

async fn serve(listener: TcpListener, server: Arc<Server>, told: watch::Receiver<Order>) {
    let connection = |stream| {
        let answered = converse(stream, Arc::clone(&server), told.clone());
        server.surroundings.ending.spawn(answered);
    };
    let mut told_here = told.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted { connection(stream) },
            _ = told_here.changed() => break,
        }
    }
    if *told.borrow() == Order::Finish {
        let linger = async {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    connection(stream);
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, linger).await;
    }
}

/// Serves one connection until it closes, or the container ends.
async fn converse(stream: TcpStream, server: Arc<Server>, mut told: watch::Receiver<Order>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(&server, request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let is_told = tokio::select! {
        _ = connection.as_mut() => false,
        told = told.wait_for(|order| *order != Order::Serve) => {
            told.is_ok_and(|order| *order == Order::Finish)
        }
    };
    if is_told {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

async fn answer(server: &Server, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Surroundings { clock, health_path, .. } = &server.surroundings;
    let conduct = server.conduct(clock.now_ms());
    let path = request.uri().path();
    if path == health_path || HEALTH_PATHS.contains(&path) {
        let (status, body) = if conduct.is_well { (200, "ok\n") } else { (503, "not well\n") };
        return Ok(respond(server, status, body, 0.0));
    }
    let started = Instant::now();
    let (is_failed, time) = {
        let mut die = lock(&server.die);
        (die.f64() < conduct.errors, usual::time(&mut die) * conduct.slower + conduct.latency.as_secs_f64())
    };
    drop(request);
    clock.sleep(Duration::from_secs_f64(time)).await;
    server.teller.tell(clock.now_ms(), clock.taken(Some(time), started.elapsed()), is_failed);
    let (status, body) = if is_failed { (500, "it broke\n") } else { (200, "served\n") };
    Ok(respond(server, status, body, time))
}

impl Server {
    /// What the task does at a moment: as its release does, and as all tasks do.
    fn conduct(&self, now_ms: u64) -> Conduct {
        let age = Duration::from_millis(now_ms.saturating_sub(self.born));
        let own = lock(&self.behaviour).at(age);
        let usual = Behaviour { errors: self.surroundings.errors, ..Behaviour::default() };
        self.surroundings.outages.worsen(own.and(&usual.at(age)), now_ms)
    }
}

fn respond(server: &Server, status: u16, body: &'static str, time: f64) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .header(TASK, server.id.as_str())
        .header(SERVICE_TIME, format!("{time:.6}"))
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
