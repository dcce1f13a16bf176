//! The journal: every value survives, every damage is noticed, every version is read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::samples::{events, header};
use super::*;
use crate::domain::approval::Approval;
use crate::domain::driver::{Deployment, DeploymentState, Driver};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{AlarmState, Capacity, Fleet, GivenUp, RuleSeen, Stopped};
use crate::gate::{AlarmData, AlarmReading, Reading, Watched};
use crate::machine::{Answer, Left, Observation, OperatorRequest};
use crate::plan::{Action, Undoes};
use crate::store::Claim;

/// A store in a folder, the rollout in it, and the rollout's folder.
struct Kept {
    _folder: tempfile::TempDir,
    store: Store,
    id: RolloutId,
    path: PathBuf,
}

async fn recorded(count: usize) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_folder(folder.path().to_owned()).unwrap();
    let mut journal = Journal::create(&store, &header()).await.unwrap();
    for (at, event) in (0..).zip(events().iter().take(count)) {
        journal.append(Timestamp::from_millis(at), event).await.unwrap();
    }
    let path = folder.path().join(format!("rollouts/{}", header().id));
    Kept { _folder: folder, store, id: header().id, path }
}

impl Kept {
    async fn read(&self) -> Result<Recorded, JournalError> {
        read(&self.store, &self.id).await
    }

    async fn open(&self) -> Result<(Journal, Recorded), JournalError> {
        Journal::open(&self.store, &self.id).await
    }

    async fn text(&self) -> Vec<u8> {
        self.store.lines(&self.id, JournalPlace::default()).await.unwrap()
    }

    /// Puts another journal in its place, in one file, as earlier versions did.
    fn rewrite(&self, text: impl AsRef<[u8]>) {
        let _ = std::fs::remove_dir_all(self.path.join("journal"));
        std::fs::write(self.path.join("tape.jsonl"), text).unwrap();
    }
}

/// Values hold NaN, which equals nothing: what they look like is compared.
fn looks<T: std::fmt::Debug>(value: &T) -> String {
    format!("{value:#?}")
}

#[tokio::test]
async fn every_value_survives_the_journal() {
    let kept = recorded(usize::MAX).await;
    let recorded = kept.read().await.unwrap();
    assert_eq!(looks(&recorded.header), looks(&header()));
    let read: Vec<Event> = recorded.records.iter().map(|record| record.event.clone()).collect();
    assert_eq!(looks(&read), looks(&events()));
    assert_eq!(recorded.end, JournalEnd::Clean);
    assert!((1..).zip(&recorded.records).all(|(seq, record)| record.seq == seq && record.at.as_millis() == seq - 1));
}

#[tokio::test]
async fn fractions_survive_to_the_last_bit() {
    use crate::gate::{MetricReading, Point, Reading};
    use crate::machine::{Answer, Observation};
    let kept = recorded(0).await;
    let values = [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, -0.0, 5e-324, f64::NEG_INFINITY];
    let points = values.map(|value| Point { at: Timestamp::default(), value });
    let reading = Reading::Metric(MetricReading { values: points.to_vec(), samples: Vec::new() });
    let seen = Observation { readings: vec![(0, reading)], ..Observation::default() };
    let event = Event::Answered { id: 1, answer: Answer::Seen(Box::new(seen)) };
    kept.open().await.unwrap().0.append(Timestamp::default(), &event).await.unwrap();
    assert_eq!(kept.read().await.unwrap().records[0].event, event);
}

#[tokio::test]
async fn nobody_else_can_read_a_journal() {
    let kept = recorded(1).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = kept.path.join("journal");
    assert_eq!((mode(&folder.join("00000001.json")), mode(&folder), mode(&kept.path)), (0o600, 0o700, 0o700));
}

#[tokio::test]
async fn a_journal_is_never_begun_twice() {
    let kept = recorded(1).await;
    assert!(matches!(Journal::create(&kept.store, &header()).await, Err(JournalError::Taken(_))));
    assert_eq!(kept.read().await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_journal_goes_on_where_it_was_cut() {
    let kept = recorded(2).await;
    let whole = kept.text().await;
    kept.rewrite(&whole[..whole.len() - 3]);
    let (mut journal, recorded) = kept.open().await.unwrap();
    assert_eq!(recorded.records.len(), 1);
    let JournalEnd::Torn { at, bytes } = recorded.end else { panic!("{:?}", recorded.end) };
    assert_eq!(at + bytes, whole.len() as u64 - 3);
    journal.append(Timestamp::from_millis(7), &Event::Woken).await.unwrap();
    let recorded = kept.read().await.unwrap();
    assert_eq!((recorded.records.len(), recorded.end), (2, JournalEnd::Clean));
    assert_eq!(recorded.records[1], Record { seq: 2, at: Timestamp::from_millis(7), event: Event::Woken });
}

#[tokio::test]
async fn a_journal_cut_anywhere_is_a_prefix() {
    let kept = recorded(4).await;
    let bytes = kept.text().await;
    let whole = read::scan(&bytes).unwrap().recorded;
    let header_ends = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..bytes.len() {
        match read::scan(&bytes[..length]) {
            Ok(scan) => {
                let bytes = scan.place().bytes;
                let records = scan.recorded.records;
                assert!(length >= header_ends && records.len() < whole.records.len() && bytes <= length as u64);
                assert_eq!(records, whole.records[..records.len()]);
            }
            Err(error) => assert!(matches!(error, JournalError::NoHeader) && length < header_ends, "{error}"),
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_is_noticed() {
    let kept = recorded(4).await;
    let bytes = kept.text().await;
    let whole = read::scan(&bytes).unwrap().recorded;
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(scan) = read::scan(&flipped) {
            assert_ne!(scan.recorded.end, JournalEnd::Clean, "byte {at}");
            assert_eq!(scan.recorded.records, whole.records[..scan.recorded.records.len()], "byte {at}");
            assert!(scan.recorded.records.len() < whole.records.len(), "byte {at}");
        }
    }
}

#[tokio::test]
async fn lines_that_are_lost_doubled_or_swapped_are_damage() {
    let kept = recorded(4).await;
    let text = String::from_utf8(kept.text().await).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let damages: [(&[usize], usize); 3] = [(&[0, 2, 3, 4], 2), (&[0, 1, 1, 2, 3], 3), (&[0, 1, 3, 2, 4], 3)];
    for (order, line) in damages {
        let text: String = order.iter().map(|at| lines[*at]).collect();
        kept.rewrite(&text);
        let recorded = kept.read().await.unwrap();
        assert!(
            matches!(&recorded.end, JournalEnd::Damaged { line: found, .. } if *found == line),
            "{order:?}: {recorded:?}"
        );
        assert_eq!(recorded.records.len(), line - 2);
        assert!(matches!(kept.open().await, Err(JournalError::Damaged { .. })));
        assert_eq!(String::from_utf8(kept.text().await).unwrap(), text);
    }
}

#[tokio::test]
async fn a_damaged_journal_goes_on_from_what_is_whole_and_is_kept_beside() {
    let kept = recorded(4).await;
    let mut bytes = kept.text().await;
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    bytes[third + 5] ^= 1;
    kept.rewrite(&bytes);
    let (mut journal, recorded) = Journal::salvage(&kept.store, &kept.id).await.unwrap();
    assert_eq!(recorded.records.len(), 2);
    journal.append(Timestamp::from_millis(9), &Event::Woken).await.unwrap();
    let again = kept.read().await.unwrap();
    assert_eq!((again.records.len(), again.end), (3, JournalEnd::Clean));
    assert_eq!(std::fs::read(kept.path.join("tape.damaged.jsonl")).unwrap(), bytes);
}

#[tokio::test]
async fn a_line_that_lost_its_end_is_damage_and_not_a_torn_tail() {
    let kept = recorded(4).await;
    for rest in [20, 0] {
        let last = std::fs::OpenOptions::new().write(true).open(kept.path.join("journal/00000004.json")).unwrap();
        last.set_len(rest).unwrap();
        assert!(matches!(kept.open().await, Err(JournalError::Damaged { line: 5, .. })));
        let (mut journal, recorded) = Journal::salvage(&kept.store, &kept.id).await.unwrap();
        assert_eq!(recorded.records.len(), 3);
        journal.append(Timestamp::from_millis(9), &Event::Woken).await.unwrap();
        let again = kept.read().await.unwrap();
        assert_eq!((again.records.len(), again.end), (4, JournalEnd::Clean));
    }
}

#[tokio::test]
async fn a_later_format_is_refused_with_what_the_way_back_needs() {
    let kept = recorded(0).await;
    let (now, later) = (format!("\"format\":{FORMAT}"), format!("\"format\":{}", FORMAT + 1));
    let written = record::encode_header(&header()).unwrap().replacen(&now, &later, 1);
    let (line, _) = Chain::default().seal(&written);
    kept.rewrite(line);
    let Err(JournalError::TooNew { format, recovery: Some(recovery), .. }) = kept.read().await else { panic!() };
    assert_eq!(format, FORMAT + 1);
    assert_eq!(recovery.actions_json, header().plan.before.actions_json);
    assert_eq!(recovery.rule, header().plan.target.rule);
}

#[tokio::test]
async fn a_field_from_a_later_minor_version_is_ignored_and_an_event_is_not() {
    let kept = recorded(0).await;
    let text = String::from_utf8(kept.text().await).unwrap();
    let chain = Chain::default().verify(text.trim_end().as_bytes()).unwrap();
    let (known, chain) = chain.seal(r#"{"seq":1,"at":5,"mood":"calm","event":{"started":{"by":"a@b","from":"ci"}}}"#);
    let (unknown, chain) = chain.seal(r#"{"seq":2,"at":6,"event":{"prayed":{}}}"#);
    let (last, _) = chain.seal(r#"{"seq":3,"at":7,"event":"woken"}"#);
    kept.rewrite(text + &known + &unknown + &last);
    let recorded = kept.read().await.unwrap();
    assert_eq!(recorded.records.len(), 1);
    assert!(matches!(recorded.end, JournalEnd::Damaged { line: 3, .. }));
}

#[tokio::test]
async fn of_two_writers_of_one_journal_the_slower_stops() {
    let kept = recorded(1).await;
    let (mut one, _) = kept.open().await.unwrap();
    let (mut other, _) = kept.open().await.unwrap();
    one.append(Timestamp::from_millis(5), &Event::Woken).await.unwrap();
    let mut late = async || other.append(Timestamp::from_millis(6), &Event::Woken).await;
    assert!(matches!(late().await, Err(JournalError::Taken(_))));
    assert!(matches!(late().await, Err(JournalError::Broken(_))));
    one.append(Timestamp::from_millis(7), &Event::Woken).await.unwrap();
    let recorded = kept.read().await.unwrap();
    assert_eq!((recorded.records.len(), recorded.end), (3, JournalEnd::Clean));
}

#[tokio::test]
async fn a_line_that_a_store_failed_to_write_is_the_only_one_that_can_be_written_next() {
    for (again, written) in [(Event::Woken, true), (Event::Interrupted { signal: "SIGINT".into() }, false)] {
        let kept = recorded(1).await;
        let (mut journal, _) = kept.open().await.unwrap();
        let (here, away) = (kept.path.join("journal"), kept.path.join("away"));
        std::fs::rename(&here, &away).unwrap();
        std::fs::write(&here, "no folder").unwrap();
        let failed = journal.append(Timestamp::from_millis(5), &Event::Woken).await;
        assert!(matches!(failed, Err(JournalError::Store(_))));
        std::fs::remove_file(&here).unwrap();
        std::fs::rename(&away, &here).unwrap();
        let then = journal.append(Timestamp::from_millis(5), &again).await;
        assert_eq!((then.is_ok(), matches!(then, Err(JournalError::Broken(_)))), (written, !written));
        let recorded = kept.read().await.unwrap();
        assert_eq!((recorded.records.len(), recorded.end), (if written { 2 } else { 1 }, JournalEnd::Clean));
    }
}

#[tokio::test]
async fn a_line_that_is_there_already_is_ours_and_not_a_strangers() {
    let kept = recorded(1).await;
    let (mut lost, _) = kept.open().await.unwrap();
    let (mut journal, _) = kept.open().await.unwrap();
    lost.append(Timestamp::from_millis(5), &Event::Woken).await.unwrap();
    journal.append(Timestamp::from_millis(5), &Event::Woken).await.unwrap();
    assert_eq!(kept.read().await.unwrap().records.len(), 2);
}

#[tokio::test]
async fn a_first_line_that_is_damaged_is_nonsense_and_its_rule_is_still_found() {
    let rule = header().plan.target.rule;
    for damage in ["flipped", "empty", "gone"] {
        let kept = recorded(2).await;
        let path = kept.path.join("journal/00000000.json");
        let mut line = std::fs::read(&path).unwrap();
        line[1] ^= 1;
        match damage {
            "flipped" => std::fs::write(&path, &line).unwrap(),
            "empty" => std::fs::write(&path, "").unwrap(),
            _ => std::fs::remove_file(&path).unwrap(),
        }
        for error in [super::header(&kept.store, &kept.id).await.unwrap_err(), kept.read().await.unwrap_err()] {
            assert!(error.is_nonsense(), "{damage}: {error}");
        }
        let found = rule_of(&kept.store, &kept.id).await;
        assert_eq!(found.as_deref(), Some(&*rule).filter(|_| damage == "flipped"), "{damage}");
        let clock = crate::domain::clock::Clock::wall();
        let owner = crate::store::this_owner("ana".into(), &clock);
        kept.store.begin(&rule, &[], Claim { rollout: &kept.id, owner: &owner }, &clock).await.unwrap();
        assert_eq!(rule_of(&kept.store, &kept.id).await.as_deref(), Some(&*rule), "{damage}");
    }
}

#[tokio::test]
async fn a_journal_that_is_removed_while_it_is_written_is_not_made_anew_without_its_beginning() {
    for what in ["", "journal", "journal/00000001.json"] {
        let kept = recorded(1).await;
        let (mut journal, _) = kept.open().await.unwrap();
        let path = kept.path.join(what);
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }.unwrap();
        let failed = journal.append(Timestamp::from_millis(5), &Event::Woken).await.unwrap_err();
        assert!(failed.to_string().ends_with("its line 2 is gone"), "{what}: {failed}");
        assert!(!kept.path.join("journal/00000002.json").exists(), "{what}");
    }
    let kept = recorded(1).await;
    let (mut journal, _) = kept.open().await.unwrap();
    std::fs::write(kept.path.join("journal/00000001.json"), "{}\n").unwrap();
    let failed = journal.append(Timestamp::from_millis(5), &Event::Woken).await.unwrap_err();
    assert!(failed.to_string().ends_with("is not what was written any more"), "{failed}");
}

#[tokio::test]
async fn a_line_that_is_missing_in_the_middle_is_damage_and_no_end() {
    for (number, line) in [(2, 3), (1, 2), (0, 1)] {
        let kept = recorded(4).await;
        std::fs::remove_file(kept.path.join(format!("journal/{number:08}.json"))).unwrap();
        let opened = kept.open().await;
        assert!(matches!(opened, Err(JournalError::Damaged { line: found, .. }) if found == line), "{number}");
    }
}

#[tokio::test]
async fn a_tail_that_is_missing_is_damage_because_the_lease_knows_better() {
    use crate::domain::clock::Clock;
    let kept = recorded(3).await;
    let clock = Clock::wall();
    let owner = crate::store::this_owner("ana".into(), &clock);
    let rule = header().plan.target.rule;
    let mut lease = kept.store.begin(&rule, &[], Claim { rollout: &kept.id, owner: &owner }, &clock).await.unwrap();
    lease.hand_over().await.unwrap();
    assert!(kept.open().await.is_ok());
    std::fs::remove_file(kept.path.join("journal/00000003.json")).unwrap();
    let opened = kept.open().await;
    assert!(matches!(&opened, Err(JournalError::Damaged { line: 4, .. })), "{opened:?}");
    let (mut journal, recorded) = Journal::salvage(&kept.store, &kept.id).await.unwrap();
    assert_eq!(recorded.records.len(), 2);
    journal.append(Timestamp::from_millis(9), &Event::Woken).await.unwrap();
    assert!(kept.open().await.is_ok(), "one that was cut for the way back goes on");
}

#[tokio::test]
async fn a_tail_hears_what_is_written_after_it_and_waits_for_the_rest_of_a_line() {
    let kept = recorded(2).await;
    let (mut tail, recorded) = Tail::open(&kept.store, &kept.id).await.unwrap();
    assert_eq!(recorded.records.len(), 2);
    assert!(tail.news(&kept.store, &kept.id).await.unwrap().is_empty());
    let (mut journal, _) = kept.open().await.unwrap();
    journal.append(Timestamp::from_millis(7), &Event::Woken).await.unwrap();
    let whole = kept.text().await;
    kept.rewrite(&whole[..whole.len() - 4]);
    assert!(tail.news(&kept.store, &kept.id).await.unwrap().is_empty());
    kept.rewrite(&whole);
    let news = tail.news(&kept.store, &kept.id).await.unwrap();
    assert_eq!(news, [Record { seq: 3, at: Timestamp::from_millis(7), event: Event::Woken }]);
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/journals/format-5.jsonl");

fn golden(name: &str) -> Recorded {
    parse(&std::fs::read(Path::new(GOLDEN).with_file_name(name)).unwrap()).unwrap()
}

fn events_of(recorded: Recorded) -> Vec<Event> {
    recorded.records.into_iter().map(|record| record.event).collect()
}

#[test]
fn the_journal_of_format_5_is_still_read() {
    let recorded = golden("format-5.jsonl");
    assert_eq!(looks(&recorded.header), looks(&header()));
    assert_eq!(looks(&events_of(recorded)), looks(&events()));
}

#[test]
fn the_journal_of_format_4_is_still_read() {
    let recorded = golden("format-4.jsonl");
    assert_eq!(looks(&recorded.header), looks(&header()));
    let count = recorded.records.len();
    assert_eq!((looks(&events_of(recorded)), count), (looks(&&events()[..count]), events().len() - 2));
}

/// The header as it was before there were windows, and anybody who is told.
fn header_without_windows() -> Header {
    let mut header = header();
    (header.plan.windows, header.plan.notify) = (None, Vec::new());
    header
}

#[test]
fn the_journal_of_format_3_is_still_read() {
    let recorded = golden("format-3.jsonl");
    assert_eq!(looks(&recorded.header), looks(&header_without_windows()));
    let count = recorded.records.len();
    assert_eq!((looks(&events_of(recorded)), count), (looks(&&events()[..count]), events().len() - 4));
}

/// The first events, as they were before AWS's own deployments were looked at.
fn events_without_deployments(count: usize) -> Vec<Event> {
    let mut events = events();
    events.truncate(count);
    for event in &mut events {
        if let Event::Answered { answer: Answer::Seen(seen), .. } = event {
            seen.deployment = None;
        }
    }
    events
}

#[test]
fn the_journal_of_format_2_is_still_read() {
    let recorded = golden("format-2.jsonl");
    let mut known = header_without_windows();
    known.plan.driver = Driver::Pair;
    known.plan.steps.retain(|step| step.action != Action::Conclude);
    assert_eq!(looks(&recorded.header), looks(&known));
    let events = events_without_deployments(recorded.records.len());
    assert_eq!((looks(&events_of(recorded)), events.len()), (looks(&events), 29));
}

#[test]
fn what_was_added_within_a_format_is_read_back() {
    let mut header = header();
    header.spec_digest = Some("c0ffee".into());
    header.plan.writer_role = Some("arn:aws:iam::111122223333:role/writer".into());
    header.plan.rules = 1;
    header.plan.undoes = Some(Undoes { rollout: "web-1".into(), reason: Some("slow".into()) });
    header.plan.before.test_rules = vec!["arn:test".into()];
    (header.plan.before.sticky_groups, header.plan.before.priority) = (vec!["arn:green".into()], Some(10));
    header.plan.before.deployment_configuration = Some("{}".into());
    for gate in &mut header.plan.gates {
        if let crate::gate::Check::Command(rule) = &mut gate.check {
            rule.environment = vec!["JUDGE_TOKEN".into()];
        }
    }
    let line = record::encode_header(&header).unwrap();
    assert_eq!(looks(&record::decode_header(line.as_bytes()).unwrap()), looks(&header));
    let (shape, text) = (String::new(), String::new());
    let seen = RuleSeen { share: None, sticky: false, brief: true, instead: Some("arn:new".into()), shape, text };
    let fault = Fault::new(FaultKind::Expired, "DescribeRules", "ExpiredToken: over");
    let stop = Stopped { task_definition: "arn:web:2".into(), ..stopped() };
    let given_up = GivenUp { task_definition: "arn:web:2".into(), why: "tasks failed to start".into() };
    let candidate = Capacity { stopped: vec![stop], given_up: Some(given_up), ..Capacity::default() };
    let fleet = Some(Fleet { stable: Capacity::default(), candidate });
    let deployment = Some(Deployment {
        id: "arn:deployment".into(),
        state: DeploymentState::Moving,
        stage: "POST_SCALE_UP".into(),
        held_by: Some("ecs-pause-9".into()),
    });
    let published = Some(Timestamp::from_millis(1_800_000_060_000));
    let reached = Some(vec!["rule 7 forwards to web-blue too".to_owned()]);
    let looked = Observation { fleet, requests: Some(0), published, reached, deployment, ..Observation::default() };
    let events = [
        Event::Answered { id: 7, answer: Answer::Routed(seen) },
        Event::Answered { id: 7, answer: Answer::Seen(Box::new(alarms_seen())) },
        Event::Answered { id: 7, answer: Answer::Failed(fault) },
        Event::Answered { id: 7, answer: Answer::Seen(Box::new(looked)) },
        Event::Requested { request: OperatorRequest::Spare, by: "ana@ci".into(), reason: None, left: None },
    ];
    for event in events {
        let line = record::encode_record(1, Timestamp::default(), &event).unwrap();
        assert_eq!(record::decode_record(line.as_bytes()).unwrap().event, event);
    }
}

fn stopped() -> Stopped {
    Stopped { task: "9f".into(), at: Timestamp::default(), reason: "exit".into(), task_definition: String::new() }
}

/// An alarm with everything that can be known of what it looks at.
fn alarms_seen() -> Observation {
    let (at, minute) = (Timestamp::from_millis(60_000), Duration::from_secs(60));
    let known = [
        AlarmData::Read { until: Some(at), broken: None },
        AlarmData::Read { until: None, broken: Some(at) },
        AlarmData::Hidden,
        AlarmData::Rings,
        AlarmData::Blind("EVALUATION_ERROR".into()),
    ];
    let watched = known.map(|data| Watched { alarm: "5xx".into(), window: minute, every: minute, data }).into();
    let reading =
        AlarmReading { state: Some(AlarmState::Ok), changed: at, rang: None, window: minute, read: at, watched };
    Observation { readings: vec![(0, Reading::Alarm(reading))], ..Observation::default() }
}

#[test]
fn the_journal_of_format_1_is_still_read() {
    let recorded = golden("format-1.jsonl");
    let mut known = header_without_windows();
    (known.plan.dead_man, known.plan.before.scaling) = (None, Vec::new());
    known.plan.driver = Driver::Pair;
    known.plan.steps.retain(|step| !matches!(step.action, Action::Secure | Action::Settle | Action::Conclude));
    assert_eq!(looks(&recorded.header), looks(&known));
    let events = events_without_deployments(recorded.records.len());
    assert_eq!((looks(&events_of(recorded)), events.len()), (looks(&events), 22));
}

#[test]
fn a_plan_of_format_1_sets_nothing_up_and_takes_nothing_down() {
    use crate::machine::Effect;
    let mut machine = Machine::new(golden("format-1.jsonl").header.plan);
    let _ = machine.apply(Timestamp::default(), Event::Started { by: "ana".into() });
    let registered = Answer::Registered("web:8".into());
    let reaction = machine.apply(Timestamp::default(), Event::Answered { id: 1, answer: registered });
    assert!(matches!(reaction.effect.map(|issued| issued.effect), Some(Effect::Scale { .. })));
}

#[test]
fn a_journal_from_before_gates_could_watch_is_still_read() {
    let recorded = golden("format-1-before-watch.jsonl");
    assert_eq!((recorded.end, recorded.records.len()), (JournalEnd::Clean, 22));
    assert!(recorded.header.plan.gates.iter().all(|gate| !gate.watch));
}

#[tokio::test]
#[ignore = "writes the golden journal of a new format"]
async fn write_the_golden_journal() {
    let kept = recorded(usize::MAX).await;
    std::fs::write(GOLDEN, kept.text().await).unwrap();
}

#[tokio::test]
async fn a_replayed_journal_leads_to_the_same_machine() {
    let kept = recorded(3).await;
    let recorded = kept.read().await.unwrap();
    let mut machine = Machine::new(header().plan);
    for record in &recorded.records {
        let _ = machine.apply(record.at, record.event.clone());
    }
    assert_eq!(replay(recorded.header.plan, &recorded.records), machine);
    assert_eq!(machine.now(), Timestamp::from_millis(2));
}

#[test]
fn spans_and_moments_are_whole_milliseconds() {
    let line = record::encode_header(&header()).unwrap();
    assert!(line.contains(r#""within":300000"#), "{line}");
    assert_eq!(header().plan.steps[0].within, Duration::from_secs(300));
}

#[tokio::test]
async fn a_journal_keeps_the_span_under_which_its_rollout_was_started() {
    let trace = crate::domain::trace::TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_folder(folder.path().to_owned()).unwrap();
    let header = Header { trace, ..samples::header() };
    Journal::create(&store, &header).await.unwrap();
    let read = read(&store, &header.id).await.unwrap().header;
    assert_eq!((read.trace, read == header), (trace, true));
    assert!(trace.is_some());
}

#[tokio::test]
async fn a_request_keeps_its_key_and_what_it_approves() {
    let kept = recorded(0).await;
    let approves = Some(Approval { step: 3, release: "web:8".into(), undecided: vec!["compare".into()] });
    let left = Some(Left { key: "1-a.json".into(), approves });
    let event = Event::Requested { request: OperatorRequest::Approve, by: "ana@ci".into(), reason: None, left };
    kept.open().await.unwrap().0.append(Timestamp::default(), &event).await.unwrap();
    assert_eq!(events_of(kept.read().await.unwrap()), [event]);
}
