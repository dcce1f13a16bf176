//! Figures of made-up rollouts, and of none.

use super::*;
use crate::report::sample::{ASCII, NARROW};

fn at(hours: u64) -> Timestamp {
    Timestamp::from_millis(1_795_442_400_000) + Duration::from_secs(3600 * hours)
}

fn delivery(name: &str, hours: u64, end: Option<End>) -> Delivery {
    let (started, took) = (at(hours), Duration::from_secs(600 + 60 * hours));
    let restored = (end == Some(End::RolledBack)).then(|| Duration::from_secs(1 + hours));
    Delivery { name: name.to_owned(), started, ended: end.map(|end| (started + took, end)), exposed: true, restored }
}

fn deliveries() -> Vec<Delivery> {
    let mut harmless = delivery("web", 72, Some(End::RolledBack));
    (harmless.exposed, harmless.restored) = (false, None);
    vec![
        delivery("web", 0, Some(End::Promoted)),
        delivery("web", 24, Some(End::RolledBack)),
        delivery("web", 48, Some(End::Promoted)),
        harmless,
        delivery("web", 96, Some(End::Promoted)),
        delivery("web", 97, None),
        delivery("sh\"op", 10, Some(End::Stranded)),
    ]
}

#[test]
fn figures_count_what_had_traffic() {
    let figures = Figures::of(Some("web"), &deliveries(), at(7 * 24)).unwrap();
    assert_eq!((figures.started, figures.promoted, figures.rolled_back, figures.harmless), (6, 3, 2, 1));
    assert_eq!((figures.per_week(), figures.failure()), (3.0, Some(0.25)));
    let expected = "\
web

  rollouts     6 in 7 days
  deployments  3 promoted, 3.0 a week
  failures     25%: 1 of 4 that had traffic; 1 more went back before any traffic
  restored in  25s; decision to traffic read back, once
  lead         median 58m, nine of ten within 1h 46m; start to promoted, 3 times
";
    let text = figures.text(ASCII);
    assert_eq!(text, expected, "\n{text}");
    assert!(figures.text(NARROW).lines().all(|line| line.len() <= 40));
    let json = figures.json();
    assert_eq!((&json["change_failure_ratio"], &json["restore"]["median_seconds"]), (&json!(0.25), &json!(25.0)));
}

#[test]
fn a_single_day_is_no_week_of_releases() {
    let one = [delivery("web", 0, Some(End::Promoted))];
    assert_eq!(Figures::of(None, &one, at(1)).unwrap().per_week(), 7.0);
}

#[test]
fn nothing_has_no_figures() {
    assert_eq!(Figures::of(None, &[], at(0)), None);
    assert_eq!(Figures::of(Some("nope"), &deliveries(), at(0)), None);
    let open = Figures::of(None, &[delivery("web", 0, None)], at(1)).unwrap();
    assert_eq!(open.failure(), None);
    assert!(open.text(ASCII).contains("never yet"));
}

#[test]
fn prometheus_reads_every_name_and_nothing_that_is_not_known() {
    let text = prometheus(&Figures::by_name(&deliveries(), at(7 * 24)));
    for line in [
        "tidegate_rollouts{name=\"web\",outcome=\"promoted\"} 3",
        "tidegate_rollouts{name=\"web\",outcome=\"open\"} 1",
        "tidegate_rollouts{name=\"sh\\\"op\",outcome=\"stranded\"} 1",
        "tidegate_change_failure_ratio{name=\"web\"} 0.25",
        "tidegate_restore_seconds_median{name=\"web\"} 25",
        "tidegate_last_rollout_timestamp_seconds{name=\"web\"} 1795791600",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("tidegate_lead_seconds_median{name=\"sh"), "{text}");
    let metric = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
    let mut seen: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(metric).collect();
    seen.dedup();
    let once: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "the lines of a metric stand together: {seen:?}");
}
