//! The commands: one file each. Only this module reads the environment and the command line.

mod backtest;
mod ci;
mod completions;
mod context;
mod credentials;
mod docs;
mod doctor;
mod drivers;
mod exit;
mod explain;
mod facts;
mod failure;
mod file;
mod find;
mod follow;
mod foreseen;
mod github;
mod guard;
mod history;
mod iam_policy;
mod init;
mod lab;
mod lab_clock;
mod lab_shell;
mod man;
mod notify;
mod panic;
mod paths;
mod people;
mod pipeline;
mod plan;
mod present;
mod problems;
mod promote;
mod recall;
mod record;
mod recording;
mod release;
mod report;
mod request;
mod resume;
mod rollback;
mod run;
mod saved;
mod schema;
mod simulate;
mod status;
mod takeover;
mod target;
mod telemetry;
mod terminal;
mod validate;
mod watch;
mod why;
mod windows;
#[cfg(test)]
mod workflows;
mod wrong_word;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use exit::Exit;
pub use failure::Failure;

use context::{Context, Globals};

/// Blue-green and canary rollouts for Amazon ECS behind an Application Load Balancer: judged at every
/// step, rolled back by themselves.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::TABLE, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a spec from the live service, and say what is missing before it can be rolled out.
    Init(init::Args),
    /// Check specs: every problem at once, each with its place.
    Validate(validate::Args),
    /// Show what a rollout would do, and how it would go back, without doing it.
    Plan(plan::Args),
    /// Prove what a rollout will need: permissions, alarms, metrics, health checks, capacity, the store.
    Doctor(doctor::Args),
    /// Roll a release out.
    Run(run::Args),
    /// Go on with a rollout whose runner is gone.
    Resume(resume::Args),
    /// Say where a rollout stands.
    Status(status::Args),
    /// Say why a rollout stands where it does: the gate, the evidence, what comes next and who owns it.
    Why(why::Args),
    /// Write a page about a rollout: HTML, or Markdown for a pipeline's summary.
    Report(report::Args),
    /// Follow a rollout until it is over, from any machine; ends with the rollout's own exit code.
    Watch(watch::Args),
    /// List the rollouts, or tell one again from its journal.
    History(history::Args),
    /// Take the traffic back to the stable slot at once, whoever drives the rollout.
    #[command(
        after_help = "Examples:\n  tidegate rollback web\n  tidegate rollback web-20261123-140509-0a1b --yes --reason \"checkout is slow\"\n  tidegate rollback --cluster prod --service web-blue --dry-run\n  tidegate rollback web --to previous"
    )]
    Rollback(rollback::Args),
    /// End a rollout: the traffic goes back, and the candidate slot is restored.
    #[command(
        after_help = "Examples:\n  tidegate abort\n  tidegate abort web\n  tidegate abort web --yes --reason \"wrong image\""
    )]
    Abort(rollback::Args),
    /// Watch over the store's rollouts, and take back those whose runner is gone.
    Guard(guard::Args),
    /// Take no further step; gates stay on.
    #[command(
        after_help = "Examples:\n  tidegate pause\n  tidegate pause web --reason \"looking at the dashboards\"\n  tidegate pause web --store s3://releases/tidegate"
    )]
    Pause(request::Args),
    /// Go on after a pause or a hold.
    #[command(
        after_help = "Examples:\n  tidegate continue\n  tidegate continue web\n  tidegate continue web --break-glass \"security fix\""
    )]
    Continue(request::Continue),
    /// Pass the approval that a rollout waits for.
    #[command(
        after_help = "Examples:\n  tidegate approve\n  tidegate approve web --reason \"dashboards look right\"\n  tidegate approve web --store s3://releases/tidegate"
    )]
    Approve(request::Approve),
    /// Wait for nothing more: give everything to the candidate and commit.
    #[command(
        after_help = "Examples:\n  tidegate promote\n  tidegate promote web\n  tidegate promote web --yes --reason \"security fix, seen on staging\""
    )]
    Promote(request::Args),
    /// Say what a spec would do: how likely it finds a bad release and how many requests that costs.
    Simulate(simulate::Args),
    /// Judge recorded metrics as the spec's compare and split gates would have.
    Backtest(backtest::Args),
    /// Record what both slots counted, as the file that backtest reads.
    Record(record::Args),
    /// Tell the people and programs that a spec names, as a test.
    #[command(
        after_help = "Examples:\n  tidegate notify test rollout.yaml\n  tidegate notify test rollout.yaml --on breach\n  tidegate notify test rollout.yaml --dry-run"
    )]
    Notify(notify::Args),
    /// Print the IAM policies that a spec's rollouts need, and nothing more.
    IamPolicy(iam_policy::Args),
    /// Serve an AWS account in miniature on a loopback port.
    Lab(Box<lab::Args>),
    /// Print the JSON Schema of specs.
    #[command(
        after_help = "Examples:\n  tidegate schema > tidegate.schema.json\n  tidegate schema --json\n  tidegate schema | jq .properties.strategy"
    )]
    Schema,
    /// Say what the code of a problem means, and what to do.
    Explain(explain::Args),
    /// Read the documentation, topic by topic.
    Docs(docs::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
    /// Print the manual page, or write all of them.
    Man(man::Args),
}

impl Command {
    /// Whether it tells people on a screen how things are; the others write what is kept or passed on, in UTC.
    fn is_for_a_screen(&self) -> bool {
        !matches!(self, Command::Report(_) | Command::Backtest(_) | Command::Record(_) | Command::Lab(_))
    }

    /// The rollout that is named, where the command takes one and one is.
    fn rollout(&mut self) -> Option<&mut String> {
        match self {
            Command::Resume(args) => args.rollout.as_mut(),
            Command::Status(args) => args.rollout.as_mut(),
            Command::Why(args) => args.rollout.as_mut(),
            Command::Report(args) => args.rollout.as_mut(),
            Command::Watch(args) => args.rollout.as_mut(),
            Command::History(args) => args.rollout.as_mut(),
            Command::Rollback(args) | Command::Abort(args) => args.rollout.as_mut(),
            Command::Pause(args) | Command::Promote(args) | Command::Approve(request::Approve { args, .. }) => {
                args.rollout.as_mut()
            }
            Command::Continue(args) => args.args.rollout.as_mut(),
            _ => None,
        }
    }
}

/// The command line as clap knows it.
fn definition() -> clap::Command {
    Cli::command()
}

/// Runs the command line and says how it ended.
pub fn main() -> ExitCode {
    panic::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = wrong_word::led(error);
            let usage = error.use_stderr();
            let _ = error.print();
            // The word decides what 2 means, wherever the line is wrong.
            let detailed = std::env::args_os().any(|request| request == "--detailed-exitcode");
            return if usage { Exit::Usage.detailed(detailed) } else { Exit::Done }.into();
        }
    };
    let mut command = cli.command;
    let context = Context::new(cli.globals).and_then(|context| match command.rollout() {
        Some(rollout) => context.recalled(rollout),
        None => Ok(context),
    });
    let context = match context {
        Ok(context) => context,
        Err(failure) => return fail(&failure, None),
    };
    terminal::read_by(context.pipeline());
    if command.is_for_a_screen() && terminal::is_watched() && !context.json() {
        crate::domain::clock::tell_in(context.zone());
    }
    if let Some(note) = context.note() {
        terminal::say(note);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::new(Exit::Unexpected, error.to_string()), Some(&context)),
    };
    let result = runtime.block_on(dispatch(&context, command));
    runtime.shutdown_background();
    github::ended(&context, &result);
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => fail(&failure, Some(&context)),
    }
}

/// Tells a failure to whoever reads, and to GitHub where it does.
fn fail(failure: &Failure, context: Option<&Context>) -> ExitCode {
    let code = terminal::fail(failure, context);
    github::failure(failure);
    code
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    use crate::machine::OperatorRequest;
    match command {
        Command::Init(args) => init::run(context, args).await,
        Command::Validate(args) => validate::run(context, &args),
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Plan(args) => plan::run(context, args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Resume(args) => resume::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Why(args) => why::run(context, &args).await,
        Command::Report(args) => report::run(context, &args).await,
        Command::Watch(args) => watch::run(context, &args).await,
        Command::History(args) => history::run(context, &args).await,
        Command::Rollback(args) => rollback::run(context, OperatorRequest::Rollback, args).await,
        Command::Abort(args) => rollback::run(context, OperatorRequest::Abort, args).await,
        Command::Guard(args) => guard::run(context, &args).await,
        Command::Pause(args) => request::run(context, OperatorRequest::Pause, args).await,
        Command::Continue(args) => request::go_on(context, args).await,
        Command::Approve(args) => request::approve(context, args).await,
        Command::Promote(args) => request::run(context, OperatorRequest::Promote, args).await,
        Command::Simulate(args) => simulate::run(context, args),
        Command::Backtest(args) => backtest::run(context, &args),
        Command::Record(args) => record::run(context, args).await,
        Command::Notify(args) => notify::run(context, args).await,
        Command::IamPolicy(args) => iam_policy::run(context, &args).await,
        Command::Lab(args) => lab::run(context, *args).await,
        Command::Schema => schema::run(),
        Command::Explain(args) => explain::run(context, &args),
        Command::Docs(args) => docs::run(context, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
