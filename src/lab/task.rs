//! The containers: each task is a real HTTP server on loopback that behaves as its release does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::account::Task;
use super::behaviour::Behaviour;
use super::clock::LabClock;
use super::ending::Ending;
use super::scheduler::Host;

/// The header in which a task declares how long its work took, in lab seconds.
pub(super) const SERVICE_TIME: &str = "x-lab-service-time";
/// The header in which a task gives its id.
pub(super) const TASK: &str = "x-lab-task";
/// The path every task answers its health on, whatever path the target group asks for.
const HEALTH_PATHS: [&str; 3] = ["/healthz", "/health", "/ping"];
/// The middle of the time a request takes.
const SERVICE_TIME_MEDIAN: f64 = 0.020;
/// A container told to stop still accepts connections for this long on the wall clock.
const LINGER: Duration = Duration::from_millis(500);

/// All containers that run.
pub(super) struct Containers {
    clock: LabClock,
    ending: Ending,
    seed: u64,
    health_path: String,
    running: HashMap<String, Container>,
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
    pub(crate) fn new(clock: LabClock, ending: Ending, seed: u64, health_path: &str) -> Containers {
        let health_path = health_path.to_owned();
        Containers { clock, ending, seed, health_path, running: HashMap::new() }
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
        let seed = self.seed ^ u64::from(address.port()) << 20;
        let server = Arc::new(Server {
            id: task.id.clone(),
            clock: self.clock,
            born: self.clock.now_ms(),
            health_path: self.health_path.clone(),
            behaviour: Arc::clone(&behaviour),
            die: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        self.ending.spawn(serve(listener, server, told, self.ending.clone()));
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
    clock: LabClock,
    born: u64,
    health_path: String,
    behaviour: Arc<Mutex<Behaviour>>,
    die: Mutex<fastrand::Rng>,
}

async fn serve(listener: TcpListener, server: Arc<Server>, told: watch::Receiver<Order>, ending: Ending) {
    let connection = |stream| {
        let answered = converse(stream, Arc::clone(&server), told.clone());
        ending.spawn(answered);
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
    let age = Duration::from_millis(server.clock.now_ms().saturating_sub(server.born));
    let conduct = lock(&server.behaviour).at(age);
    let path = request.uri().path();
    if path == server.health_path || HEALTH_PATHS.contains(&path) {
        let (status, body) = if conduct.is_well { (200, "ok\n") } else { (503, "not well\n") };
        return Ok(respond(server, status, body, 0.0));
    }
    let (is_failed, time) = {
        let mut die = lock(&server.die);
        (die.f64() < conduct.errors, service_time(&mut die) + conduct.latency.as_secs_f64())
    };
    drop(request);
    server.clock.sleep(Duration::from_secs_f64(time)).await;
    let (status, body) = if is_failed { (500, "it broke\n") } else { (200, "served\n") };
    Ok(respond(server, status, body, time))
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

/// A log-normal time around the median, half as long to twice as long for nine requests in ten.
fn service_time(die: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - die.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * die.f64()).cos();
    SERVICE_TIME_MEDIAN * (0.4 * normal.clamp(-4.0, 4.0)).exp()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_times_lie_around_the_median() {
        let mut die = fastrand::Rng::with_seed(7);
        let mut times: Vec<f64> = (0..10_001).map(|_| service_time(&mut die)).collect();
        times.sort_by(f64::total_cmp);
        assert!((times[5_000] - SERVICE_TIME_MEDIAN).abs() < 0.001);
        assert!(times[9_500] < 0.045 && times[500] > 0.009);
    }
}
