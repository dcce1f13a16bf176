//! Checks a spec against the table of what its driver can do, and finds the nearest thing that it can.

use std::time::Duration;

use super::model::{DriverSpec, Limits, Spec, StepSpec, Strategy};
use super::timetable::{Stage, is_whole_minutes, odd_one, stages, timetable, up_to_minutes};
use crate::domain::clock::span;
use crate::domain::driver::{Capability, Grain, Shares, Timetable, Unattended, Waits};
use crate::domain::traffic::Share;
use crate::gate::{Check, Gate};

/// A minute.
const MINUTE: Duration = Duration::from_secs(60);

/// The longest time-out that a pause of ECS's can have: 20160 minutes by its API.
const LONGEST_PAUSE: Duration = Duration::from_secs(14 * 24 * 3600);

/// The step that is proposed where a strategy names none.
const STEP: Share = match Share::from_permille(100) {
    Some(step) => step,
    None => Share::ALL,
};

/// What a driver is asked for, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct DriverDemand<'a> {
    /// The driver.
    pub driver: &'a DriverSpec,
    /// How traffic moves.
    pub strategy: Option<&'a Strategy>,
    /// The gates, in the spec's order.
    pub gates: &'a [Gate],
    /// How long things may take.
    pub limits: Option<&'a Limits>,
    /// Whether there is to be a dead-man's switch.
    pub dead_man: bool,
    /// Whether forward writes are to be signed as a role of their own.
    pub writer_role: bool,
    /// Whether a release that has everything is to be watched.
    pub watch_for: bool,
}

/// A part of a place in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crumb {
    /// The field with this name.
    Field(&'static str),
    /// The item with this index.
    Item(usize),
}

/// Something that the driver cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where the spec asks for it.
    pub at: Vec<Crumb>,
    /// What is asked, and why it cannot be.
    pub wrong: String,
    /// What is nearest to it.
    pub help: String,
}

impl<'a> DriverDemand<'a> {
    /// What `spec` asks.
    pub fn of(spec: &'a Spec) -> Self {
        Self {
            driver: &spec.driver,
            strategy: Some(&spec.strategy),
            gates: &spec.gates,
            limits: Some(&spec.limits),
            dead_man: spec.dead_man.is_some(),
            writer_role: spec.target.writer_role.is_some(),
            watch_for: spec.watch_for.is_some(),
        }
    }

    fn can(&self) -> &'static Capability {
        self.driver.kind().can()
    }

    fn mover(&self) -> &'static str {
        self.driver.kind().mover()
    }
}

/// Everything that the driver cannot do.
pub fn misfits(asked: &DriverDemand<'_>) -> Vec<Misfit> {
    let mut found = Vec::new();
    let can = asked.can();
    if asked.dead_man && can.unattended != Unattended::Switch {
        found.push(dead_man(asked));
    }
    if asked.writer_role && !can.writer_role {
        found.push(Misfit {
            at: path(&["target", "writer_role"]),
            wrong: format!("{} writes the rule itself, and signs as nobody else", asked.mover()),
            help: "leave it out: the way forward has no write of the rule that could come late".to_owned(),
        });
    }
    if asked.watch_for && can.waits != Waits::Limits {
        found.push(Misfit {
            at: path(&["watch_for"]),
            wrong: format!("{} takes the old tasks by its own clock, and would not wait for a watch", asked.mover()),
            help: "leave it out: `warm` is how long both slots keep their tasks".to_owned(),
        });
    }
    if let (Some(strategy), Shares::Timetables { .. }) = (asked.strategy, can.shares) {
        let before = found.len();
        found.extend(unknown_shares(asked, strategy));
        found.extend(uneven_times(asked, strategy));
        found.extend(approvals(asked, strategy));
        if found.len() == before {
            found.extend(too_long(asked, strategy));
        }
    }
    found
}

fn path(fields: &[&'static str]) -> Vec<Crumb> {
    fields.iter().copied().map(Crumb::Field).collect()
}

fn step_path(index: usize, word: &'static str) -> Vec<Crumb> {
    let mut at = path(&["strategy", "canary", "steps"]);
    at.extend([Crumb::Item(index), Crumb::Field(word)]);
    at
}

/// The rule has one writer at a time, or none can be believed.
fn dead_man(asked: &DriverDemand<'_>) -> Misfit {
    let mover = asked.mover();
    let help = match asked.driver {
        DriverSpec::Ecs { pause } => format!(
            "leave it out: without a runner ECS itself takes the traffic back when its pause times out, after {}; a \
             shorter `driver.ecs.pause` does so sooner",
            span(*pause)
        ),
        DriverSpec::Pair | DriverSpec::TaskSets | DriverSpec::CodeDeploy { .. } => {
            "leave it out, and give the deployment group alarms: at those CodeDeploy itself takes the traffic back, \
             with or without a runner"
                .to_owned()
        }
    };
    let wrong = format!(
        "a switch that writes the rule does not stop {mover}'s deployment, which would write its own weights over it"
    );
    Misfit { at: path(&["dead_man"]), wrong, help }
}

/// A share, or a list of them, that AWS has no word for.
fn unknown_shares(asked: &DriverDemand<'_>, strategy: &Strategy) -> Option<Misfit> {
    let Shares::Timetables { canary, linear, .. } = asked.can().shares else { return None };
    let mover = asked.mover();
    match strategy {
        Strategy::HarmBudget { bake, .. } => Some(Misfit {
            at: path(&["strategy", "harm_budget"]),
            wrong: format!("{mover} cannot follow a harm budget, which chooses every share anew"),
            help: format!("nearest is `{}`", linear_snippet(linear.nearest(STEP), *bake)),
        }),
        Strategy::Linear { step, every, .. } if *step < Share::ALL && !linear.takes(*step) => Some(Misfit {
            at: path(&["strategy", "linear", "step"]),
            wrong: format!("{mover} cannot take equal steps of {step}: {}", takes(linear)),
            help: format!("nearest is `{}`", linear_snippet(linear.nearest(*step), *every)),
        }),
        Strategy::Canary { steps, .. } => {
            let stages = stages(steps);
            match stages.as_slice() {
                [] => None,
                [only] => (!canary.takes(only.share)).then(|| Misfit {
                    at: step_path(only.steps.0, "shift"),
                    wrong: format!("{mover} cannot start with {}: {}", only.share, takes(canary)),
                    help: format!("nearest is `{}`", canary_snippet(canary.nearest(only.share), only.hold)),
                }),
                several => unknown_list(asked, several, (canary, linear)),
            }
        }
        Strategy::Linear { .. } | Strategy::BlueGreen { .. } => None,
    }
}

/// Several shares that are no equal steps, or steps of a size that AWS does not take.
fn unknown_list(asked: &DriverDemand<'_>, stages: &[Stage], (canary, linear): (Grain, Grain)) -> Option<Misfit> {
    let (first, last) = (stages.first()?, stages.last()?);
    let step = first.share;
    let odd = odd_one(stages);
    if odd.is_none() && linear.takes(step) {
        return None;
    }
    let mover = asked.mover();
    let (at, wrong) = match odd {
        Some(odd) => (odd, format!("{mover} knows one share and then everything, or equal steps up to everything")),
        None => (0, format!("{mover} cannot take equal steps of {step}: {}", takes(linear))),
    };
    let longest = stages.iter().map(|stage| stage.hold).max().unwrap_or_default();
    let all = stages.iter().map(|stage| stage.hold).sum();
    let stride = linear.nearest(if odd.is_some() { last.share } else { step });
    let help = format!(
        "nearest are `{}` and `{}`; the driver pair takes any list",
        linear_snippet(stride, longest),
        canary_snippet(canary.nearest(step), all)
    );
    Some(Misfit { at: step_path(stages.get(at)?.steps.0, "shift"), wrong, help })
}

/// Times that AWS, which counts minutes, cannot be told, and holds that differ where they must not.
fn uneven_times(asked: &DriverDemand<'_>, strategy: &Strategy) -> Vec<Misfit> {
    let mover = asked.mover();
    let odd = |time: Duration, at: Vec<Crumb>| {
        let word = match at.last() {
            Some(Crumb::Field(word)) => *word,
            _ => "hold",
        };
        (!is_whole_minutes(time)).then(|| Misfit {
            wrong: format!("{mover} counts minutes, and {} is no whole number of them", span(time)),
            help: format!("nearest is `{word}: {}`", span(up_to_minutes(time))),
            at,
        })
    };
    match strategy {
        Strategy::Linear { every, .. } => odd(*every, path(&["strategy", "linear", "every"])).into_iter().collect(),
        Strategy::Canary { steps, .. } => {
            let holds = steps.iter().enumerate().filter_map(|(index, step)| match step {
                StepSpec::Hold(time) => odd(*time, step_path(index, "hold")),
                StepSpec::Shift(_) | StepSpec::Approve { .. } => None,
            });
            let mut found: Vec<Misfit> = holds.collect();
            if found.is_empty() && !asked.can().uneven_holds {
                found.extend(uneven_holds(asked, &stages(steps)));
            }
            found
        }
        Strategy::HarmBudget { .. } | Strategy::BlueGreen { .. } => Vec::new(),
    }
}

fn uneven_holds(asked: &DriverDemand<'_>, stages: &[Stage]) -> Option<Misfit> {
    let first = stages.first().filter(|_| odd_one(stages).is_none())?;
    let other = stages.iter().find(|stage| stage.hold != first.hold)?;
    let longest = stages.iter().map(|stage| stage.hold).max().unwrap_or_default();
    Some(Misfit {
        at: step_path(other.steps.1, "hold"),
        wrong: format!("{} keeps every share for the same time", asked.mover()),
        help: format!("nearest is `{}`", linear_snippet(first.share, longest)),
    })
}

/// A person cannot be waited for where nothing waits.
fn approvals(asked: &DriverDemand<'_>, strategy: &Strategy) -> Vec<Misfit> {
    let Strategy::Canary { steps, .. } = strategy else { return Vec::new() };
    let waits = asked.can().waits;
    let asks = |(index, step): (usize, &StepSpec)| {
        let StepSpec::Approve { within, .. } = step else { return None };
        (waits == Waits::Never).then(|| Misfit {
            at: step_path(index, "approve"),
            wrong: format!("{} does not wait for a person once traffic moves", asked.mover()),
            help: format!(
                "nearest is `hold: {}`, in which a person can say `tidegate rollback`; the driver ecs waits",
                span(up_to_minutes(*within))
            ),
        })
    };
    steps.iter().enumerate().filter_map(asks).collect()
}

/// A time that is longer than AWS waits.
fn too_long(asked: &DriverDemand<'_>, strategy: &Strategy) -> Option<Misfit> {
    if let DriverSpec::Ecs { pause } = asked.driver {
        return longer_than_pause(asked, strategy, *pause);
    }
    let Shares::Timetables { within, .. } = asked.can().shares else { return None };
    let (count, every, at) = match (timetable(strategy, asked.driver)?, strategy) {
        (Timetable::Linear { step, every }, Strategy::Canary { .. }) => {
            (shifts(step), every, path(&["strategy", "canary"]))
        }
        (Timetable::Linear { step, every }, _) => (shifts(step), every, path(&["strategy", "linear", "every"])),
        (Timetable::Canary { every, .. }, _) => (1, every, path(&["strategy", "canary"])),
        (Timetable::AllAtOnce, _) => return None,
    };
    let all = every * count;
    (all > within).then(|| Misfit {
        at,
        wrong: format!("{} gives up after {}, and this takes {}", asked.mover(), span(within), span(all)),
        help: format!("nearest is {} for each share", span(Duration::from_secs((within / count).as_secs() / 60 * 60))),
    })
}

/// How many shares below everything equal steps have.
fn shifts(step: Share) -> u32 {
    u32::from((Share::ALL.permille() - 1) / step.permille().max(1)).max(1)
}

/// Something that a pause of ECS's has to outlast: how long it takes, in words, and where the spec says so.
type Wait = (Duration, String, Vec<Crumb>);

/// ECS waits at a pause until it is told to go on: as long as a hold, a late verdict and a person take.
fn longer_than_pause(asked: &DriverDemand<'_>, strategy: &Strategy, pause: Duration) -> Option<Misfit> {
    let limits = asked.limits?;
    let mut waits = held(strategy, limits.verdict);
    waits.extend(probed(asked.gates));
    let (time, what, at) = waits.into_iter().max_by_key(|(time, ..)| *time)?;
    if time < pause {
        return None;
    }
    let enough = up_to_minutes(time + MINUTE);
    let help = if enough <= LONGEST_PAUSE {
        format!("nearest is `driver: {{ ecs: {{ pause: {} }} }}`", span(enough))
    } else {
        format!("a pause lasts {} at most", span(LONGEST_PAUSE))
    };
    let wrong = format!("{what} may take {}, and ECS goes back by itself after a pause of {}", span(time), span(pause));
    Some(Misfit { at, wrong, help })
}

/// How long each share is kept at most.
fn held(strategy: &Strategy, verdict: Duration) -> Vec<Wait> {
    let judged = |what: &str, hold: Duration, at: Vec<Crumb>| {
        (hold + verdict, format!("{what} of {} and limits.verdict of {}", span(hold), span(verdict)), at)
    };
    match strategy {
        Strategy::Canary { steps, warm } => {
            let mut waits: Vec<Wait> = stages(steps).iter().map(|stage| kept(stage, verdict)).collect();
            waits.push(judged("warm", *warm, path(&["strategy", "canary", "warm"])));
            waits
        }
        Strategy::Linear { every, warm, .. } => vec![
            judged("every", *every, path(&["strategy", "linear", "every"])),
            judged("warm", *warm, path(&["strategy", "linear", "warm"])),
        ],
        Strategy::BlueGreen { warm } => vec![judged("warm", *warm, path(&["strategy", "blue_green", "warm"]))],
        Strategy::HarmBudget { .. } => Vec::new(),
    }
}

/// A share with its holds, each of which a verdict may lengthen, and its approvals.
fn kept(stage: &Stage, verdict: Duration) -> Wait {
    let Stage { hold, approval, steps: (_, last), .. } = *stage;
    let mut parts = Vec::new();
    let mut time = approval;
    if !hold.is_zero() {
        time += hold + verdict;
        parts.push(format!("a hold of {} and limits.verdict of {}", span(hold), span(verdict)));
    }
    if !approval.is_zero() {
        parts.push(format!("an approval within {}", span(approval)));
    }
    let at = step_path(last, if approval.is_zero() { "hold" } else { "approve" });
    (time, parts.join(" and "), at)
}

/// How long the probes may take: all of them come before the first share.
fn probed(gates: &[Gate]) -> Option<Wait> {
    let probes = gates.iter().enumerate().filter_map(|(index, gate)| match &gate.check {
        Check::Probe(rule) => Some((index, rule.within)),
        _ => None,
    });
    let probes: Vec<(usize, Duration)> = probes.collect();
    let (last, _) = probes.last()?;
    let all = probes.iter().map(|(_, within)| *within).sum();
    let at = vec![Crumb::Field("gates"), Crumb::Item(*last)];
    Some((all, if probes.len() == 1 { "the probe" } else { "the probes together" }.to_owned(), at))
}

fn takes(grain: Grain) -> String {
    let unit = if grain.of.permille() == 10 { "whole percents" } else { "tenths of a percent" };
    format!("it takes {unit} from {} to {}", grain.least, grain.most())
}

fn linear_snippet(step: Share, every: Duration) -> String {
    format!("linear: {{ step: {step}, every: {} }}", span(up_to_minutes(every)))
}

fn canary_snippet(first: Share, hold: Duration) -> String {
    format!("canary: {{ steps: [{{ shift: {first} }}, {{ hold: {} }}] }}", span(up_to_minutes(hold)))
}
