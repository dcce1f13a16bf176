//! The plan for people: what will happen, when at the earliest and the latest, and what going back means.

use std::fmt::Write as _;

use super::{Entry, Page, asked, learned, needs, release, retreat, review, task_definition, timeline};
use crate::domain::clock::span;
use crate::domain::fleet::{Place, Role};
use crate::domain::name::Arn;
use crate::domain::text::{columns, escape, hang, pad};
use crate::domain::traffic::Share;
use crate::domain::window::{WhenClosed, Windows};
use crate::plan::{Action, Facts, Foreseen, Plan, assumed};
use crate::spec::OnTrouble;

/// The plan on one page.
pub fn text(plan: &Plan, page: Page) -> String {
    whole(plan, None, page)
}

/// The plan with what was found out beside it, for who is to say yes or no.
pub fn reviewed(plan: &Plan, facts: &Facts, page: Page) -> String {
    whole(plan, Some(facts), page)
}

/// What differs, and the rollout in a sentence, for who is asked whether to start it.
pub fn brief(plan: &Plan, facts: &Facts, page: Page) -> String {
    let target = &plan.target;
    let (least, most) = plan.duration();
    let from = task_definition(&plan.before.stable_task_definition);
    let arrow = arrow(page);
    let course = course(plan).iter().map(ToString::to_string).collect::<Vec<_>>().join(&format!(" {arrow} "));
    let sentence = format!(
        "Release {from} {arrow} {} to {} in {}/{}, {course}, {} to {}.",
        release(plan),
        target.cluster,
        target.account,
        target.region,
        span(least),
        span(most),
    );
    let mut text = changes(plan, facts, page);
    for warning in &plan.warnings {
        text.push('\n');
        text.push_str(&hang("! ", 2, &escape(warning), page.width));
    }
    text.push('\n');
    text.push_str(&hang("", 0, &escape(&sentence), page.width));
    text
}

/// The shares that the candidate gets one after the other. A ramp is told by where it ends.
fn course(plan: &Plan) -> Vec<Share> {
    let mut course = Vec::new();
    for done in 0..=plan.steps.len() {
        let share = plan.share_after(done);
        if share > Share::NONE && course.last() != Some(&share) {
            course.push(share);
        }
    }
    course
}

fn whole(plan: &Plan, facts: Option<&Facts>, page: Page) -> String {
    let mut text = header(plan, page);
    if let Some(facts) = facts {
        text.push_str(&changes(plan, facts, page));
    }
    text.push_str(&steps(plan, page));
    text.push_str(&gates(plan, facts, page));
    text.push_str(&way_back(plan, page));
    if let Some(facts) = facts {
        text.push_str("\nWhat it takes\n");
        for (label, said) in review::takes(plan, facts) {
            text.push_str(&row(label, &said, page));
        }
    }
    text.push_str(&finds(plan, facts, page));
    for warning in &plan.warnings {
        text.push('\n');
        text.push_str(&hang("! ", 2, &escape(warning), page.width));
    }
    let (least, most) = plan.duration();
    let total = format!("Forward in {} at least, {} at most; pauses by people come on top.", span(least), span(most));
    text.push('\n');
    text.push_str(&hang("", 0, &total, page.width));
    text
}

const LABEL: usize = 11;

fn row(label: &str, words: &str, page: Page) -> String {
    hang(&format!("  {}", pad(label, LABEL)), LABEL + 2, &escape(words), page.width)
}

fn header(plan: &Plan, page: Page) -> String {
    let target = &plan.target;
    let arrow = arrow(page);
    let place = |role| {
        let Place { slot, service, target_group_name, .. } = target.place(role);
        format!("{slot}: service {service}, target group {target_group_name}")
    };
    let rule = Arn::parse(&target.rule).map_or(target.rule.as_str(), |arn| arn.resource);
    let from = task_definition(&plan.before.stable_task_definition);
    let mut text = format!("Plan for {}\n\n", plan.name);
    text.push_str(&row("where", &format!("{}, account {}", target.region, target.account), page));
    text.push_str(&row("cluster", &target.cluster, page));
    text.push_str(&row("rule", rule, page));
    text.push_str(&row("stable", &place(Role::Stable), page));
    text.push_str(&row("candidate", &place(Role::Candidate), page));
    text.push_str(&row("release", &format!("{from} {arrow} {}", release(plan)), page));
    text.push_str(&row("driver", &asked::sentence(plan), page));
    if plan.driver.kind().can().writer_role {
        text.push_str(&row("fence", &fence(plan), page));
    }
    text
}

/// Which releases it finds in this service, and what it takes for granted.
fn finds(plan: &Plan, facts: Option<&Facts>, page: Page) -> String {
    let mut text = String::new();
    if let Some(Ok(foreseen)) = facts.and_then(|facts| facts.foreseen.as_ref()) {
        let Foreseen { rate, runs, releases, command } = foreseen;
        let head = format!("What it finds at {rate:.1} requests a second, by {runs} simulated rollouts of each");
        text.push_str(&hang("\n", 0, &head, page.width));
        for line in releases_found(releases.iter().map(review::release_row), page) {
            text.push_str(&line);
        }
        text.push_str(&hang("  ", 2, &foreseen.missed(), page.width));
        // A command is never broken: half of one could not be pasted.
        let _ = writeln!(text, "  {command}");
    }
    let assumed = assumed(plan);
    if !assumed.is_empty() {
        text.push_str("\nWhat the comparison assumes\n");
    }
    for (label, said) in assumed {
        text.push_str(&row(label, &said, page));
    }
    text
}

/// What each release comes to: a table, or where that does not fit, a paragraph for each.
fn releases_found(releases: impl Iterator<Item = [String; 4]>, page: Page) -> Vec<String> {
    if page.width < TABLE {
        let paragraph = |[does, back, within, harmed]: [String; 4]| {
            hang("  ", 4, &format!("{does}: goes back in {back}, half within {within}, {harmed} harmed"), page.width)
        };
        return releases.map(paragraph).collect();
    }
    let head = ["a release that", "goes back", "half within", "harmed"].map(str::to_owned);
    let line = |[does, back, within, harmed]: [String; 4]| {
        let line = format!("  {}  {}  {}  {harmed}", pad(&does, 23), pad(&back, 18), pad(&within, 11));
        format!("{}\n", line.trim_end())
    };
    std::iter::once(head).chain(releases).map(line).collect()
}

/// What is released, as it differs from what serves.
fn changes(plan: &Plan, facts: &Facts, page: Page) -> String {
    let from = task_definition(&plan.before.stable_task_definition);
    if facts.is_nothing_to_do(plan) {
        return hang(
            "\n",
            0,
            &escape(&format!("Nothing to do: {from} serves already what would be released.")),
            page.width,
        );
    }
    let mut text = String::new();
    match &facts.release {
        None => {}
        Some(Err(why)) => text.push_str(&hang(
            "\n",
            0,
            &escape(&format!("The task definitions cannot be compared: {why}")),
            page.width,
        )),
        Some(Ok(found)) => {
            text.push_str(&hang("\n", 0, &escape(&format!("Changes against {from}")), page.width));
            let (lines, more) = review::release(found);
            for line in lines {
                text.push_str(&hang("  ", 6, &escape(&line), page.width));
            }
            if more > 0 {
                let _ = writeln!(text, "  and {more} more");
            }
        }
    }
    text
}

/// What keeps back a write of the rule that comes late.
fn fence(plan: &Plan) -> String {
    match &plan.writer_role {
        Some(role) => {
            let role = Arn::parse(role).map_or(role.as_str(), |arn| arn.resource);
            format!("AWS refuses a forward write that comes late: it is signed as {role}")
        }
        None => "the runner's own; target.writer_role would have AWS keep one too".to_owned(),
    }
}

fn arrow(page: Page) -> &'static str {
    if page.unicode { "→" } else { "->" }
}

/// The width below which the timeline is a list instead of a table.
const TABLE: usize = 64;

fn steps(plan: &Plan, page: Page) -> String {
    let entries = timeline(plan);
    let mut text = "\n".to_owned();
    if page.width < TABLE {
        text.push_str("Steps (weights: stable/candidate)\n");
        for (n, entry) in entries.iter().enumerate() {
            let (starts, weights) = (starts(entry, page), weights(entry, page));
            text.push_str(&hang(&format!("  {:>2}  ", n + 1), 6, &title(entry), page.width));
            text.push_str(&hang("      ", 6, &format!("weights {weights}"), page.width));
            let times = format!("starts after {starts}, may take {}", span(entry.step.within));
            text.push_str(&hang("      ", 6, &times, page.width));
        }
        return text;
    }
    let mut rows = vec![["step", "starts after", "stable/candidate", "limit"].map(str::to_owned)];
    rows.extend(
        entries.iter().map(|entry| [title(entry), starts(entry, page), weights(entry, page), span(entry.step.within)]),
    );
    let widest = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or_default();
    let (time, weight, limit) = (widest(1), widest(2), widest(3));
    // Number, and three gaps of two: the title has what is left.
    let room = page.width.saturating_sub(6 + time + weight + limit + 6);
    let title = widest(0).min(room);
    for (n, row) in rows.iter().enumerate() {
        let number = if n == 0 { "  ".to_owned() } else { format!("{n:>2}") };
        let mut lines = crate::domain::text::wrap(&row[0], title).into_iter();
        let first = pad(&lines.next().unwrap_or_default(), title);
        let line = format!("  {number}  {first}  {}  {}  {}", pad(&row[1], time), pad(&row[2], weight), row[3]);
        text.push_str(line.trim_end());
        text.push('\n');
        for line in lines {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

/// A step's title, with what a person is asked when one is.
pub(super) fn title(entry: &Entry) -> String {
    match &entry.step.action {
        Action::Approve(message) => escape(&format!("{}: {message}", entry.title)),
        Action::Register
        | Action::Secure
        | Action::Prepare(_)
        | Action::Probe(_)
        | Action::Shift(_)
        | Action::Hold(_)
        | Action::Watch(_)
        | Action::Ramp { .. }
        | Action::Commit
        | Action::Retire
        | Action::Conclude
        | Action::Settle => escape(&entry.title),
    }
}

fn starts(entry: &Entry, page: Page) -> String {
    let dash = if page.unicode { "–" } else { "-" };
    let (earliest, latest) = (span(entry.earliest), span(entry.latest));
    if earliest == latest { earliest } else { format!("{earliest} {dash} {latest}") }
}

fn weights(entry: &Entry, page: Page) -> String {
    let pair = |share: Share| {
        let number = |share: Share| share.to_string().trim_end_matches('%').to_owned();
        format!("{}/{}", number(share.rest()), number(share))
    };
    if entry.before == entry.after {
        return pair(entry.after);
    }
    format!("{} {} {}", pair(entry.before), arrow(page), pair(entry.after))
}

fn gates(plan: &Plan, facts: Option<&Facts>, page: Page) -> String {
    let mut text = "\n".to_owned();
    text.push_str(&hang("", 0, "Gates. No data is never a pass.", page.width));
    for (index, gate) in plan.gates.iter().enumerate() {
        let watch = if gate.watch { " (only watches)" } else { "" };
        text.push_str(&hang("  ", 4, &escape(&format!("{}{watch}: {}", gate.name, gate.question())), page.width));
        text.push_str(&hang("    ", 4, &escape(&format!("needs {}", needs(gate))), page.width));
        if let Some(learned) = learned(gate) {
            text.push_str(&hang("    ", 4, &escape(&format!("learned from {learned}")), page.width));
        }
        let Some(facts) = facts else { continue };
        let now = facts.now.iter().filter(|(at, _)| *at == index).map(|(_, now)| format!("now {now}"));
        for line in now.chain(review::traffic(plan, index, facts)) {
            text.push_str(&hang("    ", 4, &escape(&line), page.width));
        }
    }
    let does = |policy| match policy {
        OnTrouble::Rollback => "go back",
        OnTrouble::Hold => "hold and wait for a person",
    };
    let policies = &plan.policies;
    let policies = format!(
        "When a gate fails: {}. When the runner is told to stop: {}. When somebody else writes the rule: {}.",
        does(policies.on_breach),
        does(policies.on_interrupt),
        does(policies.on_foreign_write),
    );
    let watches = plan.gates.iter().any(|gate| gate.watch);
    let policies =
        if watches { format!("{policies} Nothing follows from a gate that only watches.") } else { policies };
    text.push_str(&hang("  ", 2, &policies, page.width));
    if let Some(windows) = &plan.windows {
        text.push_str(&hang("  ", 2, &escape(&open(windows)), page.width));
    }
    if !plan.notify.is_empty() {
        let told: Vec<&str> = plan.notify.iter().map(|recipient| recipient.channel.word()).collect();
        text.push_str(&hang("  ", 2, &format!("Told how it goes: {}.", told.join(", ")), page.width));
    }
    text
}

/// When it may go forward.
fn open(windows: &Windows) -> String {
    let next = windows.open.first().map_or_else(
        || "Its windows are never open".to_owned(),
        |open| format!("Its windows are open from {} to {} at first", open.from, open.to),
    );
    let calendars = if windows.calendars.is_empty() {
        String::new()
    } else {
        format!(", while {} is open", windows.calendars.join(", "))
    };
    let closed = match windows.when_closed {
        WhenClosed::Hold => "it holds before the next weight and before the commit",
        WhenClosed::Finish => "a rollout that is under way goes on",
    };
    format!("{next}{calendars}. While they are closed {closed}; the way back is always open.")
}

fn way_back(plan: &Plan, page: Page) -> String {
    let limit = span(plan.limits.retreat);
    let head = format!("The way back, from any step before the commit; a person is called after {limit}.");
    let mut text = "\n".to_owned();
    text.push_str(&hang("", 0, &head, page.width));
    if let Some(switch) = &plan.dead_man {
        let role = Arn::parse(&switch.role).map_or(switch.role.as_str(), |arn| arn.resource);
        let words = format!(
            "If the runner's machine dies, AWS does the second of these after {}, as {role} (schedule group {}).",
            span(switch.after),
            switch.group
        );
        text.push_str(&hang("  ", 2, &escape(&words), page.width));
    }
    for (n, act) in retreat(plan).iter().enumerate() {
        text.push_str(&hang(&format!("  {}. ", n + 1), 5, &escape(act), page.width));
    }
    for from in review::back_from(plan) {
        text.push_str(&hang("  ", 2, &format!("From {}: {}.", from.steps(), from.does), page.width));
    }
    text
}

#[cfg(test)]
mod tests;
