//! `tidegate record SPEC`: what both slots counted, as the file that `backtest` reads.

use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use super::drivers::Reach;
use super::recording::Writer;
use super::{Exit, Failure, target, terminal};
use crate::cloud::Cloud;
use crate::cloud::alb::AlbDriver;
use crate::domain::clock::{Timestamp, span};
use crate::domain::count::{Bin, Counts, Past};
use crate::domain::fleet::{Role, Slot, SlotView, Survey, Target};
use crate::domain::text::{escape, many};
use crate::gate::compare::{CompareRule, Threshold};
use crate::gate::{Check, Gate, Reading};
use crate::spec::Spec;

/// The longest stretch that is recorded: CloudWatch keeps minutes for fifteen days, and this is few calls.
const LONGEST: Duration = Duration::from_secs(3 * 24 * 3600);
/// How much is recorded when nobody says: the past that a gate learns from, and two hours beside it.
const USUAL: &str = "14h";

/// Record what both slots counted, as the file that backtest reads.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The counts are those that the spec's compare gate reads: the load balancer's own, or the feed's. What
came before the candidate's first request is the past that a gate learns from: twelve hours are good.

Examples:
  tidegate record rollout.yaml --since 14h > friday.jsonl
  tidegate record rollout.yaml --since 2026-11-23T02:00:00Z --until 1h --out friday.jsonl
  tidegate record rollout.yaml --candidate green | tidegate backtest rollout.yaml --metrics -"
)]
pub(super) struct Args {
    /// The spec whose target is recorded.
    spec: PathBuf,
    /// From when on: so long ago, such as 2h, or a moment in UTC, such as 2026-11-23T14:00:00Z.
    #[arg(long, value_name = "TIME", default_value = USUAL, value_parser = moment)]
    since: Moment,
    /// Until when, likewise [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// The slot that had the new release [default: the one that has no weight now].
    #[arg(long, value_name = "SLOT")]
    candidate: Option<Candidate>,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Candidate {
    Blue,
    Green,
}

/// A moment, as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Ago(Duration),
    At(Timestamp),
}

fn moment(text: &str) -> Result<Moment, String> {
    let right = || "so long ago, such as 90m, 2h or 1d, or a moment such as 2026-11-23T14:00:00Z".to_owned();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return u64::try_from(at.as_millisecond())
            .map(|ms| Moment::At(Timestamp::from_millis(ms)))
            .map_err(|_| right());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(right)?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(right()),
    };
    let number: u64 = number.parse().map_err(|_| right())?;
    number.checked_mul(seconds).map(|seconds| Moment::Ago(Duration::from_secs(seconds))).ok_or_else(right)
}

impl Moment {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::Ago(span) => now.before(span),
            Moment::At(at) => at,
        }
    }
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    let clock = context.clock();
    let now = clock.now();
    let stretch = stretch(&args, now)?;
    let aws = target::connect(context, &spec).await?;
    let rule = rule(&spec);
    let survey = target::surveyed(context, (&aws, &clock), &with(&spec, &rule)).await?;
    let candidate = candidate(&survey, args.candidate)?;
    let (rule, marks) = counted(rule, &survey);
    let target = moved(&survey, candidate);
    say(&spec, &target, stretch);
    let reach = Reach { context, aws: &aws, connect_to: context.connect_to() };
    let driver = reach.reader(spec.name.as_str(), target, &survey.rule, clock);
    let bins = read(&driver, &rule, stretch).await?;
    let (text, writer) = written(&bins, &marks);
    if writer.lines == 0 {
        let wrong = "neither slot had a request in that time";
        return Err(Failure::new(Exit::Unexpected, wrong)
            .hint("`--since` says from when on; the spec's feed says what is counted"));
    }
    terminal::deliver(&text, args.out.as_deref())?;
    terminal::say(&format!("{} written", many(writer.lines, "line")));
    if writer.cut > 0 {
        terminal::say(&format!("in {} a part was more than the whole, and was cut", many(writer.cut, "line")));
    }
    Ok(Exit::Done)
}

fn stretch(args: &Args, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let (since, until) = (args.since.at(now), args.until.map_or(now, |until| until.at(now)).min(now));
    if since >= until {
        let wrong = format!("there is nothing between {since} and {until}");
        return Err(Failure::new(Exit::Usage, wrong).hint("`--since` comes before `--until`"));
    }
    if now.since(since) > LONGEST {
        let wrong = format!("{since} is more than {} ago", span(LONGEST));
        return Err(Failure::new(Exit::Usage, wrong).hint("record less at once; `backtest --past` takes a second file"));
    }
    Ok((since, until))
}

/// The rule of the spec's compare gate, or the usual one.
fn rule(spec: &Spec) -> CompareRule {
    let rule = spec.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some((**rule).clone()),
        _ => None,
    });
    rule.unwrap_or_default()
}

/// The spec with a gate that asks for the past.
fn with(spec: &Spec, rule: &CompareRule) -> Spec {
    let mut spec = spec.clone();
    spec.gates = vec![gate(rule.clone())];
    spec
}

fn gate(rule: CompareRule) -> Gate {
    Gate { name: "counts".to_owned(), check: Check::Compare(Box::new(rule)), watch: false }
}

/// The slot that is recorded as the candidate.
fn candidate(survey: &Survey, asked: Option<Candidate>) -> Result<Slot, Failure> {
    let weight = |slot: &SlotView| {
        survey.rule.weights.iter().find(|(group, _)| *group == slot.place.target_group).map_or(0, |(_, weight)| *weight)
    };
    match (asked, weight(&survey.blue), weight(&survey.green)) {
        (Some(Candidate::Blue), ..) | (None, 0, 1..) => Ok(Slot::Blue),
        (Some(Candidate::Green), ..) | (None, 1.., 0) => Ok(Slot::Green),
        (None, blue, green) => {
            let wrong =
                format!("blue has weight {blue} and green {green}, so it is not clear which had the new release");
            Err(Failure::new(Exit::Usage, wrong).hint("`--candidate blue` or `--candidate green`"))
        }
    }
}

/// The rule with the times that slow answers are counted at, and those times: stable slot, candidate.
fn counted(mut rule: CompareRule, survey: &Survey) -> (CompareRule, [Vec<f64>; 2]) {
    let past = match &survey.past {
        Some(Ok(past)) => Some(past),
        Some(Err(why)) => {
            terminal::say(&format!("response times are not recorded: {}", escape(why)));
            None
        }
        None => None,
    };
    let above = 1.0 + rule.latency.slower;
    let threshold = |past: &Past, seconds: f64, quantile| Threshold {
        quantile,
        stable: seconds,
        candidate: if past.resolves { seconds * above } else { seconds },
        odds: 1.0,
        share: 0.0,
        noise: 0.0,
        jitter: 0.0,
    };
    let marks = past.iter().flat_map(|past| past.marks.iter().map(|mark| threshold(past, mark.seconds, mark.quantile)));
    rule.baseline.thresholds = marks.collect();
    // Nanoseconds are fine enough, and leave out the rounding of the product.
    let short = |seconds: f64| (seconds * 1e9).round() / 1e9;
    let of = |time: fn(&Threshold) -> f64| rule.baseline.thresholds.iter().map(|mark| short(time(mark))).collect();
    let marks = [of(|mark| mark.stable), of(|mark| mark.candidate)];
    (rule, marks)
}

/// The target, with roles as they were.
fn moved(survey: &Survey, candidate: Slot) -> Target {
    let (stable, candidate) = match candidate {
        Slot::Blue => (&survey.green, &survey.blue),
        Slot::Green => (&survey.blue, &survey.green),
    };
    Target {
        region: survey.region.clone(),
        account: survey.account.clone(),
        cluster: survey.cluster.clone(),
        rule: survey.rule.arn.clone(),
        load_balancer_dimension: survey.load_balancer_dimension.clone(),
        dns_name: survey.dns_name.clone(),
        stable: stable.place.clone(),
        candidate: candidate.place.clone(),
    }
}

fn say(spec: &Spec, target: &Target, (since, until): (Timestamp, Timestamp)) {
    let (stable, candidate) = (escape(&target.stable.service), escape(&target.candidate.service));
    terminal::say(&format!("recording {}: stable {stable}, candidate {candidate}, {since} to {until}", spec.name));
}

async fn read(
    driver: &AlbDriver,
    rule: &CompareRule,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<Bin>, Failure> {
    let gate = gate(rule.clone());
    let mut readings = driver.readings(&[&gate], since).await;
    match readings.pop() {
        Some(Reading::Counts(mut bins)) => {
            bins.retain(|bin| bin.at >= since && bin.at + rule.feed.span() <= until);
            Ok(bins)
        }
        Some(Reading::Unreadable(fault)) => Err(fault.into()),
        _ => Err(Failure::new(Exit::Unexpected, "the feed gave something else than counts")),
    }
}

/// The file's lines.
fn written(bins: &[Bin], [own, other]: &[Vec<f64>; 2]) -> (String, Writer) {
    let mut writer = Writer::default();
    let mut text = String::new();
    for bin in bins {
        let slots: [(Role, &Option<Counts>, &Vec<f64>); 2] =
            [(Role::Stable, &bin.stable, own), (Role::Candidate, &bin.candidate, other)];
        for (role, counts, marks) in slots {
            if let Some(counts) = counts {
                text.push_str(&writer.line(bin.at, role, counts, marks));
            }
        }
    }
    (text, writer)
}
