//! A rule that is there no more: what stands in its place is told, and never written.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::cloud::aws::fake::Reply;

const NEW: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/03/04/99";
const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/03/04";

/// A listener whose rule was deleted; a rule of these weights has the priority that it had.
fn listener(made_anew: Option<(u16, u16)>) -> Fake {
    Fake::new(move |seen| match (seen.operation.as_str(), seen.param("ListenerArn")) {
        ("DescribeRules", Some(arn)) => {
            assert_eq!(arn, LISTENER);
            let rule = made_anew.map(|weights| rule_xml(weights).replace(RULE, NEW)).unwrap_or_default();
            let rule = rule.trim_start_matches("<Rules>").trim_end_matches("</Rules>");
            let default = "<member><RuleArn>arn:default</RuleArn><Priority>default</Priority>\
                 <IsDefault>true</IsDefault><Actions><member><Type>fixed-response</Type></member></Actions></member>";
            Reply::xml("DescribeRules", &format!("<Rules>{rule}{default}</Rules>"))
        }
        ("DescribeRules" | "ModifyRule", None) | ("RemoveTags", _) => Reply::xml_error(400, "RuleNotFound"),
        (other, _) => panic!("{other} is not expected"),
    })
}

fn driver(fake: &Fake) -> AlbDriver {
    let weights = vec![(BLUE.into(), 100), (GREEN.into(), 0)];
    driver_with(fake, Recorded { weights, priority: Some(10), ..no_record() })
}

fn back() -> RouteOrder {
    RouteOrder { share: Share::NONE, expected: None, sticky: Some(false), by: None }
}

#[tokio::test(start_paused = true)]
async fn a_rule_made_anew_is_read_by_every_look_and_left_alone_by_every_write() {
    let fake = listener(Some((900, 100)));
    let driver = driver(&fake);
    let forward = RouteOrder { share: Share::ALL, expected: Share::from_permille(100), sticky: None, by: None };
    for seen in [driver.rule().await.unwrap(), driver.rule_at_once().await.unwrap()] {
        assert_eq!((seen.instead.as_deref(), seen.share), (Some(NEW), Share::from_permille(100)));
    }
    for order in [back(), forward] {
        let routed = driver.route(order).await;
        assert!(matches!(&routed, Ok(Routed::Foreign(seen)) if seen.instead.as_deref() == Some(NEW)), "{routed:?}");
    }
    assert!(!fake.operations().contains(&"ModifyRule".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_rule_is_told_with_what_meets_its_requests() {
    let fake = listener(None);
    let driver = driver(&fake);
    let faults = [driver.rule().await.unwrap_err(), driver.rule_at_once().await.unwrap_err()];
    for fault in faults.into_iter().chain([driver.route(back()).await.unwrap_err()]) {
        let words = "has none with priority 10 now; what may meet its requests: arn:default \
             (everything no other rule matches): fixed-response";
        assert!(fault.kind == FaultKind::Missing && fault.message.ends_with(words), "{fault}");
    }
    assert_eq!(driver.mark(Beacon::Absent).await, Ok(()), "its tags are gone with it");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_deleted_between_read_and_write_is_not_written_as_it_was() {
    let gone = AtomicBool::new(false);
    let fake = Fake::new(move |seen| match (seen.operation.as_str(), seen.param("ListenerArn")) {
        ("DescribeRules", Some(_)) => Reply::xml("DescribeRules", &rule_xml((0, 100)).replace(RULE, NEW)),
        ("DescribeRules", None) if !gone.load(Ordering::Relaxed) => Reply::xml("DescribeRules", &rule_xml((900, 100))),
        ("ModifyRule" | "DescribeRules", _) => {
            gone.store(true, Ordering::Relaxed);
            Reply::xml_error(400, "RuleNotFound")
        }
        (other, _) => panic!("{other} is not expected"),
    });
    let routed = driver(&fake).route(back()).await;
    assert!(matches!(&routed, Ok(Routed::Foreign(seen)) if seen.share == Some(Share::ALL)), "{routed:?}");
}
