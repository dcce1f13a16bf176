//! One rollout played out: traffic meets a policy, look after look, until the hour is over.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::count::Bin;
use tidegate::domain::traffic::Share;
use tidegate::simulate::condition::Condition;
use tidegate::simulate::world::{Marks, START, World};

/// How long a rollout is watched and harm is counted, in seconds.
pub const HORIZON: u64 = 3600;

/// How a policy gets its data, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The length of a bin.
    pub span: u64,
    /// How long after its end a bin can first be read.
    pub delay: u64,
    /// How often the policy looks. Divides `span`.
    pub look: u64,
}

/// What a policy sees at one look.
pub struct Seen<'a> {
    /// Seconds since the start.
    pub now: u64,
    /// The bins that can be read, oldest first.
    pub bins: &'a [Bin],
    /// What the slots were really like in each of them, stable slot first.
    pub truth: &'a [(Condition, Condition)],
    /// The candidate's share since each of these moments.
    pub course: &'a [(Timestamp, Share)],
}

/// What a policy does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    /// Nothing.
    Stay,
    /// Give the candidate this share.
    Shift(Share),
    /// Give it everything, and look no more.
    Finish,
    /// Roll back.
    Back,
}

/// A way to roll out.
pub trait Policy {
    /// Where it counts slow answers.
    fn marks(&self) -> Marks;
    /// What it does next. The first look is before any traffic.
    fn look(&mut self, seen: &Seen<'_>) -> Move;
}

/// What became of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Ended {
    /// When it was rolled back, in seconds.
    pub back: Option<u64>,
    /// When the candidate first had 95 % of the traffic or more.
    pub promoted: Option<u64>,
    /// Requests harmed in the first hour.
    pub harm: f64,
}

/// Plays `policy` in `world`, whose bins must be as long as `timing` says.
pub fn play(world: &World, timing: Timing, policy: &mut dyn Policy) -> Ended {
    let mut marks = policy.marks();
    let mut traffic = world.traffic();
    let (mut bins, mut truth) = (Vec::new(), Vec::new());
    let mut course = vec![(START, Share::NONE)];
    let mut ended = Ended::default();
    let (mut share, mut given, mut over) = (Share::NONE, 0.0, false);
    for now in (0..=HORIZON).step_by(usize::try_from(timing.look).expect("looks are seconds apart")) {
        if now > 0 && now % timing.span == 0 {
            let drawn = traffic.next(given / timing.span as f64, &marks);
            given = 0.0;
            ended.harm += drawn.harm;
            bins.push(drawn.bin);
            truth.push((drawn.stable, drawn.candidate));
        }
        if !over {
            let closed = (now.saturating_sub(timing.delay) / timing.span) as usize;
            let seen = Seen { now, bins: &bins[..closed], truth: &truth[..closed], course: &course };
            match policy.look(&seen) {
                Move::Stay => {}
                Move::Shift(next) => share = next,
                Move::Finish => (share, over) = (Share::ALL, true),
                Move::Back => (share, over, ended.back) = (Share::NONE, true, Some(now)),
            }
            if course.last().is_some_and(|(_, last)| *last != share) {
                course.push((START + Duration::from_secs(now), share));
            }
            if share.permille() >= 950 {
                ended.promoted.get_or_insert(now);
            }
            if over {
                marks = Marks::default();
            }
            if ended.back.is_some() && given == 0.0 {
                break;
            }
        }
        given += timing.look as f64 * f64::from(share.permille()) / 1000.0;
    }
    ended
}
