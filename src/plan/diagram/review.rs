//! What a reader of a plan asks before saying yes, in sentences: what changes, what a way back does from each step, what
//! is called, what it costs, what is known at this moment.

use super::{Entry, timeline};
use crate::domain::clock::span;
use crate::domain::driver::DriverKind;
use crate::domain::text::{count, many};
use crate::domain::traffic::Share;
use crate::gate::{Check, MetricSource};
use crate::plan::{Action, Difference, Facts, Plan, Price, Release, Size, calls, doubling};

/// How many differences between task definitions are listed; the rest are counted.
const DIFFERENCES: usize = 40;

/// What the way back does from these steps on, first and last by their numbers.
pub(super) struct From {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) does: String,
}

impl From {
    /// `step 4`, `steps 4 to 9`.
    pub(super) fn steps(&self) -> String {
        let From { first, last, .. } = self;
        if first == last { format!("step {first}") } else { format!("steps {first} to {last}") }
    }
}

/// What the way back does from each step, steps of a kind together.
pub(super) fn back_from(plan: &Plan) -> Vec<From> {
    let mut found: Vec<From> = Vec::new();
    let mut committed = false;
    for (n, entry) in timeline(plan).iter().enumerate() {
        committed |= matches!(entry.step.action, Action::Retire | Action::Conclude | Action::Settle);
        let does = undone(plan, entry, committed);
        match found.last_mut() {
            Some(last) if last.does == does => last.last = n + 1,
            _ => found.push(From { first: n + 1, last: n + 1, does }),
        }
    }
    found
}

fn undone(plan: &Plan, entry: &Entry, committed: bool) -> String {
    let most = entry.before.max(entry.after);
    if committed {
        return "no way back any more; the release before is rolled out like a new one".to_owned();
    }
    if most > Share::NONE {
        return "the traffic at once, then tasks and settings".to_owned();
    }
    let registered = plan.steps.iter().any(|step| step.action == Action::Register);
    let stays = if registered { "; a registered task definition stays" } else { "" };
    format!("tasks and settings alone, as no traffic has moved{stays}")
}

/// What differs in the release, a line each; the second is how many are left out.
pub(super) fn release(found: &[Difference]) -> (Vec<String>, usize) {
    let line = |one: &Difference| match (&one.live, &one.released) {
        (None, Some(new)) => format!("+ {}: {new}", one.part),
        (Some(old), None) => format!("- {}: {old}", one.part),
        (Some(old), Some(new)) if old == new => format!("~ {}: differs, {old}", one.part),
        (old, new) => format!("~ {}: {} to {}", one.part, words(old.as_ref()), words(new.as_ref())),
    };
    (found.iter().take(DIFFERENCES).map(line).collect(), found.len().saturating_sub(DIFFERENCES))
}

fn words(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

/// A kind of release, how often it goes back, when, and what it harms until then.
pub(super) fn release_row(release: &Release) -> [String; 4] {
    let percent = |share: f64| format!("{:.0}", 100.0 * share);
    let Release { does, back, within: (least, most), found, harmed, .. } = release;
    let seconds = |time: std::time::Duration| span(std::time::Duration::from_secs(time.as_secs()));
    let found = found.map_or("-".to_owned(), seconds);
    [
        (*does).to_owned(),
        format!("{} % ({} to {})", percent(*back), percent(*least), percent(*most)),
        found,
        number(*harmed),
    ]
}

/// What a rollout takes, by label.
pub(super) fn takes(plan: &Plan, facts: &Facts) -> Vec<(&'static str, String)> {
    let mut found = vec![("calls", called(plan))];
    found.extend(doubled(plan, facts).map(|said| ("capacity", said)));
    found.push(("allowed", allowed(facts)));
    found.extend(facts.credentials.clone().map(|said| ("keys", said)));
    if let Some(Err(why)) = &facts.foreseen {
        found.push(("foreseen", why.clone()));
    }
    found
}

/// What is known of permissions.
fn allowed(facts: &Facts) -> String {
    let writes = "what it would write is tried only by writing; `tidegate iam-policy SPEC --for runner` lists all";
    match facts.denied.as_slice() {
        [] => format!("every read of this plan; {writes}"),
        denied => format!("not allowed: {}; {writes}", denied.join("; ")),
    }
}

/// Which writes the way forward makes, and how many reads.
fn called(plan: &Plan) -> String {
    let writes: Vec<String> = calls::writes(plan)
        .iter()
        .map(|call| format!("{} {}{}", call.operation, if call.at_most { "up to " } else { "" }, call.times))
        .collect();
    let (least, most) = plan.duration();
    let reads = |time: std::time::Duration| count(u64::from(calls::reads_a_minute(plan)) * time.as_secs() / 60);
    let read =
        format!("about {} reads a minute, {} to {} in all", calls::reads_a_minute(plan), reads(least), reads(most));
    let by = match plan.driver.kind() {
        DriverKind::Pair | DriverKind::TaskSets => String::new(),
        kind => format!("; {} writes the rule itself", kind.mover()),
    };
    format!("{}{by}; {read}", writes.join(", "))
}

/// What running both slots at once takes, and what that costs.
fn doubled(plan: &Plan, facts: &Facts) -> Option<String> {
    let both = doubling(plan)?;
    let (least, most) = (span(both.least), span(both.most));
    let tasks = many(u64::from(both.tasks), "task");
    let Some(size) = facts.size else {
        return Some(format!(
            "{tasks} beside those that serve, for {least} to {most}; no task definition says their size"
        ));
    };
    let Size { vcpu, gib } = size;
    let hours = |time: std::time::Duration, unit: f64| f64::from(both.tasks) * unit * time.as_secs_f64() / 3600.0;
    let [low, high] = [both.least, both.most].map(|time| (hours(time, vcpu), hours(time, gib)));
    let price = facts.price.map_or(String::new(), |Price { vcpu, gib }| {
        let dollars = |(cpu, memory): (f64, f64)| cpu * vcpu + memory * gib;
        format!(
            "; ${:.2} to ${:.2} in {} at the price given, ${vcpu} a vCPU-hour and ${gib} a GiB-hour",
            dollars(low),
            dollars(high),
            plan.target.region
        )
    });
    Some(format!(
        "{tasks} of {vcpu} vCPU and {gib} GiB beside those that serve, for {least} to {most}: {} to {} vCPU-hours, {} to \
         {} GiB-hours more{price}",
        short(low.0),
        short(high.0),
        short(low.1),
        short(high.1)
    ))
}

/// A number with as many digits as tell something.
fn short(number: f64) -> String {
    if number >= 10.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}

/// How much traffic a gate needs, and whether today's brings it: for what counts requests.
pub(super) fn traffic(plan: &Plan, gate: usize, facts: &Facts) -> Option<String> {
    let rate = facts.rate?;
    let gate = plan.gates.get(gate)?;
    let shares = timeline(plan);
    let first = shares.iter().map(|entry| entry.after).find(|share| *share > Share::NONE)?;
    let brings = |time: std::time::Duration| rate * first.percent() / 100.0 * time.as_secs_f64();
    match &gate.check {
        Check::Metric(rule) => {
            let MetricSource::CloudWatch(metric) = &rule.source else { return None };
            let (_, least) = metric.samples.as_ref()?;
            let some = brings(rule.period);
            let enough = if some >= *least { "enough" } else { "too few: it stays undecided there" };
            Some(format!(
                "{first} of today's {rate:.1} requests a second brings {} per {}, {enough}",
                number(some),
                span(rule.period)
            ))
        }
        Check::Compare(rule) => crate::plan::compared::proven(rule, rate, plan),
        _ => None,
    }
}

fn number(of: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is not negative")]
    let whole = of.round() as u64;
    count(whole)
}
