//! `tidegate backtest SPEC --metrics FILE`: runs the counting gates over recorded data and shows their verdicts.

mod page;
mod past;
mod suite;
mod trial;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::context::Context;
use super::recording::{Bins, FORMAT, Wrong};
use super::{Exit, Failure, target, terminal};
use crate::domain::clock::Timestamp;
use crate::domain::fleet::Role;
use crate::gate::Check;
use crate::gate::compare::RampRule;
use crate::plan::{Action, Adopt, ReleasePlan, compile};
use crate::simulate::survey;
use crate::spec::Spec;
use past::PastBins;
use trial::{End, Rules, Trial, above, apart_at_most};

/// Judge recorded metrics as the spec's compare and split gates would have.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    /// The spec.
    spec: PathBuf,
    /// What was recorded; - is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "suite", conflicts_with = "suite")]
    metrics: Option<PathBuf>,
    /// The stable slot's past, where it is in another file.
    #[arg(long, value_name = "FILE", requires = "metrics")]
    past: Option<PathBuf>,
    /// Many series whose truth is known, judged in one run; - is standard input.
    #[arg(long, value_name = "FOLDER")]
    suite: Option<PathBuf>,
    /// Decides which requests of a suite are kept where the spec gives a part of the traffic.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "suite")]
    seed: u64,
}

fn help() -> String {
    format!(
        "Lines of the stable slot from before the candidate's first request are the past that the gate
learns from. A rollback is one wherever in the file the gate fails; without one it is a promotion if
the margins are proven at the end of the file, and undecided if they are not.

{FORMAT}

{}

Exit codes: 0 promote, 10 roll back, 13 undecided, 2 a file that cannot be used; of a suite 0 when it is judged.

Examples:
  tidegate backtest rollout.yaml --metrics friday.jsonl
  tidegate backtest rollout.yaml --suite recordings
  tidegate backtest rollout.yaml --metrics friday.jsonl --past week.jsonl --json
  tidegate record rollout.yaml --since 2h | tidegate backtest rollout.yaml --metrics -",
        suite::FORMAT
    )
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    if let Some(folder) = &args.suite {
        return suite::run(context, &spec, folder, args.seed);
    }
    let Some(metrics) = &args.metrics else {
        return Err(Failure::new(Exit::Usage, "neither `--metrics` nor `--suite` is given"));
    };
    let rules = rules(&spec)?;
    let span = rules.span();
    let mut past = PastBins::new(span);
    let mut notes = Vec::new();
    let mut bins = Bins::new(open(metrics)?, span);
    if let Some(path) = &args.past {
        let mut before = Bins::new(open(path)?, span);
        read_past(&mut before, &mut past).map_err(|wrong| told(path, wrong))?;
        bins.expect(Role::Stable, before.marks(Role::Stable).to_vec());
        notes.extend(before.found().notes().into_iter().map(|note| format!("{}: {note}", path.display())));
    }
    let trial = judge(&mut bins, rules, past).map_err(|wrong| told(metrics, wrong))?;
    notes.extend(bins.found().notes());
    let account = trial.account(notes);
    if context.json() {
        terminal::print_json(&page::json(&account))?;
    } else {
        terminal::print(&page::text(&account, terminal::page_style(context)))?;
    }
    Ok(match account.end {
        End::Promote(_) => Exit::Done,
        End::RollBack { .. } => Exit::RolledBack,
        End::Undecided => Exit::HandedOver,
    })
}

fn read_past<R: BufRead>(bins: &mut Bins<R>, past: &mut PastBins) -> Result<(), Wrong> {
    while let Some((at, bin)) = bins.next()? {
        if bin.candidate.is_some() {
            return Err(Wrong::new(format!("at {at} the candidate has requests"))
                .right("a past is the stable slot's alone; `--metrics` takes what the candidate did"));
        }
        if let Some(stable) = bin.stable {
            past.add(at, stable);
        }
    }
    Ok(())
}

/// Puts a whole file before the gates.
fn judge<R: BufRead>(bins: &mut Bins<R>, rules: Rules, mut past: PastBins) -> Result<Trial, Wrong> {
    let first = loop {
        let Some((at, bin)) = bins.next()? else {
            return Err(Wrong::new("the candidate has no requests in it").right("there is nothing to judge without"));
        };
        match bin.stable {
            _ if bin.candidate.is_some() => break (at, bin),
            Some(stable) => past.add(at, stable),
            None => {}
        }
    };
    if bins.marks(Role::Stable).is_empty() && !bins.has(Role::Stable) && past.is_empty() {
        return Err(Wrong::new("the stable slot has no line in the candidate's first hour")
            .right("the candidate is compared with the stable slot in the same bins"));
    }
    let same = bins.pairs()?;
    check_tolerance(rules.rule.latency.slower, bins.marks(Role::Stable), bins.marks(Role::Candidate))?;
    let past = past.into_past(bins.marks(Role::Stable), !same);
    let mut trial = Trial::new(rules, &past, bins.marks(Role::Candidate), first.0);
    trial.take(first.0, first.1);
    while let Some((at, bin)) = bins.next()? {
        trial.take(at, bin);
    }
    Ok(trial)
}

/// A candidate that is counted far above the stable slot's times would pass for faster than it is.
fn check_tolerance(tolerated: f64, own: &[f64], other: &[f64]) -> Result<(), Wrong> {
    let above = above(own, other);
    if above <= apart_at_most(tolerated) {
        return Ok(());
    }
    let (above, percent) = (above * 100.0, tolerated * 100.0);
    let what = format!(
        "the candidate's times lie {above:.1} % above the stable slot's, and the spec tolerates {percent:.1} %"
    );
    Err(Wrong::new(what).right("record again with this spec, or set `latency.slower` in its compare gate"))
}

/// The spec's gates that can be put before counts.
fn rules(spec: &Spec) -> Result<Rules, Failure> {
    let compare = spec.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some((gate.clone(), (**rule).clone())),
        _ => None,
    });
    let Some((compare, rule)) = compare else {
        let wrong = "the spec has no compare gate, and no other can be judged by recorded counts";
        return Err(Failure::new(Exit::Usage, wrong).hint("add `- compare: {}` to its gates"));
    };
    let split = spec.gates.iter().find(|gate| matches!(gate.check, Check::Split(_))).cloned();
    Ok(Rules { ramp: ramp(spec), compare, rule, split })
}

/// How the spec's strategy raises the share by itself, if it does.
fn ramp(spec: &Spec) -> Option<RampRule> {
    let survey = survey(spec, Timestamp::default(), None);
    let plan = compile(spec, &survey, ReleasePlan::Registered("release:2".to_owned()), Adopt::Never).ok()?;
    plan.steps.into_iter().find_map(|step| match step.action {
        Action::Ramp { rule, .. } => Some(rule),
        _ => None,
    })
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let wrong = |why: String| Failure::new(Exit::Usage, format!("cannot read the metrics {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        return Err(wrong("it is a folder".to_owned()).hint("name the file in it"));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// What is wrong with a file, with its place.
fn told(path: &Path, wrong: Wrong) -> Failure {
    let place = wrong.line.map_or_else(String::new, |line| format!(":{line}"));
    let failure = Failure::new(Exit::Usage, format!("{}{place}: {}", path.display(), wrong.what));
    match wrong.right {
        Some(right) => failure.hint(right),
        None => failure,
    }
}

impl Rules {
    fn span(&self) -> std::time::Duration {
        self.rule.feed.span()
    }
}
