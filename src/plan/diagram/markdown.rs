//! The plan for a comment on a pull request: GitHub's Markdown, with foreign words that can neither format, link nor
//! call anybody.

use std::fmt::Write as _;

use super::{Entry, asked, needs, release, retreat, review, task_definition, timeline};
use crate::domain::clock::span;
use crate::domain::text::{fit, markdown as markdown_words, markdown_code};
use crate::domain::traffic::Share;
use crate::plan::{Facts, Foreseen, Plan, assumed};

/// The most that is written, in bytes: GitHub refuses a comment above 65,536 characters, and whoever posts it may want
/// to say something, too.
pub const MARKDOWN_LIMIT: usize = 60 * 1024;
/// The longest foreign text in a cell, in characters.
const CELL: usize = 400;
/// What stands for what did not fit.
const LEFT_OUT: &str = "\n*The rest does not fit here: `tidegate plan` shows all of it.*\n";

/// The plan as Markdown, no longer than [`MARKDOWN_LIMIT`]; blocks that do not fit are left out, which is said.
pub fn markdown(plan: &Plan, facts: &Facts) -> String {
    let blocks = [
        head(plan, facts),
        changes(facts),
        steps(plan),
        warnings(plan),
        gates(plan, facts),
        takes(plan, facts),
        finds(plan, facts),
        back(plan),
    ];
    let mut text = String::new();
    let mut whole = true;
    for block in blocks {
        if text.len() + block.len() + LEFT_OUT.len() <= MARKDOWN_LIMIT {
            text.push_str(&block);
        } else {
            whole = false;
        }
    }
    if !whole {
        text.push_str(LEFT_OUT);
    }
    text
}

/// Foreign text as plain words.
fn plain(foreign: &str) -> String {
    markdown_words(&fit(foreign, CELL, true))
}

/// Foreign text as code.
fn code(foreign: &str) -> String {
    markdown_code(&fit(foreign, CELL, true))
}

fn head(plan: &Plan, facts: &Facts) -> String {
    let target = &plan.target;
    let (least, most) = plan.duration();
    let from = task_definition(&plan.before.stable_task_definition);
    let mut text = format!("### Plan for {}\n\n", code(plan.name.as_str()));
    if facts.is_nothing_to_do(plan) {
        let _ = writeln!(text, "**Nothing to do**: {} serves already what would be released.\n", code(from));
    }
    let place = |service: &str, group: &str| format!("{} behind {}", code(service), code(group));
    let stable = place(&target.stable.service, &target.stable.target_group_name);
    let candidate = place(&target.candidate.service, &target.candidate.target_group_name);
    let rows = [
        ("release", format!("{} → {}", code(from), plain(&release(plan)))),
        ("where", format!("{} in {}, account {}", code(&target.cluster), code(&target.region), code(&target.account))),
        ("stable", stable),
        ("candidate", candidate),
        ("driver", plain(&asked::sentence(plan))),
        ("time", format!("{} at least, {} at most", span(least), span(most))),
    ];
    text.push_str("| | |\n|---|---|\n");
    for (label, said) in rows {
        let _ = writeln!(text, "| {label} | {said} |");
    }
    text
}

fn changes(facts: &Facts) -> String {
    let Some(release) = &facts.release else { return String::new() };
    match release {
        Err(why) => format!("\nThe task definitions cannot be compared: {}\n", plain(why)),
        Ok(found) if found.is_empty() => "\nThe task definition does not change.\n".to_owned(),
        Ok(found) => {
            let (lines, more) = review::release(found);
            let mut text = "\n**Changes in the task definition**\n\n".to_owned();
            for line in lines {
                let _ = writeln!(text, "- {}", code(&line));
            }
            if more > 0 {
                let _ = writeln!(text, "- and {more} more");
            }
            text
        }
    }
}

fn steps(plan: &Plan) -> String {
    let mut text = "\n| | step | starts after | stable/candidate | limit |\n|--:|---|---|---|---|\n".to_owned();
    for (n, entry) in timeline(plan).iter().enumerate() {
        let title = plain(&super::text::title(entry));
        let limit = span(entry.step.within);
        let _ = writeln!(text, "| {} | {title} | {} | {} | {limit} |", n + 1, starts(entry), weights(entry));
    }
    text
}

fn starts(entry: &Entry) -> String {
    let (earliest, latest) = (span(entry.earliest), span(entry.latest));
    if earliest == latest { earliest } else { format!("{earliest} – {latest}") }
}

fn weights(entry: &Entry) -> String {
    let pair = |share: Share| format!("{}/{share}", share.rest());
    if entry.before == entry.after {
        pair(entry.after)
    } else {
        format!("{} → **{}**", pair(entry.before), pair(entry.after))
    }
}

fn warnings(plan: &Plan) -> String {
    let lines = plan.warnings.iter().map(|warning| format!("> - {}\n", plain(warning)));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n> [!WARNING]\n{lines}") }
}

fn gates(plan: &Plan, facts: &Facts) -> String {
    let mut text = "\n| gate | asks | now | needs |\n|---|---|---|---|\n".to_owned();
    for (index, gate) in plan.gates.iter().enumerate() {
        let watch = if gate.watch { " (only watches)" } else { "" };
        let now = facts.now.iter().find(|(at, _)| *at == index).map_or(String::new(), |(_, now)| plain(now));
        let (name, question) = (code(&gate.name), plain(&gate.question()));
        let mut needed = needs(gate);
        if let Some(traffic) = review::traffic(plan, index, facts) {
            let _ = write!(needed, "; {traffic}");
        }
        let _ = writeln!(text, "| {name}{watch} | {question} | {now} | {} |", plain(&needed));
    }
    text
}

fn takes(plan: &Plan, facts: &Facts) -> String {
    let mut text = "\n<details><summary>What it takes</summary>\n\n".to_owned();
    for (label, said) in review::takes(plan, facts) {
        let _ = writeln!(text, "- **{label}**: {}", plain(&said));
    }
    text.push_str("\n</details>\n");
    text
}

/// Which releases it finds in this service, and what it takes for granted.
fn finds(plan: &Plan, facts: &Facts) -> String {
    let mut text = String::new();
    if let Some(Ok(foreseen)) = &facts.foreseen {
        let Foreseen { rate, runs, releases, .. } = foreseen;
        let _ = writeln!(
            text,
            "\n**What it finds** at {rate:.1} requests a second, by {runs} simulated rollouts of each\n"
        );
        text.push_str("| a release that | goes back | half within | harmed |\n|---|---|---|---|\n");
        for row in releases.iter().map(review::release_row) {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        let _ = writeln!(text, "\n{}", foreseen.missed());
    }
    let assumed = assumed(plan);
    if !assumed.is_empty() {
        text.push_str("\n<details><summary>What the comparison assumes</summary>\n\n");
        for (label, said) in assumed {
            let _ = writeln!(text, "- **{label}**: {}", plain(&said));
        }
        text.push_str("\n</details>\n");
    }
    text
}

fn back(plan: &Plan) -> String {
    let limit = span(plan.limits.retreat);
    let mut text = format!("\n<details><summary>The way back, within {limit}</summary>\n\n");
    for (n, act) in retreat(plan).iter().enumerate() {
        let _ = writeln!(text, "{}. {}", n + 1, plain(act));
    }
    text.push('\n');
    for from in review::back_from(plan) {
        let _ = writeln!(text, "- from {}: {}", from.steps(), plain(&from.does));
    }
    text.push_str("\n</details>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample::{plan, secured};
    use super::*;
    use crate::plan::Difference;

    #[test]
    fn a_plan_is_a_comment_with_its_steps_gates_and_way_back() {
        let facts = Facts { now: vec![(2, "OK over the last 5m".into())], ..Facts::default() };
        let text = markdown(&secured(), &facts);
        for part in [
            "### Plan for <code>web</code>",
            "| release | <code>web:41</code> →",
            "→ **75%/25%** | 5m |",
            "| <code>web-5xx</code> | alarm web-5xx is quiet | OK over the last 5m |",
            "<summary>The way back, within 30m</summary>",
            "ecs:UpdateService 2",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }

    #[test]
    fn foreign_words_neither_format_nor_call_anybody() {
        let mut plan = plan();
        plan.warnings = vec!["@everyone see #1 [here](https://x.test) <img src=x> `a` | *b*\nnext".into()];
        plan.gates[0].name = "a`|b".into();
        let text = markdown(&plan, &Facts::default());
        assert!(
            text.contains(
                "> - @&#8203;everyone see \\#&#8203;1 \\[here\\]\\(https:&#8203;//x.test\\) &lt;img src=x&gt;"
            ),
            "{text}"
        );
        assert!(text.contains("\\`a\\` \\| \\*b\\*&lt;U+000A&gt;next"), "{text}");
        assert!(text.contains("| <code>a\\`\\|b</code> |"), "{text}");
    }

    #[test]
    fn a_comment_is_never_longer_than_github_takes() {
        let mut plan = plan();
        let gate = plan.gates[2].clone();
        plan.gates
            .extend((0..500).map(|n| crate::gate::Gate { name: format!("{n}{}", "@".repeat(300)), ..gate.clone() }));
        let long = || Difference { part: "x".repeat(999), live: None, released: Some("@".repeat(900)) };
        let facts = Facts { release: Some(Ok((0..90).map(|_| long()).collect())), ..Facts::default() };
        let text = markdown(&plan, &facts);
        assert!(text.len() <= MARKDOWN_LIMIT, "{}", text.len());
        assert!(text.contains("The rest does not fit here") && text.contains("and 50 more"), "{}", text.len());
        assert!(text.contains("<summary>The way back"), "what fits is there");
    }
}
