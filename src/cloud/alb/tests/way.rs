//! Forward writes that make way.

use std::time::Duration;

use super::back::{Balancer, SLOW};
use super::*;
use crate::cloud::aws::fake::Reply;

fn shift() -> RouteOrder {
    RouteOrder { share: Share::ALL, expected: Share::from_permille(100), sticky: None, by: None }
}

/// What a write says that is asked to make way after `span`, and how long after that.
async fn asked_after<T>(
    aws: &Balancer,
    driver: &AlbDriver,
    span: Duration,
    write: impl Future<Output = Result<T, Fault>>,
) -> (Option<FaultKind>, Duration) {
    let ask = async {
        aws.pass(span).await;
        driver.make_way();
        aws.clock.now()
    };
    let write = async { (write.await.err().map(|fault| fault.kind), aws.clock.now()) };
    let ((kind, ended), asked) = tokio::join!(write, ask);
    (kind, ended.since(asked))
}

#[tokio::test(start_paused = true)]
async fn a_shift_that_is_not_sent_yet_is_not_sent() {
    let aws = Balancer::new(SLOW, |_, _| None);
    let driver = aws.driver().await;
    let ended = asked_after(&aws, &driver, SLOW / 2, driver.route(shift())).await;
    assert_eq!(ended, (Some(FaultKind::Transient), Duration::ZERO));
    assert_eq!(aws.calls("ModifyRule"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shift_that_is_sent_ends_with_its_own_answer_and_is_unknown() {
    let aws = Balancer::new(SLOW, |_, _| None);
    let driver = aws.driver().await;
    let ended = asked_after(&aws, &driver, SLOW * 3 / 2, driver.route(shift())).await;
    assert_eq!(ended, (Some(FaultKind::Unknown), SLOW / 2));
    assert_eq!((aws.calls("ModifyRule"), aws.accepted.lock().unwrap().len()), (1, 1), "it is never dropped");
}

#[tokio::test(start_paused = true)]
async fn a_shift_that_is_read_back_is_not_read_to_the_end() {
    let aws = Balancer::new(SLOW, |_, _| None);
    let driver = aws.driver().await;
    let ended = asked_after(&aws, &driver, SLOW * 5 / 2, driver.route(shift())).await;
    assert_eq!(ended, (Some(FaultKind::Unknown), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_not_asked_for_yet_are_not_asked_for() {
    let fake = Fake::new(|_| Reply::json(&json!({ "services": [service("web-green", 0, 0)] })).after(SLOW));
    let aws = Balancer::new(SLOW, |_, _| None);
    let driver = driver_with(&fake, no_record());
    let scale = driver.scale(Role::Candidate, 4, Some("arn:web:8"));
    let ended = asked_after(&aws, &driver, SLOW / 2, scale).await;
    assert_eq!(ended, (Some(FaultKind::Transient), Duration::ZERO));
    assert_eq!(fake.operations(), ["DescribeServices"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_write_in_flight_makes_way() {
    let aws = Balancer::new(SLOW, |_, _| None);
    let driver = aws.driver().await;
    asked_after(&aws, &driver, SLOW / 2, driver.route(shift())).await;
    assert!(matches!(driver.route(shift()).await, Ok(Routed::Written(_))));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_has_not_begun_makes_way_too() {
    let aws = Balancer::new(SLOW, |_, _| None);
    let driver = aws.driver().await;
    driver.make_way();
    assert_eq!(driver.route(shift()).await.unwrap_err().kind, FaultKind::Transient);
    assert_eq!(aws.calls("ModifyRule"), 0);
}
