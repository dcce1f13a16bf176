//! The way back where AWS is slow, refuses or does not answer: how soon the write is accepted, and what is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::{Reply, Seen};

/// How long a call takes where AWS is slow.
pub(super) const SLOW: Duration = Duration::from_secs(1);
/// In which time the traffic is to be given back.
const BUDGET: Duration = Duration::from_secs(4);
/// How long the first read before the write may take, as the machine asks.
const FIRST_READ: Duration = Duration::from_millis(1500);

/// A load balancer whose answers are as `script` says, by operation and the number of the call; what is not scripted
/// succeeds. It remembers when a write was accepted.
pub(super) struct Balancer {
    pub fake: Fake,
    pub accepted: Arc<Mutex<Vec<Timestamp>>>,
    pub clock: Clock,
}

impl Balancer {
    /// Answers after `latency`; a write is accepted when it is answered.
    pub(super) fn new(
        latency: Duration,
        script: impl Fn(&str, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Balancer {
        let clock = Clock::starting_at(NOW, 1.0);
        let accepted = Arc::<Mutex<Vec<Timestamp>>>::default();
        let state = Mutex::new(((900, 100), std::collections::BTreeMap::<String, usize>::new()));
        let (told, at) = (accepted.clone(), clock.clone());
        let fake = Fake::new(move |seen| {
            let mut state = state.lock().unwrap();
            let nth = state.1.entry(seen.operation.clone()).or_default();
            *nth += 1;
            if let Some(reply) = script(&seen.operation, *nth) {
                return reply;
            }
            let reply = match seen.operation.as_str() {
                "DescribeRules" => Reply::xml("DescribeRules", &rule_xml(state.0)),
                "DescribeTargetHealth" => Reply::xml("DescribeTargetHealth", &health_xml(4)),
                "ModifyRule" => {
                    state.0 = written(seen);
                    told.lock().unwrap().push(at.now() + latency);
                    Reply::xml("ModifyRule", "<Rules></Rules>")
                }
                other => panic!("{other} is not expected"),
            };
            reply.after(latency)
        });
        Balancer { fake, accepted, clock }
    }

    /// The driver of a rollout that began with everything on blue.
    pub(super) async fn driver(&self) -> AlbDriver {
        let weights = vec![(BLUE.into(), 100), (GREEN.into(), 0)];
        let before = Fake::new(|_| Reply::xml("DescribeRules", &rule_xml((100, 0))));
        let shape = driver_with(&before, no_record()).rule().await.unwrap().shape;
        driver_with(&self.fake, Recorded { weights, stickiness: Some(Duration::from_secs(600)), shape, ..no_record() })
    }

    /// How long after `from` the first write was accepted.
    pub(super) fn took(&self, from: Timestamp) -> Duration {
        self.accepted.lock().unwrap().iter().min().expect("a write is accepted").since(from)
    }

    pub(super) fn calls(&self, operation: &str) -> usize {
        self.fake.operations().iter().filter(|called| *called == operation).count()
    }

    pub(super) async fn pass(&self, span: Duration) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }
}

fn written(seen: &Seen) -> (u16, u16) {
    let key = |n| format!("Actions.member.2.ForwardConfig.TargetGroups.member.{n}.Weight");
    let weight = |n| seen.param(&key(n)).and_then(|text| text.parse().ok()).expect("a weight");
    (weight(1), weight(2))
}

fn health_xml(healthy: usize) -> String {
    let one = "<member><Target><Id>10.0.0.1</Id></Target><TargetHealth><State>healthy</State></TargetHealth></member>";
    format!("<TargetHealthDescriptions>{}</TargetHealthDescriptions>", one.repeat(healthy))
}

fn back() -> RouteOrder {
    RouteOrder { share: Share::NONE, expected: None, sticky: Some(false), by: None }
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::xml_error(status, code).after(SLOW)
}

#[tokio::test(start_paused = true)]
async fn the_write_is_accepted_in_time_whatever_becomes_of_its_first_two_attempts() {
    let replies: [fn() -> Reply; 4] = [
        || refused(500, "InternalFailure"),
        || refused(400, "Throttling"),
        || Reply::Lost.after(SLOW),
        || Reply::Never,
    ];
    for reply in replies {
        let aws = Balancer::new(SLOW, move |call, nth| (call == "ModifyRule" && nth <= 2).then(reply));
        let ordered = aws.clock.now();
        let routed = aws.driver().await.route(back()).await;
        assert!(matches!(routed, Ok(Routed::Written(_) | Routed::Unsettled(_))), "{routed:?}");
        assert!(aws.took(ordered) <= BUDGET, "{:?}: {:?}", reply(), aws.took(ordered));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_answered_at_once_is_sent_once() {
    let aws = Balancer::new(Duration::from_millis(200), |_, _| None);
    let routed = aws.driver().await.route(back()).await;
    assert!(matches!(&routed, Ok(Routed::Written(seen)) if seen.share == Some(Share::NONE)), "{routed:?}");
    assert_eq!(aws.calls("ModifyRule"), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_four_attempts_are_without_an_answer() {
    let aws = Balancer::new(SLOW, |call, _| (call == "ModifyRule").then_some(Reply::Never));
    let driver = aws.driver().await;
    tokio::select! {
        routed = driver.route(back()) => panic!("{routed:?}"),
        () = aws.pass(Duration::from_millis(5900)) => {}
    }
    assert_eq!(aws.calls("ModifyRule"), 4, "the read took a second, an attempt has five");
    let fault = driver.route(back()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unknown);
    let after = aws.clock.now().since(NOW);
    assert!(after <= Duration::from_millis(5900) + Duration::from_secs(17), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_denial_ends_it_only_when_nothing_else_is_out() {
    let aws = Balancer::new(SLOW, |call, nth| {
        (call == "ModifyRule" && nth == 2).then(|| Reply::xml_error(403, "AccessDenied"))
    });
    let routed = aws.driver().await.route(back()).await;
    assert!(matches!(routed, Ok(Routed::Written(_))), "{routed:?}");
    let aws = Balancer::new(SLOW, |call, _| (call == "ModifyRule").then(|| Reply::xml_error(403, "AccessDenied")));
    assert_eq!(aws.driver().await.route(back()).await.unwrap_err().kind, FaultKind::Denied);
    assert_eq!(aws.calls("ModifyRule"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_may_still_arrive_is_told_of() {
    let check = async |first: Reply, settled: bool| {
        let told = format!("{first:?}");
        let aws = Balancer::new(SLOW, move |call, nth| (call == "ModifyRule" && nth == 1).then(|| first.clone()));
        let routed = aws.driver().await.route(back()).await.unwrap();
        assert_eq!(matches!(routed, Routed::Written(_)), settled, "{told}: {routed:?}");
    };
    check(Reply::Never, false).await;
    check(refused(500, "InternalFailure"), false).await;
    check(refused(400, "Throttling"), true).await;
    let late = Reply::xml("ModifyRule", "<Rules></Rules>").after(Duration::from_millis(1800));
    check(late, true).await;
}

#[tokio::test(start_paused = true)]
async fn the_rule_is_read_right_before_the_write() {
    let check = async |age: Duration, reads: usize| {
        let aws = Balancer::new(Duration::ZERO, |_, _| None);
        let driver = aws.driver().await;
        driver.rule_at_once().await.unwrap();
        aws.pass(age).await;
        driver.route(back()).await.unwrap();
        let calls = aws.fake.operations();
        assert_eq!(calls.iter().position(|call| call == "ModifyRule"), Some(reads), "{age:?} old: {calls:?}");
    };
    // The first read of the way back is not taken twice.
    check(Duration::from_millis(900), 1).await;
    check(Duration::from_millis(1100), 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cannot_be_read_is_written_as_it_was_last_read() {
    let aws = Balancer::new(Duration::ZERO, |call, nth| (call == "DescribeRules" && nth > 1).then_some(Reply::Never));
    let driver = aws.driver().await;
    driver.rule().await.unwrap();
    aws.pass(Duration::from_secs(60)).await;
    let ordered = aws.clock.now();
    let fault = driver.route(back()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unknown, "it cannot be read back");
    assert!(aws.took(ordered) <= BUDGET, "{:?}", aws.took(ordered));
}

/// A tenth of all calls fails, half of them for good as far as this call goes.
fn troubled(seed: u64) -> Balancer {
    let die = Mutex::new(fastrand::Rng::with_seed(seed));
    Balancer::new(SLOW, move |_, _| {
        let mut die = die.lock().unwrap();
        let fails = die.u8(0..10) == 0;
        fails.then(|| if die.bool() { refused(500, "InternalFailure") } else { refused(400, "Throttling") })
    })
}

/// What the way back begins with, within its bound.
async fn first_read(aws: &Balancer, driver: &AlbDriver) {
    let reads = async { tokio::join!(driver.rule_at_once(), driver.healthy_at_once(Role::Stable)) };
    tokio::select! {
        _ = reads => {}
        () = aws.pass(FIRST_READ) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_traffic_is_back_in_time_in_every_run_where_calls_take_a_second_and_a_tenth_fails() {
    let mut took = Vec::new();
    for seed in 0..200 {
        let aws = troubled(seed);
        let driver = aws.driver().await;
        // An ordinary look, some time before.
        let _ = driver.rule().await;
        aws.pass(Duration::from_secs(seed % 15)).await;
        let told = aws.clock.now();
        first_read(&aws, &driver).await;
        while driver.route(back()).await.is_err() && aws.accepted.lock().unwrap().is_empty() {}
        took.push(aws.took(told));
    }
    took.sort();
    println!("accepted after: median {:?}, 95 % {:?}, most {:?}", took[100], took[190], took[199]);
    assert!(took[199] <= BUDGET, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shift_in_flight_does_not_keep_the_traffic_from_being_back_in_time() {
    let mut took = Vec::new();
    for seed in 0..200 {
        let aws = troubled(seed);
        let driver = aws.driver().await;
        let _ = driver.rule().await;
        let shift = RouteOrder { share: Share::ALL, expected: Share::from_permille(100), sticky: None, by: None };
        let stopped = async {
            aws.pass(Duration::from_millis(seed * 20)).await;
            driver.make_way();
            aws.clock.now()
        };
        let (_, told) = tokio::join!(driver.route(shift), stopped);
        aws.accepted.lock().unwrap().clear();
        while driver.route(back()).await.is_err() && aws.accepted.lock().unwrap().is_empty() {}
        took.push(aws.took(told));
    }
    took.sort();
    println!("accepted after: median {:?}, 95 % {:?}, most {:?}", took[100], took[190], took[199]);
    assert!(took[199] <= BUDGET, "{took:?}");
}
