//! Why a rollout waits, is paused or cannot do what a person asks, in words.

use serde_json::json;

use super::super::sample::{awaited_of, leaving_of, objections_of, pauses_of, reasons_of, stranding_of};
use super::{
    awaited, awaited_fields, leaving, leaving_fields, objection, paused, paused_fields, reason, reason_fields,
    stranding,
};

const X: &str = "x";

#[test]
fn everything_awaited_has_its_words() {
    let words: Vec<String> = awaited_of(X).iter().map(awaited).collect();
    assert_eq!(
        words,
        [
            "gate x: x",
            "the release on the candidate's service, which runs x",
            "a second look at the stable slot, whose service runs x",
            "2 healthy candidate tasks, 1 seen",
            "2 healthy stable tasks for 50%, 1 seen",
            "the journal cannot be written; the candidate keeps 25% until it can, for 10m at most",
            "the credentials have ended; the candidate keeps 25% until they are renewed, unless the dead-man's switch \
             takes it back at 14:10:09",
            "the credentials have ended; the candidate keeps 25% until they are renewed",
            "the stable slot has no healthy target (1 of 4 tasks running)",
            "2 healthy candidate tasks (the stable slot has 10 by now), 1 seen",
            "the proof that the old stable slot has no requests left",
            "the end of what else leads to the old stable slot: x",
            "the dead-man's switch, which could fire before the write",
            "ECS waits in x at hook x of the service's own, for whoever says `aws ecs continue-service-deployment \
             --region x --service-deployment-arn x --hook-id x --action CONTINUE`",
            "the moment from which on the dead-man's switch can write no more",
        ]
    );
}

#[test]
fn every_pause_has_its_words() {
    let words: Vec<String> = pauses_of(X).iter().map(paused).collect();
    assert_eq!(
        words,
        [
            "paused by x: x",
            "paused by x",
            "the runner was stopped by x",
            "the dead-man's switch gave the traffic back (x)",
            "somebody else wrote the rule: x",
            "somebody else deployed to a slot: x",
            "both slots are short of tasks: 1 healthy candidate tasks, 2 needed for 50%; 2 healthy stable tasks for 50%, \
             1 seen",
            "frozen until 2026-11-23T14:10:09Z: x; opens at 2026-11-23T14:15:09Z",
        ]
    );
}

#[test]
fn undecided_gates_are_named_as_a_shell_takes_them() {
    let undecided = ["candidate errors", "5xx"].map(|gate| (gate.to_owned(), crate::gate::Evidence::Said("x".into())));
    let words = objection(&super::Objection::Undecided(undecided.to_vec()));
    let said = "undecided: candidate errors (x), 5xx (x); to pass it all the same, say \
                `--undecided 'candidate errors,5xx'`";
    assert_eq!(words, said);
}

#[test]
fn every_objection_has_its_words() {
    let words: Vec<String> = objections_of(X).iter().map(objection).collect();
    assert_eq!(
        words,
        [
            "it has not begun",
            "it is going back already",
            "it is committed",
            "it is committed: going back is a new rollout",
            "it is over",
            "it is not on its way forward",
            "it is not paused",
            "it is paused: paused by x: x",
            "frozen until 2026-11-23T14:10:09Z: x; opens at 2026-11-23T14:15:09Z; only `--break-glass REASON` overrules that",
            "it does not wait for an approval",
            "undecided: x (no reading); to pass it all the same, say `--undecided x`",
            "it approves step 1 of release x, and step 2 of release x waits",
            "it has to say why",
            "it has no windows",
            "x has overruled its windows already",
            "it is not on its way forward, and nothing else is ever closed",
            "x has promoted it already",
            "paused by x: x; only with a reason, by --reason, is that overruled",
            "gate x fails (x); only with a reason, by --reason, is that overruled",
            "no step is left that could be skipped",
            "it takes no tasks away now",
            "it is not committed: a rollback takes the traffic back",
            "it takes the old tasks away already",
            "the old tasks are not in its hand",
        ]
    );
}

#[test]
fn every_end_has_its_words() {
    let words: Vec<String> = reasons_of(X).iter().map(reason).collect();
    let expected = [
        "gate x did not pass in time (x)",
        "the candidate lost capacity: 1 healthy candidate tasks, 2 needed for 50%",
        "time limit: x was not done within 1h; it lacked the release on the candidate's service, which runs x",
        "time limit: x was not done within 1h",
        "time limit: nobody said how to go on within 1h",
        "time limit: nobody renewed the credentials within 1h",
        "time limit: nobody answered hook x of the service's own in x within 1h",
        "rollback by x: x",
        "the runner was stopped by x",
        "somebody else changed the target: x",
        "the dead-man's switch gave the traffic back (x)",
        "the dead-man's switch gave the traffic back (nobody pushed it on before 14:05:09)",
        "the dead-man's switch gave the traffic back (its schedule is gone)",
        "AWS's own deployment went back (x; its task x stopped: x)",
        "AWS's own deployment went back (ECS gave up the release on x: x)",
        "AWS's own deployment went back (x has no tasks of the release any more, and nobody here took them)",
        "AWS's own deployment went back (x is back on x, where nobody here sent it: its circuit breaker, an alarm or a \
         person ended the deployment of the release)",
        "AWS refused what the plan needs (x: x)",
        "the rule could not be read for too long (x: x)",
        "the journal could not be written (x: x)",
    ];
    assert_eq!(words, expected);
    let words: Vec<String> = stranding_of(X).iter().map(stranding).collect();
    let expected = [
        "the target was changed after the commit (x); the old stable slot keeps its tasks",
        "the traffic could not be taken back within the limit; the last answer was x: x",
        "the traffic could not be taken back within the limit",
        "x: x",
        "the rule was deleted, and x, which is somebody else's, stands in its place: x",
        "somebody else keeps writing the rule: x",
    ];
    assert_eq!(words, expected);
    let words: Vec<String> = leaving_of(X).iter().map(leaving).collect();
    let expected = [
        "x took over",
        "x; all traffic is on the candidate",
        "x; the candidate keeps 25% until the dead-man's switch fires at 14:15:09, unless somebody takes over",
        "x; the candidate keeps 25%",
        "the journal cannot be written: x",
    ];
    assert_eq!(words, expected);
    assert_eq!(leaving_fields(&leaving_of(X)[0])["to"], X);
}

#[test]
fn programs_tell_what_is_awaited_and_why_it_is_paused_by_a_word_and_numbers() {
    let kinds: Vec<_> = awaited_of(X).iter().map(|on| awaited_fields(on)["kind"].clone()).collect();
    let expected = [
        "gate",
        "release",
        "second_look",
        "tasks",
        "tasks",
        "journal",
        "credentials",
        "credentials",
        "stable_target",
        "grown",
        "quiet",
        "entrances",
        "switch",
        "hook",
        "switch_landed",
    ];
    assert_eq!(kinds, expected);
    let pauses: Vec<_> = pauses_of(X).iter().map(|why| paused_fields(why)["kind"].clone()).collect();
    let expected = ["operator", "operator", "signal", "breach", "foreign_write", "foreign_write", "capacity", "window"];
    assert_eq!(pauses, expected);
    assert_eq!(awaited_fields(&awaited_of(X)[3])["shortage"]["need"], 2);
    let window = paused_fields(&pauses_of(X)[7]);
    assert_eq!(
        window,
        json!({
            "closed_by": "freeze",
            "frozen_until": "2026-11-23T14:10:09.000Z",
            "freeze": X,
            "opens": "2026-11-23T14:15:09.000Z",
            "kind": "window",
        })
    );
    let ends =
        reasons_of(X).iter().map(reason_fields).filter(|fields| fields["kind"] == "deployment").collect::<Vec<_>>();
    let seen: Vec<_> = ends.iter().map(|end| (end["seen"].clone(), end["last_stop"]["task"].clone())).collect();
    let none = serde_json::Value::Null;
    let expected = [("said", json!(X)), ("given_up", none.clone()), ("no_tasks", none.clone()), ("reverted", none)];
    assert_eq!(seen, expected.map(|(seen, task)| (json!(seen), task)));
    assert_eq!((&ends[3]["service"], &ends[3]["runs"]), (&json!(X), &json!(X)));
}
