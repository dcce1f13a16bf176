//! The store of contested rollouts: one control document, changed by compare-and-swap, and one journal on which each
//! place is written once. It is strongly consistent; calls fail, are slow, or lose their answers.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::lease::Control;
use tidegate::machine::Event;

use super::die::Die;
use super::points::{Hits, Point};

/// What is asked of it.
#[derive(Clone, Debug)]
pub enum Call {
    Read,
    Swap { body: Control, over: Option<u64> },
    Append { place: usize, at: Timestamp, event: Event },
    ReadJournal,
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Document(Option<(Control, u64)>),
    /// The document has this version now.
    Swapped(u64),
    Appended,
    /// Somebody else wrote there.
    Taken,
    /// The journal is this long.
    Recorded(usize),
    Failed,
}

/// What goes wrong with calls, as probabilities.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    pub fails: f64,
    pub answer_lost: f64,
    pub slow: f64,
    /// Outages of the whole store: from when, for how long.
    pub outages: Vec<(Timestamp, Duration)>,
}

impl Trouble {
    pub fn throw(die: &mut Die, start: Timestamp) -> Self {
        let mut maybe = |probability: f64, value: f64| if die.chance(probability) { value } else { 0.0 };
        let (fails, answer_lost, slow) = (maybe(0.3, 0.005), maybe(0.2, 0.003), maybe(0.3, 0.01));
        let outages = (0..die.one_of(&[0_u64, 0, 0, 1, 2]))
            .map(|_| {
                let from = start + Duration::from_secs(die.between(1, 1500));
                (from, Duration::from_secs(die.one_of(&[20, 120, 1200])))
            })
            .collect();
        Self { fails, answer_lost, slow, outages }
    }

    fn is_out(&self, now: Timestamp) -> bool {
        self.outages.iter().any(|(from, lasts)| now >= *from && now < *from + *lasts)
    }
}

/// How one call goes.
pub struct Way {
    /// Until it arrives, and from there until its answer does.
    pub there: Duration,
    pub back: Duration,
    pub arrives: bool,
    pub answer_lost: bool,
}

/// The store.
#[derive(Default)]
pub struct Store {
    pub document: Option<Control>,
    version: u64,
    /// Each line with the process that wrote it.
    pub recorded: Vec<(Timestamp, Event, usize)>,
    pub trouble: Trouble,
}

impl Store {
    pub fn new(trouble: Trouble) -> Self {
        Self { trouble, ..Self::default() }
    }

    /// How a call goes that is made at `now`.
    pub fn way(&self, now: Timestamp, die: &mut Die, hits: &mut Hits) -> Way {
        let quick = |die: &mut Die| Duration::from_millis(die.between(5, 80));
        let mut way = Way { there: quick(die), back: quick(die), arrives: true, answer_lost: false };
        if self.trouble.is_out(now) {
            hits.hit(Point::Outage);
            (way.arrives, way.back) = (false, Duration::from_millis(die.between(200, 20_000)));
        } else if die.chance(self.trouble.fails) {
            hits.hit(Point::CallFailed);
            way.arrives = false;
        } else if die.chance(self.trouble.answer_lost) {
            hits.hit(Point::AnswerLost);
            way.answer_lost = true;
        }
        if die.chance(self.trouble.slow) {
            hits.hit(Point::CallSlow);
            let slow = Duration::from_millis(die.between(2_000, 60_000));
            if die.chance(0.5) { way.there += slow } else { way.back += slow }
        }
        way
    }

    /// A call arrives and takes effect.
    pub fn serve(&mut self, call: Call, who: usize) -> Reply {
        match call {
            Call::Read => Reply::Document(self.document.clone().map(|control| (control, self.version))),
            Call::Swap { over, .. } if over != self.document.as_ref().map(|_| self.version) => Reply::Taken,
            Call::Swap { body, .. } => {
                self.version += 1;
                self.document = Some(body);
                Reply::Swapped(self.version)
            }
            // A line whose answer was lost is ours when it is read back.
            Call::Append { place, at, event } if place != self.recorded.len() => match self.recorded.get(place) {
                Some(found) if *found == (at, event, who) => Reply::Appended,
                _ => Reply::Taken,
            },
            Call::Append { at, event, .. } => {
                self.recorded.push((at, event, who));
                Reply::Appended
            }
            Call::ReadJournal => Reply::Recorded(self.recorded.len()),
        }
    }
}
