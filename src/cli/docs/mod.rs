//! `tidegate docs [TOPIC]`: the documentation in the binary, made from the program's own tables.

mod reference;
#[cfg(feature = "otel")]
mod telemetry;

use super::context::Context;
use super::{Exit, Failure, exit, terminal};
use crate::domain::code::Code;
use crate::domain::driver;

/// Read the documentation, topic by topic.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate docs\n  tidegate docs gates\n  tidegate docs spec | less")]
pub(super) struct Args {
    /// What about [default: the list of topics].
    #[arg(value_enum)]
    topic: Option<Topic>,
}

/// What there is to read about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Topic {
    /// Ten lines from nothing to an undone release, in the lab.
    Quickstart,
    /// Every command in a sentence.
    Commands,
    /// Every term in a line.
    Terms,
    /// Every field of a spec.
    Spec,
    /// What gates decide, and the fields of each kind.
    Gates,
    /// What each driver can do.
    Drivers,
    /// When a rollout may go forward.
    Windows,
    /// Slack, webhooks and SNS.
    Notify,
    /// What `--json` tells of a rollout, line by line.
    Events,
    /// GitHub Actions, and any other pipeline.
    Pipelines,
    /// What the exit codes mean.
    ExitCodes,
    /// What the codes of problems mean.
    Codes,
    /// Rollback from another machine, and the dead-man's switch.
    Takeover,
    /// The small AWS account inside the binary.
    Lab,
    /// What a spec would do, on made-up or recorded traffic.
    Simulation,
    /// What tidegate promises, and how that is checked.
    Promises,
    /// What was measured.
    Measurements,
    /// Other tools, and what tidegate cannot do yet.
    Comparison,
    /// Traces and metrics for OpenTelemetry.
    #[cfg(feature = "otel")]
    Telemetry,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let width = terminal::page_style(context).width;
    let text = match args.topic {
        None => topics(),
        Some(topic) => page(topic, width),
    };
    if context.json() {
        terminal::print_json(&serde_json::json!({"type": "docs", "text": text}))?;
    } else {
        terminal::print(&text)?;
    }
    Ok(Exit::Done)
}

fn page(topic: Topic, width: usize) -> String {
    match topic {
        Topic::Quickstart => include_str!("quickstart.md").to_owned(),
        Topic::Commands => include_str!("commands.md").to_owned(),
        Topic::Events => crate::report::json::EVENTS.to_owned(),
        Topic::Terms => include_str!("terms.md").to_owned(),
        Topic::Spec => reference::of(&crate::spec::schema(), width),
        Topic::Gates => {
            let fields = reference::of_field(&crate::spec::schema(), "gates", width);
            format!("{}\n{fields}", include_str!("gates.md"))
        }
        Topic::Drivers => {
            let page = include_str!("drivers.md").split("<!--").next().unwrap_or_default();
            format!("{}\n{}", page.trim_end(), driver::by_row())
        }
        Topic::Windows => include_str!("windows.md").to_owned(),
        Topic::Notify => include_str!("notify.md").to_owned(),
        Topic::Pipelines => include_str!("pipelines.md").to_owned(),
        Topic::ExitCodes => format!("{}\n", exit::TABLE),
        Topic::Codes => lines(Code::all().map(|code| format!("{code}  {}", code.title()))),
        Topic::Takeover => include_str!("takeover.md").to_owned(),
        Topic::Lab => include_str!("lab.md").to_owned(),
        Topic::Simulation => include_str!("simulation.md").to_owned(),
        Topic::Promises => include_str!("promises.md").to_owned(),
        Topic::Measurements => include_str!("measurements.md").to_owned(),
        Topic::Comparison => include_str!("comparison.md").to_owned(),
        #[cfg(feature = "otel")]
        Topic::Telemetry => telemetry::page(width),
    }
}

/// Each on a line of its own.
fn lines(of: impl Iterator<Item = String>) -> String {
    of.collect::<Vec<_>>().join("\n") + "\n"
}

/// What there is to read, with a line each.
fn topics() -> String {
    use clap::ValueEnum as _;
    let line = |topic: &Topic| {
        let value = topic.to_possible_value()?;
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("  {}  {help}\n", crate::domain::text::pad(value.get_name(), 12)))
    };
    let lines: String = Topic::value_variants().iter().filter_map(line).collect();
    format!(
        "tidegate docs TOPIC\n\n{lines}\nOne command: `tidegate COMMAND --help`. One problem: `tidegate explain CODE`.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_topic_says_what_its_source_says() {
        for topic in Topic::value_variants() {
            let text = page(*topic, 80);
            assert!(text.lines().count() > 5, "{topic:?} says nothing: {text}");
            // An example's line is one that can be copied, and a table's row is one line.
            let is_whole = |line: &str| line.starts_with("    ") || line.starts_with('|');
            let wide = |line: &&str| crate::domain::text::columns(line) > 80 && !is_whole(line);
            assert_eq!(text.lines().find(wide), None, "{topic:?}");
        }
        assert!(page(Topic::Drivers, 80).contains("\ndeployment controller\n"));
        assert!(page(Topic::Takeover, 80).contains("dead-man's switch"));
        assert!(page(Topic::ExitCodes, 80).contains("15  refused"));
    }

    #[test]
    fn the_reference_has_every_field_of_the_language() {
        let text = page(Topic::Spec, 80);
        for field in ["version", "target.rule.port", "strategy.canary.steps[].shift", "limits.retreat", "dead_man.role"]
        {
            assert!(
                text.lines().any(|line| line == field || line.starts_with(&format!("{field} "))),
                "no {field} in\n{text}"
            );
        }
        assert!(text.lines().all(|line| crate::domain::text::columns(line) <= 80), "{text}");
        let gates = page(Topic::Gates, 80);
        assert!(gates.contains("gates[].alarm.name") && !gates.contains("strategy.canary"), "{gates}");
    }

    #[test]
    fn every_term_has_one_line_and_its_place_once() {
        let text = page(Topic::Terms, 80);
        let terms = text.lines().skip(4).filter(|line| !line.is_empty() && !line.starts_with("## "));
        let named: Vec<&str> =
            terms.map(|line| line.strip_prefix("* ").and_then(|line| line.split_once(": ")).expect(line).0).collect();
        let mut unique = named.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), named.len(), "{named:?}");
        for term in ["journal", "lease keeper", "event loop", "notifier", "operator request", "stranded"] {
            assert!(named.contains(&term), "{term} is not in {named:?}");
        }
    }
}
