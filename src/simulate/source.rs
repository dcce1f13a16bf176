//! Where an account's requests come from: drawn by chance, or recorded.

use std::time::Duration;

use super::series::Replay;
use super::world::{Drawn, Marks, Traffic, World};

/// Requests, bin after bin.
pub(super) enum Source<'a> {
    /// Made up.
    Drawn(Box<(World, Traffic)>),
    /// From a recording.
    Recorded(Replay<'a>),
}

impl Source<'_> {
    pub(super) fn of(world: World) -> Self {
        Source::Drawn(Box::new((world, world.traffic())))
    }

    /// The length of a bin.
    pub(super) fn span(&self) -> Duration {
        match self {
            Source::Drawn(drawn) => drawn.0.span,
            Source::Recorded(replay) => replay.span(),
        }
    }

    /// Requests a second and the share of them that fail, as before the rollout.
    pub(super) fn usual(&self) -> (f64, f64) {
        match self {
            Source::Drawn(drawn) => (drawn.0.rate, drawn.0.service.errors),
            Source::Recorded(replay) => replay.usual(),
        }
    }

    /// The next bin, in which the candidate's share was `share` on average, 0 to 1.
    pub(super) fn next(&mut self, share: f64, marks: &Marks) -> Drawn {
        match self {
            Source::Drawn(drawn) => drawn.1.next(share, marks),
            Source::Recorded(replay) => replay.next(share, marks),
        }
    }
}
