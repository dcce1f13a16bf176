//! `tidegate notify`: shows what others would be told, or tells them.

use std::path::PathBuf;

use serde_json::json;

use super::context::Context;
use super::target;
use super::{Exit, Failure, terminal};
use crate::cloud::Delivery;
use crate::domain::notify::{Message, Occasion, Recipient};
use crate::domain::text::escape;
use crate::report::news;
use crate::spec::Spec;

/// Tell others.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tell everybody whom the spec names that this is a test, and say what came back.
    #[command(after_help = "Examples:
  tidegate notify test rollout.yaml
  tidegate notify test rollout.yaml --on breach
  tidegate notify test rollout.yaml --dry-run")]
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct Test {
    /// The spec.
    spec: PathBuf,
    /// What to tell of; left out, `started`.
    #[arg(long, alias = "moment", default_value = "started", value_name = "OCCASION", value_parser = occasion)]
    on: Occasion,
    /// Print what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

fn occasion(text: &str) -> Result<Occasion, String> {
    let all = || Occasion::ALL.map(Occasion::as_str).join(", ");
    Occasion::parse(text).ok_or_else(|| format!("it is one of {}", all()))
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let What::Test(test) = args.what;
    let spec = target::spec(context, &test.spec)?;
    if spec.notify.is_empty() {
        let failure = Failure::new(Exit::Usage, "the spec tells nobody");
        return Err(failure.hint("such as `notify: [{ slack: { url: \"${SLACK_URL}\" } }]`"));
    }
    let message = news::sample(&spec, test.on, context.clock().now());
    if test.dry_run {
        return dry_run(context, &spec, &message);
    }
    let aws = context.aws(spec.target.region.as_deref()).await;
    let tried = Delivery::try_each(&spec.notify, context.variables(), &aws, &message).await;
    let mut exit = Exit::Done;
    for one in &tried {
        let (told, said) = match &one.said {
            Ok(said) => (true, said),
            Err(why) => (false, why),
        };
        if !told {
            exit = Exit::Unexpected;
        }
        if context.json() {
            terminal::print_json(&json!({"to": one.to, "told": told, "said": said, "id": message.id}))?;
        } else {
            let word = if told { "told" } else { "not told" };
            terminal::print(&format!("{}: {word}: {}\n", one.to, escape(said)))?;
        }
    }
    Ok(exit)
}

/// What each would be sent. No variable is filled in.
fn dry_run(context: &Context, spec: &Spec, message: &Message) -> Result<Exit, Failure> {
    for Recipient { channel, on } in &spec.notify {
        let word = channel.word();
        let on: Vec<&str> = on.iter().map(|occasion| occasion.as_str()).collect();
        let body = match word {
            "slack" => &message.slack,
            _ => &message.json,
        };
        if context.json() {
            terminal::print_json(&json!({"to": word, "on": on, "body": body}))?;
        } else {
            terminal::print(&format!("{word}, on {}:\n{body}\n", on.join(", ")))?;
        }
    }
    if !context.json() {
        terminal::print(&format!("which reads:\n{}\n", message.text))?;
    }
    Ok(Exit::Done)
}
