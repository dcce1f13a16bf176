//! `tidegate watch`: a rollout followed from any machine by its journal alone, until it is over.

mod choose;
mod course;
mod shown;

use std::time::Duration;

use super::context::Context;
use super::{Exit, Failure};
use crate::domain::clock::{Clock, Timestamp, span};
use course::Course;
use shown::Shown;

/// Between two looks at what there is to paint, in wall time: the screen changes no more often.
const REPAINT: Duration = Duration::from_millis(200);
/// How long a rollout may be without a driver before nobody but a person at a terminal waits on, in wall time.
const UNDRIVEN: Duration = Duration::from_secs(300);
/// The longest time-out.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Follow a rollout until it is over.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
On a terminal it is one screen, painted anew; elsewhere a line for each change, and one a minute to say that it
still watches; with --json the event stream, from the rollout's beginning. It only reads: ending it changes nothing.

It ends with the rollout's own exit code; with 13 after the time-out; and, without a terminal, with 13 once nobody has
driven the rollout for five minutes.

Examples:
  tidegate watch
  tidegate watch web --store s3://releases/tidegate
  tidegate watch web --json --timeout 2h > events.jsonl")]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the one that is
    /// running].
    pub(super) rollout: Option<String>,
    /// Watch no longer than this: 30m, 2h.
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    timeout: Option<Duration>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let fits = |time: &Duration| (Duration::from_secs(1)..=LONGEST).contains(time);
    time.filter(fits).ok_or_else(|| "a time-out is from 1s to 7 days: 90s, 30m, 2h".to_owned())
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let found = choose::rollout(context, args.rollout.as_deref()).await?;
    let mut course = Course::open(&found).await?;
    let mut shown = Shown::new(context, &mut course);
    if shown.is_lines() {
        found.introduce(context, course.machine().plan());
    }
    let wall = Clock::wall();
    let deadline = args.timeout.map(|time| wall.now() + time);
    loop {
        let now = wall.now();
        if course.is_due(now) {
            for (at, notice) in course.look(context, now).await? {
                shown.tell(at, &notice, &course);
            }
        }
        shown.tick(context, &course, now);
        if let Some(outcome) = course.machine().outcome() {
            shown.end(context, &course)?;
            return Ok(Exit::of(outcome));
        }
        if shown.is_closed() {
            return Ok(Exit::HandedOver);
        }
        if let Some(why) = given_up(&course, (args.timeout, deadline), (&shown, now)) {
            let failure = Failure::new(Exit::HandedOver, why);
            return Err(failure.hint(format!("`tidegate status {}` says where it stands", found.id)));
        }
        wall.sleep_until(now + REPAINT).await;
    }
}

/// Why nobody waits any longer, if it is so.
fn given_up(
    course: &Course<'_>,
    (timeout, deadline): (Option<Duration>, Option<Timestamp>),
    (shown, now): (&Shown, Timestamp),
) -> Option<String> {
    let id = course.id();
    if deadline.is_some_and(|deadline| now >= deadline) {
        let time = span(timeout.unwrap_or_default());
        return Some(format!("rollout {id} is not over after {time} of watching"));
    }
    let alone = course.undriven_since().map(|since| now.since(since));
    if course.is_lab() && alone.is_some() {
        return Some(format!("the runner of rehearsal {id} is gone, and its lab with it"));
    }
    let long = alone.filter(|alone| *alone >= UNDRIVEN && !shown.is_screen())?;
    Some(format!("nobody has driven rollout {id} for {}", span(long)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_written_as_people_write_times() {
        assert_eq!(timeout("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(timeout("1h 30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "0s", "-1m", "8d", "200h", "x", "5"] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
    }
}
