//! `tidegate docs [TOPIC]`: the documentation in the binary, made of what the program itself goes by.

mod reference;
#[cfg(feature = "otel")]
mod telemetry;

use super::context::Context;
use super::{Exit, Failure, exit, terminal};
use crate::domain::code::Code;
use crate::domain::driver;

/// Read the documentation: of a spec's fields, gates, drivers, windows, pipelines, exit codes, codes, takeover and telemetry.
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
    /// Every field of a spec.
    Spec,
    /// Every kind of gate, and its fields.
    Gates,
    /// What each driver can do.
    Drivers,
    /// When a rollout may go forward.
    Windows,
    /// Who else is told, and how.
    Notify,
    /// In a pipeline: GitHub, and any other.
    Pipelines,
    /// What the exit codes mean.
    ExitCodes,
    /// What the codes of problems mean.
    Codes,
    /// What happens when somebody else, or nobody, takes over.
    Takeover,
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
        Topic::Spec => reference::of(&crate::spec::schema(), width),
        Topic::Gates => reference::of_field(&crate::spec::schema(), "gates", width),
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
        Some(format!("  {}  {help}\n", crate::domain::text::pad(value.get_name(), 10)))
    };
    let lines: String = Topic::value_variants().iter().filter_map(line).collect();
    format!(
        "tidegate docs TOPIC\n\n{lines}\n`tidegate COMMAND --help` tells of a command, `tidegate explain CODE` of a problem.\n"
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
            let wide = text.lines().find(|line| crate::domain::text::columns(line) > 80);
            // An example's line is one that can be copied.
            assert_eq!(wide.filter(|line| !line.starts_with("    ")), None, "{topic:?}");
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
        assert!(gates.contains("gates[].alarm.name") && !gates.contains("strategy"), "{gates}");
    }
}
