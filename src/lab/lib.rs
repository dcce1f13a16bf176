//! An AWS account in miniature: real wire formats in front, a live loopback data plane behind.
//!
//! The API plane is one HTTP/1.1 port that speaks what AWS speaks: JSON 1.1 for ECS and Application Auto
//! Scaling, JSON 1.1 and RPC v2 CBOR for CodeDeploy, query and XML for load balancing and STS, RPC v2 CBOR,
//! JSON 1.0 and query for CloudWatch, REST with XML for S3 and with JSON for EventBridge Scheduler. Behind it
//! tasks are HTTP servers, the balancer really forwards, metrics come only from requests that really flowed,
//! alarms and scaling policies look at those, and schedules fire. Everything happens in lab time, see
//! [`LabClock`]. Only the hours before the start are made up, see [`LabConfig::past`]: drawn from what the tasks
//! do once they run.
//!
//! Beside the load balancer's metrics, which come by the minute and late, the tasks tell of themselves:
//! every ten seconds in the namespace `Lab/Service`, and as counters that Prometheus would scrape, which
//! `/_lab/prometheus` answers a little PromQL about.
//!
//! A service that ECS deploys by shifting traffic between two target groups, blue/green, canary or linear, goes
//! through the stages of such a deployment: its tasks start, the rule's weights are rewritten, pause hooks hold it,
//! and alarms, the breaker or somebody's word turn it back. A service whose controller is EXTERNAL is made of task
//! sets that anybody makes and scales. One that CodeDeploy deploys gets a replacement task set, the production
//! listener's weights over both target groups, the waits, and the rollback that CodeDeploy gives it.
//!
//! What goes in is held against AWS's service models, and refused as AWS refuses it; members that the lab does not read are
//! refused by name. In a build for tests what goes out is held against them too, see `api/contract.rs`.
//!
//! What it is not: signatures are not verified, listeners speak plain HTTP whatever their protocol says, and
//! rule transforms are kept but not applied. There is no Lambda, so no Lambda hooks. Every key may do everything,
//! but one from an assumed role only what the policy it was assumed with allows, and until it ends.
//!
//! Response times are `declared + overhead`: a task declares how long its work took in lab seconds
//! and sleeps that long on the stretched clock; what this machine adds on top is measured on the
//! wall clock and added as it is, up to 5 ms. So a fast lab does not multiply the machine's own noise,
//! and a busy machine does not make a release look slow.

#![expect(clippy::disallowed_methods, reason = "the lab is the outside world: it makes lab time out of the wall clock")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "times, counts and wire numbers are checked or far below the bounds"
)]

mod account;
mod api;
mod autoscaling;
mod balancer;
mod behaviour;
mod chance;
mod clock;
mod codedeploy;
mod config;
mod ending;
mod fault;
mod keys;
mod lag;
mod lock;
mod metrics;
mod model;
mod names;
mod notices;
mod outage;
mod past;
mod plain;
mod policy;
mod prometheus;
mod s3;
mod scheduler;
mod task;
mod telemetry;
mod timetable;
mod traffic;
mod turn;
mod usual;
mod value;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

pub use self::behaviour::{Behaviour, BehaviourError, Conduct, parse_duration, parse_share};
pub use self::clock::{LINE_BYTES, LabClock};
pub use self::config::{HealthCheckSeed, LabConfig, ServiceSeed, ShiftPauses, SlotSeed, WorldSeed};
pub use self::fault::{ApiFault, ApiFaultError, FaultKind};
pub use self::metrics::formula::Formula;
pub use self::outage::{Outage, OutageError};
pub use self::traffic::{GroupTraffic, TrafficFailure, TrafficReport};
use self::world::World;

/// A lab that runs; it ends when this is dropped or [`Lab::stop`] is called.
pub struct Lab {
    world: Arc<World>,
    address: SocketAddr,
}

impl Lab {
    /// Starts a lab: when this returns, the API answers and both slots serve what they are to serve.
    ///
    /// # Errors
    /// When the API port or a loopback port cannot be had.
    pub async fn start(config: LabConfig) -> std::io::Result<Lab> {
        let listener = tokio::net::TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let world = World::new(config);
        world.begin();
        api::serve(listener, &world);
        lag::watch(&world, address);
        Ok(Lab { world, address })
    }

    /// The URL of the API plane.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The listeners: `dns:port` as AWS would say it, and where each really is.
    pub fn connections(&self) -> Vec<(String, SocketAddr)> {
        self.world.balancer.connections()
    }

    /// What the simulated clients have seen so far.
    pub fn traffic(&self) -> TrafficReport {
        self.world.traffic.report()
    }

    /// Changes how many requests a lab second the simulated clients send.
    pub fn set_rps(&self, rps: f64) {
        self.world.traffic.set_rps(rps);
    }

    /// Lab time.
    pub fn clock(&self) -> LabClock {
        self.world.config.clock.clone()
    }

    /// The speed to which the clock was slowed when the machine did not keep the one that was asked for: once, the
    /// first time. Nothing when the lab ends before.
    pub fn slowed(&self) -> impl Future<Output = Option<f64>> + Send + 'static {
        let mut slowed = self.world.slowed.subscribe();
        async move { slowed.wait_for(Option::is_some).await.ok().and_then(|speed| *speed) }
    }

    /// Ends the lab and waits until all of it is gone.
    pub async fn stop(self) {
        self.world.ending.end();
        self.world.ending.ended().await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.world.ending.end();
    }
}

#[cfg(test)]
mod tests {
    use super::plain::Connection;
    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> u16 {
        let mut connection = Connection::open(address).await.expect("the lab listens");
        connection.ask(request.as_bytes()).await.expect("the lab answers").status
    }

    #[tokio::test]
    async fn a_lab_serves_from_the_start_and_ends_when_it_is_stopped() {
        let mut config = LabConfig { rps: 0.0, clock: LabClock::new(60.0), ..LabConfig::default() };
        config.world.rule_hosts = vec!["*.example".to_owned()];
        let lab = Lab::start(config).await.expect("a loopback port is free");
        let (name, listener) = lab.connections().remove(0);
        assert!(name.ends_with(".elb.amazonaws.com:80"), "{name}");
        assert_eq!(ask(listener, "GET / HTTP/1.1\r\nhost: lab.example\r\n\r\n").await, 200);
        assert_eq!(ask(listener, "GET / HTTP/1.1\r\nhost: other\r\n\r\n").await, 404);
        let api = lab.endpoint().trim_start_matches("http://").parse().expect("it is an address");
        assert_eq!(ask(api, "GET /_lab/traffic HTTP/1.1\r\nhost: lab\r\n\r\n").await, 200);
        assert_eq!(lab.traffic(), TrafficReport::default());
        lab.stop().await;
        assert!(Connection::open(listener).await.is_err());
        assert!(Connection::open(api).await.is_err());
    }

    #[tokio::test]
    async fn a_lab_whose_machine_is_late_slows_its_clock_and_says_so_once() {
        let config = LabConfig { rps: 0.0, clock: LabClock::new(40.0), ..LabConfig::default() };
        let lab = Lab::start(config).await.expect("a loopback port is free");
        let (clock, slowed) = (lab.clock(), lab.slowed());
        let late = async {
            // The only thread of this runtime sleeps: so late is a process that gets no processor.
            while clock.speed() > 10.0 {
                std::thread::sleep(std::time::Duration::from_millis(250));
                let before = clock.now_ms();
                clock.sleep(std::time::Duration::from_secs(1)).await;
                assert!(clock.now_ms() >= before);
            }
        };
        late.await;
        let said = slowed.await.expect("it is said");
        assert!(said <= 40.0 && clock.speed() <= 10.0, "{said}");
        lab.stop().await;
    }
}
