//! Clients whose operations are written by hand do what the SDK's do: they sign, try again, and ask the fence.

use serde_json::json;

use super::*;
use crate::cloud::aws::fake::{Fake, Reply};
use crate::cloud::aws::{autoscaling, elbv2, scheduler};
use crate::domain::clock::{Clock, Timestamp, wall_now};
use crate::domain::fault::FaultKind;
use crate::domain::safeguard::Scaling;

const NAME: scheduler::Name<'_> = scheduler::Name { group: "a b", name: "web" };

fn refusing(status: u16, code: &'static str) -> Fake {
    Fake::new(move |_| Reply::status(status, &json!({ "__type": code, "message": "no" })))
}

async fn delete(fake: &Fake) -> FaultKind {
    scheduler::delete(&fake.aws().writing.scheduler, NAME).await.unwrap_err().kind
}

async fn exists(fake: &Fake) -> FaultKind {
    scheduler::exists(&fake.aws().reading.scheduler, NAME).await.unwrap_err().kind
}

#[tokio::test(start_paused = true)]
async fn a_request_is_signed_for_its_service_and_goes_to_its_host() {
    let fake = Fake::new(|_| Reply::json(&json!({ "ScalableTargets": [] })));
    let aws = fake.aws();
    assert_eq!(scheduler::exists(&aws.reading.scheduler, NAME).await, Ok(true));
    assert_eq!(autoscaling::targets(&aws.polling.autoscaling, "prod", &["web"]).await, Ok(vec![None::<Scaling>]));
    let [schedule, targets] = &fake.seen()[..] else { panic!("{:?}", fake.operations()) };
    assert_eq!(schedule.uri, "https://scheduler.eu-west-1.amazonaws.com/schedules/web?groupName=a%20b");
    assert_eq!(targets.uri, "https://application-autoscaling.eu-west-1.amazonaws.com/");
    let target = "AnyScaleFrontendService.DescribeScalableTargets";
    assert_eq!(targets.header("x-amz-target").as_deref(), Some(target));
    for (seen, scope) in [(schedule, "scheduler"), (targets, "application-autoscaling")] {
        let signature = seen.header("authorization").unwrap();
        assert!(signature.contains(&format!("/eu-west-1/{scope}/aws4_request")), "{signature}");
        for header in ["x-amz-date", "user-agent", "amz-sdk-request", "amz-sdk-invocation-id"] {
            assert!(seen.header(header).is_some(), "{header}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_is_tried_three_times_and_a_write_once() {
    for (status, code) in [(500, "InternalServerException"), (429, "ThrottlingException")] {
        let fake = refusing(status, code);
        assert_eq!(exists(&fake).await, FaultKind::Transient);
        assert_eq!(fake.seen().len(), 3, "{code}");
    }
    let fake = refusing(500, "InternalServerException");
    assert_eq!((delete(&fake).await, fake.seen().len()), (FaultKind::Unknown, 1));
    let fake = refusing(429, "ThrottlingException");
    assert_eq!((delete(&fake).await, fake.seen().len()), (FaultKind::Transient, 1));
}

/// AWS with a clock that is so many minutes ahead of this machine's: it refuses what was signed by another.
fn ahead(minutes: i64) -> Fake {
    let now = i64::try_from(wall_now().as_millis()).unwrap();
    let now = jiff::Timestamp::from_millisecond(now + minutes * 60_000).unwrap();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Fake::new(move |seen| {
        let signed = seen.header("x-amz-date").unwrap();
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).unwrap();
        let signed = jiff::tz::TimeZone::UTC.to_timestamp(signed).unwrap();
        let reply = if signed.duration_since(now).abs() > jiff::SignedDuration::from_mins(5) {
            Reply::xml_error(403, "SignatureDoesNotMatch")
        } else {
            Reply::xml("ModifyRule", "<Rules></Rules>")
        };
        Reply::Dated(date.clone(), Box::new(reply))
    })
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_for_a_wrong_clock_is_sent_again_by_awss() {
    for minutes in [20, -20] {
        let fake = ahead(minutes);
        let aws = fake.aws();
        assert_eq!(scheduler::delete(&aws.writing.scheduler, NAME).await, Ok(()), "one of ours");
        assert_eq!(elbv2::touch(&aws.writing.elb, "arn:rule").await, Ok(()), "one of the SDK's");
        assert_eq!(fake.operations(), ["DeleteSchedule", "DeleteSchedule", "ModifyRule", "ModifyRule"]);
        let off = aws.ahead().unwrap() - minutes * 60_000;
        assert!(off.abs() < 60_000, "{off}");
        assert_eq!(elbv2::touch(&aws.writing.elb, "arn:rule").await, Ok(()));
        assert_eq!(fake.seen().len(), 5, "what is known is not learned again");
    }
    let fake = Fake::new(|_| Reply::xml_error(403, "SignatureDoesNotMatch"));
    let fault = elbv2::touch(&fake.aws().writing.elb, "arn:rule").await.unwrap_err();
    assert_eq!((fault.kind, fake.seen().len()), (FaultKind::Denied, 1), "a denial is one by either clock");
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_write_without_an_answer_is_unknown() {
    let lost = Fake::new(|_| Reply::Lost);
    assert_eq!((delete(&lost).await, lost.seen().len()), (FaultKind::Unknown, 1));
    let silent = Fake::new(|_| Reply::Never);
    assert_eq!((delete(&silent).await, silent.seen().len()), (FaultKind::Unknown, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_in_the_services_words() {
    let fault = |fake: Fake| async move { scheduler::delete(&fake.aws().writing.scheduler, NAME).await.unwrap_err() };
    let denied = fault(refusing(403, "com.amazonaws.scheduler#AccessDeniedException:http://x")).await;
    assert_eq!((denied.kind, denied.message.as_str()), (FaultKind::Denied, "AccessDeniedException: no"));
    assert_eq!(fault(refusing(404, "ResourceNotFoundException")).await.kind, FaultKind::Missing);
    assert_eq!(fault(refusing(403, "ExpiredTokenException")).await.kind, FaultKind::Expired);
    assert_eq!(fault(refusing(409, "ConflictException")).await.kind, FaultKind::Transient);
    let page = fault(Fake::new(|_| Reply::Body(403, "text/html", b"<html>".to_vec()))).await;
    assert_eq!((page.kind, page.message.starts_with("status 403: ")), (FaultKind::Denied, true), "{page:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_fence_stops_a_write_and_no_read() {
    let fake = Fake::new(|_| Reply::json(&json!({})));
    let fence = Fence::new(Clock::starting_at(Timestamp::default(), 1.0));
    let aws = fake.aws().fenced(&fence);
    fence.close();
    let fault = scheduler::delete(&aws.writing.scheduler, NAME).await.unwrap_err();
    let words = "not sent: somebody else has taken over";
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Transient, words));
    assert_eq!(fake.seen().len(), 0);
    assert_eq!(scheduler::exists(&aws.reading.scheduler, NAME).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn without_a_region_nothing_is_sent() {
    let fake = Fake::new(|_| Reply::json(&json!({})));
    let config = fake.aws().config.to_builder().region(None).build();
    let aws = crate::cloud::aws::Aws::from_config(&config);
    let fault = scheduler::exists(&aws.reading.scheduler, NAME).await.unwrap_err();
    assert!(fault.message.contains("Missing Region"), "{fault:?}");
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn what_is_no_letter_of_a_path_is_encoded() {
    assert_eq!(encoded("a/b c+ü~", true), "a/b%20c%2B%C3%BC~");
    assert_eq!(encoded("a/b", false), "a%2Fb");
}
