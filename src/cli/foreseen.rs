//! What simulated rollouts of a spec come to in a service like the one that a plan is for, in as many as there is time for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::clock::wall_now;
use crate::gate::Check;
use crate::plan::{Foreseen, Plan, Release};
use crate::simulate::scenario::{Fault, Scenario};
use crate::simulate::world::Service;
use crate::simulate::{Case, Course, Figures, Rehearsal};
use crate::spec::Spec;

/// How long the simulation may take.
const WITHIN: Duration = Duration::from_millis(2500);
/// How often each release is rolled out at most, and below how often nothing is said.
const ROUNDS: std::ops::Range<u64> = 10..200;
/// On so many threads at most.
const THREADS: usize = 8;
/// Below so many requests a second nothing is to be seen.
const LEAST_RATE: f64 = 0.01;

/// Which releases are rolled out.
const RELEASES: [(&str, Fault); 8] = [
    ("is no worse", Fault::NONE),
    ("fails 5 %", Fault::errors(0.05)),
    ("fails 1 %", Fault::errors(0.01)),
    ("fails 0.5 %", Fault::errors(0.005)),
    ("is twice as slow", Fault::slower(1.0)),
    ("is 25 % slower", Fault::slower(0.25)),
    ("is 10 % slower", Fault::slower(0.1)),
    ("slows down from 20m on", Fault::LEAK),
];

/// What they come to; `None` where the spec cannot be rehearsed.
pub(super) fn foreseen(spec: &Spec, plan: &Plan, rate: f64) -> Option<Result<Foreseen, String>> {
    if rate <= LEAST_RATE {
        let why = "no requests to speak of: no gate on requests can tell a bad release from a good one";
        return Some(Err(why.to_owned()));
    }
    let compare = plan.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some(rule),
        _ => None,
    });
    let service = compare.map_or(Service::default(), |rule| Service::learned(rule));
    let rehearsal = Rehearsal::new(spec).ok()?.on_hosts(compare.and_then(|rule| rule.hosts));
    let courses = courses(&rehearsal, rate, service);
    let runs = courses[0].len() as u64;
    if runs < ROUNDS.start {
        return Some(Err("not simulated: it takes longer than a plan should; `tidegate simulate` does it".to_owned()));
    }
    let release = |((does, fault), courses): (&(&'static str, Fault), &Vec<Course>)| {
        let Figures { rolled_back, detected, to_promotion, harmed, .. } = Figures::of(courses);
        let (back, within, is_bad) = (rolled_back.share(), rolled_back.interval(), *fault != Fault::NONE);
        Release { does, is_bad, back, within, found: detected, promoted: to_promotion, harmed }
    };
    let releases = RELEASES.iter().zip(&courses).map(release).collect();
    let hosts = compare.and_then(|rule| rule.hosts).map_or(String::new(), |hosts| format!(" --hosts {hosts}"));
    let command = format!("tidegate simulate SPEC --rps {rate:.1}{hosts} --stable {}", service.words());
    Some(Ok(Foreseen { rate, runs, releases, command }))
}

/// As many courses of each release as there is time for, the same number of each.
fn courses(rehearsal: &Rehearsal, rate: f64, service: Service) -> Vec<Vec<Course>> {
    let (began, next) = (wall_now(), AtomicU64::new(0));
    let round = |seed: u64| {
        let case = |fault| Case { rate, fault, scenario: Scenario::Healthy, service };
        RELEASES.map(|(_, fault)| rehearsal.run(case(fault), seed))
    };
    let part = || {
        let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed) + 1));
        let seeds = seeds.take_while(|seed| *seed <= ROUNDS.end && wall_now().since(began) < WITHIN);
        seeds.map(round).collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS);
    let rounds: Vec<[Course; RELEASES.len()]> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|_| scope.spawn(part)).collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, _>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(join).collect()
    });
    (0..RELEASES.len()).map(|release| rounds.iter().map(|round| round[release]).collect()).collect()
}
