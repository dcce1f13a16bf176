//! The comparison, data in and verdict out.

use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::fleet::Role;
use crate::domain::traffic::Share;
use crate::gate::{Bound, Evidence, Outcome, Verdict, Window};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn minute(n: u64) -> Timestamp {
    START + Duration::from_secs(60 * n)
}

fn share(permille: u16) -> Share {
    Share::from_permille(permille).unwrap()
}

fn threshold(quantile: f64, stable: f64) -> Threshold {
    let candidate = stable * 1.03;
    Threshold { quantile: Some(quantile), stable, candidate, odds: 1.0, share: 1.0 - quantile, noise: 0.0, jitter: 0.0 }
}

fn rule() -> CompareRule {
    let thresholds = vec![threshold(0.5, 0.1), threshold(0.95, 0.2276)];
    let baseline = Baseline { bins: 720, rate: 200.0, errors: 0.001, error_noise: 1.0, refused_noise: 1.0, thresholds };
    CompareRule { baseline, ..CompareRule::default() }
}

/// What a slot is like: requests a minute, the share that fails, the shares slower than each mark.
#[derive(Clone, Copy)]
struct Like(f64, f64, [f64; 2]);

const STABLE: [f64; 2] = [0.5, 0.05];
/// A candidate as fast as the stable slot: fewer of its answers are slower than marks that lie 3 % higher.
const FAST: [f64; 2] = [0.476, 0.044];

impl Like {
    fn counts(self) -> Option<Counts> {
        let Like(requests, errors, slower) = self;
        let slower = slower.map(|share| requests * share).to_vec();
        let errors = requests * errors;
        (requests > 0.0).then_some(Counts { requests, errors, timed: requests, slower, ..Counts::default() })
    }
}

fn bin(n: u64, stable: Like, candidate: Like) -> Bin {
    Bin { at: minute(n), stable: stable.counts(), candidate: candidate.counts() }
}

fn bins(minutes: std::ops::Range<u64>, stable: Like, candidate: Like) -> Vec<Bin> {
    minutes.map(|n| bin(n, stable, candidate)).collect()
}

/// Where a look is taken from.
struct At {
    now: u64,
    step: u64,
    deadline: u64,
    share: u16,
    rules: u32,
}

impl At {
    fn minute(now: u64) -> Self {
        Self { now, step: 0, deadline: 60, share: 500, rules: 1 }
    }
}

/// Takes two looks at the bins.
fn look(comparison: &mut Comparison, rule: &CompareRule, bins: &[Bin], at: &At) -> Verdict {
    let course = [(START, share(at.share))];
    let window = Window {
        rules: at.rules,
        rollout: START,
        exposed: Some(START),
        step: minute(at.step),
        deadline: minute(at.deadline),
        course: &course,
        unseen: &[],
        now: minute(at.now),
    };
    comparison.take(rule, bins, window);
    comparison.take(rule, bins, window)
}

fn verdict(bins: &[Bin]) -> Verdict {
    look(&mut Comparison::new(), &rule(), bins, &At::minute(20))
}

/// In what a verdict calls the candidate worse, when it is as sure as that.
fn worse(verdict: Verdict, sure: bool) -> Cause {
    match verdict.evidence {
        Evidence::Compare(CompareEvidence::Worse { cause, is_sure, .. }) if is_sure == sure => cause,
        other => panic!("{other:?}"),
    }
}

fn proof(verdict: &Verdict) -> Option<Proof> {
    match verdict.evidence {
        Evidence::Compare(CompareEvidence::Bounded { proof, .. }) => Some(proof),
        _ => None,
    }
}

#[test]
fn no_data_is_never_a_pass() {
    let verdict = verdict(&[]);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert_eq!(verdict.evidence, CompareEvidence::NoRequests.into());
    let late = At { deadline: 5, ..At::minute(20) };
    let one_sided = bins(0..10, Like(6000.0, 0.001, STABLE), Like(0.0, 0.0, FAST));
    for bins in [&[], &one_sided[..1]] {
        let verdict = look(&mut Comparison::new(), &rule(), bins, &late);
        assert_eq!(verdict.outcome, Outcome::Inconclusive, "{verdict:?}");
    }
    assert!(!Comparison::new().is_proven(&rule()));
}

#[test]
fn a_candidate_that_is_no_worse_passes_on_what_is_proven() {
    let verdict = verdict(&bins(0..10, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST)));
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(verdict.data_from, Some(START));
    let measure = verdict.evidence.measure().unwrap();
    assert!(measure.value.is_some_and(|share| share < 0.001), "{measure:?}");
    assert_eq!(measure.bound, Some(Bound::Above(0.003)));
}

#[test]
fn only_data_wholly_after_the_step_passes_it() {
    let all = bins(0..10, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST));
    let mut comparison = Comparison::new();
    let later = At { step: 10, ..At::minute(20) };
    let verdict = look(&mut comparison, &rule(), &all, &later);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert_eq!(verdict.evidence, CompareEvidence::NothingFresh.into());
    let after = bins(10..11, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST));
    let verdict = look(&mut comparison, &rule(), &after, &later);
    assert!(verdict.passes(minute(10)), "{verdict:?}");
    assert_eq!(verdict.data_from, Some(minute(10)));
}

#[test]
fn more_errors_fail_with_their_share() {
    let verdict = verdict(&bins(0..3, Like(7625.0, 0.001, STABLE), Like(401.0, 0.021, FAST)));
    assert_eq!(verdict.outcome, Outcome::Fail);
    let Cause::Failing { stable, candidate } = worse(verdict, true) else { panic!("failures are the cause") };
    assert_eq!((stable.whole, candidate.whole), (22_875.0, 1_203.0));
    assert!(candidate.share().is_some_and(|share| (share - 0.021).abs() < 1e-3), "{candidate:?}");
}

#[test]
fn slower_answers_fail_with_their_mark() {
    let verdict = verdict(&bins(0..10, Like(6000.0, 0.001, STABLE), Like(600.0, 0.001, [0.5, 0.1])));
    assert_eq!(verdict.outcome, Outcome::Fail);
    let Cause::Slower { quantile, stable, candidate, .. } = worse(verdict, true) else { panic!("times are the cause") };
    let percent = |part: Part| part.share().map(|share| (share * 100.0).round());
    assert_eq!((quantile, percent(stable), percent(candidate)), (Some(0.95), Some(5.0), Some(10.0)));
    let all = self::verdict(&bins(0..10, Like(6000.0, 0.001, STABLE), Like(600.0, 0.001, [0.7, 0.07])));
    let Cause::Slower { quantile, candidate, .. } = worse(all, true) else { panic!("times are the cause") };
    assert_eq!((quantile, percent(candidate)), (Some(0.5), Some(70.0)));
}

#[test]
fn an_outage_that_both_slots_share_is_no_breach() {
    let verdict = verdict(&bins(0..4, Like(6000.0, 0.2, [0.9, 0.4]), Like(6000.0, 0.2, [0.9, 0.4])));
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "{verdict:?}");
}

#[test]
fn response_times_do_not_count_while_the_candidate_warms_up() {
    let cold = Like(600.0, 0.001, [0.99, 0.9]);
    let warm = Like(600.0, 0.001, FAST);
    let stable = Like(6000.0, 0.001, STABLE);
    assert_ne!(verdict(&bins(0..1, stable, cold)).outcome, Outcome::Fail);
    let then = [bins(0..1, stable, cold), bins(1..9, stable, warm)].concat();
    assert_ne!(verdict(&then).outcome, Outcome::Fail);
    assert_eq!(verdict(&bins(1..2, stable, cold)).outcome, Outcome::Fail);
}

#[test]
fn a_candidate_without_requests_cannot_be_reached() {
    let stable = Like(60.0, 0.0, STABLE);
    let verdict = verdict(&bins(0..3, stable, Like(0.0, 0.0, FAST)));
    assert_eq!(verdict.outcome, Outcome::Fail);
    let silence = Duration::from_secs(180);
    assert_eq!(verdict.evidence, CompareEvidence::Unreachable { missed: 180.0, silence }.into());
    let at = At { share: 10, ..At::minute(20) };
    let few = look(&mut Comparison::new(), &rule(), &bins(0..3, stable, Like(0.0, 0.0, FAST)), &at);
    assert_eq!(few.outcome, Outcome::Inconclusive, "only two were to be expected");
}

#[test]
fn an_open_bin_ends_a_rollout_only_on_much_stronger_evidence_and_never_passes() {
    let once = |bins: &[Bin]| {
        let course = [(START, share(500))];
        let window = Window {
            rules: 1,
            rollout: START,
            exposed: Some(START),
            step: START,
            deadline: minute(60),
            course: &course,
            unseen: &[],
            now: minute(20),
        };
        Comparison::new().take(&rule(), bins, window)
    };
    let stable = Like(6000.0, 0.001, STABLE);
    assert_eq!(once(&bins(0..3, stable, Like(600.0, 0.5, FAST))).outcome, Outcome::Fail);
    assert_eq!(once(&bins(0..10, stable, Like(6000.0, 0.001, FAST))).outcome, Outcome::Inconclusive);
    let weak = bins(0..1, stable, Like(600.0, 0.012, FAST));
    let capital = |bins: &[Bin]| {
        let mut comparison = Comparison::new();
        look(&mut comparison, &rule(), bins, &At::minute(20));
        comparison.capital()
    };
    assert!((100.0..300.0).contains(&capital(&weak)), "{}", capital(&weak));
    assert_eq!(once(&weak).outcome, Outcome::Inconclusive);
    assert_eq!(verdict(&weak).outcome, Outcome::Fail);
}

#[test]
fn doubt_holds_what_is_proven() {
    let stable = Like(6000.0, 0.001, STABLE);
    let suspicious = Like(600.0, 0.0085, FAST);
    let verdict = verdict(&bins(0..1, stable, suspicious));
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(matches!(worse(verdict, false), Cause::Failing { .. }));
}

#[test]
fn what_is_not_proven_in_time_passes_or_stays_open_as_the_rule_says() {
    let few = bins(0..3, Like(600.0, 0.001, STABLE), Like(60.0, 0.0, FAST));
    let late = At { deadline: 5, ..At::minute(20) };
    let pass = look(&mut Comparison::new(), &rule(), &few, &late);
    assert_eq!(pass.outcome, Outcome::Pass);
    assert_eq!(proof(&pass), Some(Proof::Late));
    let strict = CompareRule { unproven: Unproven::Fail, ..rule() };
    let open = look(&mut Comparison::new(), &strict, &few, &late);
    assert_eq!(open.outcome, Outcome::Inconclusive);
    assert_eq!(proof(&open), Some(Proof::Open));
}

#[test]
fn less_is_to_be_proven_while_less_is_at_stake() {
    let margins = |permille| {
        let Margins { errors, slow } = rule().margins.at(share(permille));
        ((errors * 1e5).round() / 1e5, (slow * 1e5).round() / 1e5)
    };
    assert_eq!(margins(10), (0.02, 0.08));
    assert_eq!(margins(50), (0.02, 0.08));
    assert_eq!(margins(250), (0.006, 0.03));
    assert_eq!(margins(500), (0.003, 0.01));
    assert_eq!(margins(950), (0.003, 0.01));
    assert_eq!(margins(150), (0.013, 0.055));
}

#[test]
fn a_bin_that_cannot_be_is_named_and_nothing_passes() {
    let mut all = bins(0..10, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST));
    all[4].candidate.as_mut().unwrap().errors = 7000.0;
    let mut comparison = Comparison::new();
    let verdict = look(&mut comparison, &rule(), &all, &At { deadline: 5, ..At::minute(20) });
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    let wrong = CountsFlaw::Errors { errors: 7000.0, requests: 6000.0 };
    let what = BinFlaw::Counts { slot: Some(Role::Candidate), wrong };
    assert_eq!(verdict.evidence, Flaw::Bin { at: minute(4), what }.into());
    assert!(!comparison.is_proven(&rule()));
    all[4].candidate.as_mut().unwrap().errors = 7.0;
    assert_eq!(look(&mut comparison, &rule(), &all, &At::minute(20)).outcome, Outcome::Pass);
}

#[test]
fn a_clock_that_goes_back_passes_nothing() {
    let all = bins(0..10, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST));
    let mut comparison = Comparison::new();
    assert_eq!(look(&mut comparison, &rule(), &all, &At::minute(20)).outcome, Outcome::Pass);
    let verdict = look(&mut comparison, &rule(), &all, &At::minute(12));
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert_eq!(verdict.evidence, Flaw::ClockBack(Duration::from_secs(480)).into());
    assert_eq!(look(&mut comparison, &rule(), &all, &At::minute(18)).outcome, Outcome::Pass, "two minutes do no harm");
    let future = bins(90..91, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST));
    let flaw = Flaw::Bin { at: minute(90), what: BinFlaw::Future };
    assert_eq!(look(&mut comparison, &rule(), &future, &At::minute(21)).evidence, flaw.into());
}

#[test]
fn a_rollout_that_a_person_lets_go_on_starts_anew() {
    let bad = bins(0..3, Like(6000.0, 0.001, STABLE), Like(600.0, 0.1, FAST));
    let mut comparison = Comparison::new();
    assert_eq!(look(&mut comparison, &rule(), &bad, &At::minute(4)).outcome, Outcome::Fail);
    let course = [(START, share(500))];
    let window = Window {
        rules: 1,
        rollout: minute(3),
        exposed: Some(minute(3)),
        step: minute(3),
        deadline: minute(60),
        course: &course,
        unseen: &[],
        now: minute(4),
    };
    let verdict = comparison.take(&rule(), &bad, window);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert_eq!(comparison.capital(), 1.0);
}

#[test]
fn without_response_times_errors_alone_are_judged() {
    let rule = CompareRule { baseline: Baseline { thresholds: Vec::new(), ..rule().baseline }, ..rule() };
    let slot = |requests: f64, errors: f64| Some(Counts { requests, errors, ..Counts::default() });
    let bins: Vec<Bin> =
        (0..10).map(|n| Bin { at: minute(n), stable: slot(6000.0, 6.0), candidate: slot(6000.0, 6.0) }).collect();
    let verdict = look(&mut Comparison::new(), &rule, &bins, &At::minute(20));
    assert_eq!(verdict.outcome, Outcome::Pass);
    let Evidence::Compare(CompareEvidence::Bounded { bounds, .. }) = verdict.evidence else { panic!("{verdict:?}") };
    assert_eq!(bounds.slow, None);
}

fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f64 / f64::from(1 << 24)
}

#[test]
fn one_replay_of_everything_equals_look_by_look_to_the_last_bit() {
    for seed in 0..20 {
        let mut dice = seed;
        let rough = |dice: &mut u64, requests: f64, errors: f64, slower: [f64; 2]| {
            let mut near = |x: f64| (x * (0.8 + 0.4 * random(dice))).round();
            let (requests, errors) = (near(requests), near(requests * errors));
            let median = near(requests * slower[0]).min(requests);
            let slower = vec![median, near(requests * slower[1]).min(median)];
            Some(Counts { requests, errors: errors.min(requests), timed: requests, slower, ..Counts::default() })
        };
        let mut bins: Vec<Bin> = Vec::new();
        for n in 0..40 {
            let stable = rough(&mut dice, 5000.0, 0.004, STABLE);
            let candidate = rough(&mut dice, 700.0, 0.006, FAST).filter(|_| n % 7 != 3);
            bins.push(Bin { at: minute(n), stable, candidate });
        }
        let (mut by_look, mut at_once) = (Comparison::new(), Comparison::new());
        let mut last = None;
        for n in 1..=41 {
            let reach = usize::try_from(n).unwrap().min(40);
            let mut seen: Vec<Bin> = bins[reach.saturating_sub(6)..reach].to_vec();
            if let Some(late) = seen.last_mut().filter(|_| n < 41) {
                // The newest bin is not complete yet, and one before it may be late.
                late.stable.as_mut().unwrap().requests += 5.0 * random(&mut dice);
                if random(&mut dice) < 0.3 && seen.len() > 2 {
                    let at = seen.len() - 2;
                    seen.remove(at);
                }
            }
            seen.reverse();
            last = Some(look(&mut by_look, &rule(), &seen, &At::minute(n)));
        }
        last = Some(look(&mut by_look, &rule(), &bins[34..], &At::minute(41))).or(last);
        let whole = look(&mut at_once, &rule(), &bins, &At::minute(41));
        assert_eq!(by_look.capital().to_bits(), at_once.capital().to_bits(), "seed {seed}");
        assert_eq!(by_look.total(), at_once.total(), "seed {seed}");
        assert_eq!(by_look.bounds(&rule()), at_once.bounds(&rule()), "seed {seed}");
        assert_eq!(last, Some(whole), "seed {seed}");
    }
}

mod ramps {
    use super::*;

    fn ramp() -> RampRule {
        RampRule { budget: 50.0, floor: share(1), ceiling: share(500), blind: Duration::from_secs(130) }
    }

    /// The share after so many minutes of a candidate that gets a hundredth of 200 requests a second.
    fn next(minutes: u64, candidate: Like, now: u64) -> Share {
        let mut comparison = Comparison::new();
        let bins = bins(0..minutes, Like(12_000.0, 0.001, STABLE), candidate);
        let course = [(START, share(10))];
        look(&mut comparison, &rule(), &bins, &At { share: 10, ..At::minute(now) });
        comparison.next_share(&rule(), &ramp(), &course, minute(now))
    }

    #[test]
    fn the_first_share_keeps_total_failure_within_the_budget() {
        let first = |ramp: &RampRule| Comparison::new().next_share(&rule(), ramp, &[], START);
        assert_eq!(first(&ramp()), share(1), "50 of 26,000 requests in the blind stretch are 0.19 %");
        assert_eq!(first(&RampRule { budget: 5000.0, ..ramp() }), share(192));
        assert_eq!(first(&RampRule { budget: 1e9, ..ramp() }), share(500));
        let unknown = CompareRule::default();
        assert_eq!(Comparison::new().next_share(&unknown, &ramp(), &[], START), share(1), "no rate, no risk");
    }

    #[test]
    fn the_share_grows_with_what_is_proven() {
        let good = Like(120.0, 0.0, FAST);
        let (early, later) = (next(2, good, 2), next(8, good, 8));
        assert!(share(10) < early && early < later, "{early} {later}");
        assert!(later <= share(240), "at most 24-fold: {later}");
    }

    #[test]
    fn the_share_stays_while_response_times_do_not_count() {
        let good = Like(120.0, 0.0, FAST);
        assert_eq!(next(0, good, 0), share(10));
        let mut comparison = Comparison::new();
        look(&mut comparison, &rule(), &bins(0..1, Like(12_000.0, 0.0, STABLE), good), &At::minute(1));
        let soon = START + Duration::from_secs(59);
        assert_eq!(comparison.next_share(&rule(), &ramp(), &[(START, share(10))], soon), share(10));
    }

    #[test]
    fn the_share_stays_while_something_speaks_against_it() {
        assert_eq!(next(2, Like(120.0, 0.03, FAST), 2), share(10));
        assert_eq!(next(1, Like(120.0, 0.0, [0.95, 0.7]), 2), share(10), "even if it does not count yet");
        assert!(next(1, Like(120.0, 0.0, FAST), 2) > share(10));
    }

    #[test]
    fn the_share_never_falls() {
        let course = [(START, share(900))];
        let next = Comparison::new().next_share(&rule(), &ramp(), &course, minute(5));
        assert_eq!(next, share(900));
    }
}

/// What a look at the minutes says by the rules that know of warm-ups and load.
fn today(bins: &[Bin]) -> Verdict {
    look(&mut Comparison::new(), &rule(), bins, &At { rules: PATIENT, ..At::minute(20) })
}

/// Twice as slow as the stable slot.
const SLOW: [f64; 2] = [0.91, 0.4];

#[test]
fn a_release_that_is_slow_for_two_minutes_only_is_left_alone() {
    let stable = Like(6000.0, 0.001, STABLE);
    let mut run = bins(0..2, stable, Like(6000.0, 0.001, SLOW));
    run.extend(bins(2..12, stable, Like(6000.0, 0.001, FAST)));
    assert_eq!(verdict(&run).outcome, Outcome::Fail, "so it was by older rules");
    assert_eq!(today(&run).outcome, Outcome::Pass);
}

#[test]
fn a_release_that_stays_slow_goes_back_and_failures_do_not_wait_for_it_to_be_warm() {
    let stable = Like(6000.0, 0.001, STABLE);
    let cause = worse(today(&bins(0..6, stable, Like(6000.0, 0.001, SLOW))), true);
    assert!(matches!(cause, Cause::Slower { .. }), "{cause:?}");
    let cause = worse(today(&bins(0..1, stable, Like(6000.0, 0.2, SLOW))), true);
    assert!(matches!(cause, Cause::Failing { .. }), "{cause:?}");
}

#[test]
fn a_release_that_may_only_be_cold_gets_no_more_on_what_it_showed_while_it_was() {
    let stable = Like(6000.0, 0.001, STABLE);
    let a_little_slow = bins(0..3, stable, Like(6000.0, 0.0, [0.67, 0.115]));
    let at = |deadline| At { rules: PATIENT, share: 50, deadline, ..At::minute(5) };
    let early = look(&mut Comparison::new(), &rule(), &a_little_slow, &at(60));
    assert_eq!(early.outcome, Outcome::Inconclusive, "6.5 points more are slow, 8 would be allowed: {early:?}");
    let older = At { rules: 1, ..at(60) };
    assert_eq!(look(&mut Comparison::new(), &rule(), &a_little_slow, &older).outcome, Outcome::Fail);
    let late = look(&mut Comparison::new(), &rule(), &a_little_slow, &at(4));
    assert!(late.is_undecided(), "{late:?}");
}

#[test]
fn a_release_that_refuses_everybody_goes_back_with_the_first_data() {
    let mut first = bin(0, Like(6000.0, 0.001, STABLE), Like(20.0, 0.0, FAST));
    first.candidate.as_mut().unwrap().refused = 20.0;
    let cause = worse(today(&[first]), true);
    let Cause::Refused { stable, candidate } = cause else { panic!("{cause:?}") };
    assert_eq!((stable.part, candidate.part), (0.0, 20.0));
}

#[test]
fn a_release_with_most_of_the_load_is_not_worse_for_being_slower_by_it_but_for_becoming_slower() {
    let (idle, loaded) = (Like(300.0, 0.001, STABLE), Like(5700.0, 0.001, [0.62, 0.08]));
    let calm = bins(0..12, idle, loaded);
    assert_ne!(today(&calm).outcome, Outcome::Fail, "{:?}", today(&calm));
    let mut leaks = calm;
    leaks.extend(bins(12..18, idle, Like(5700.0, 0.001, SLOW)));
    assert!(matches!(worse(today(&leaks), true), Cause::Slower { .. }));
}

#[test]
fn trouble_of_both_slots_may_hit_one_harder() {
    let both = bins(0..8, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.001, FAST));
    let trouble = bins(8..13, Like(6000.0, 0.018, [0.66, 0.27]), Like(6000.0, 0.026, [0.74, 0.38]));
    let run = [both.clone(), trouble.clone()].concat();
    assert_eq!(verdict(&run).outcome, Outcome::Fail, "so it was by older rules");
    assert_ne!(today(&run).outcome, Outcome::Fail, "{:?}", today(&run));
    let alone = bins(8..13, Like(6000.0, 0.001, STABLE), Like(6000.0, 0.026, [0.74, 0.38]));
    assert_eq!(today(&[both, alone].concat()).outcome, Outcome::Fail);
}
