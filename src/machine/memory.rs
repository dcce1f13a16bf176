//! What a rollout remembers beside its state: of the rule, the slots, the data, its pauses, and what was told.

use super::notice::Glass;
use super::safeguard::known::Safeguard;
use super::why::{Awaited, PausedFor};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Fleet, Served};
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{Drift, Gate, Standing, Verdict};

/// What a rollout remembers beside its state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    /// The last event's time; time never goes back.
    pub(super) now: Timestamp,
    pub(super) started: Timestamp,
    /// When another runner last took over.
    pub(super) taken_over: Option<Timestamp>,
    pub(super) committed: bool,
    pub(super) rule: RuleMemory,
    pub(super) slots: SlotMemory,
    pub(super) judged: Judged,
    pub(super) pauses: Pauses,
    pub(super) told: LastTold,
    pub(super) safeguard: Safeguard,
    /// Whether something was left undone.
    pub(super) left: bool,
}

/// What is known of the rule: what it was read to say, what was asked of it, and when nobody looked.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; all combinations can occur")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RuleMemory {
    /// The candidate's share last read back, the one before it, and when it changed.
    pub(super) accepted: Share,
    pub(super) previous: Share,
    pub(super) accepted_at: Timestamp,
    pub(super) unsettled: Option<Unsettled>,
    /// The share that was watched since some moment. What came before it is not known: a slot may have had requests.
    pub(super) steady: Option<Steady>,
    /// When the rule was last read, and the stretches in which it was not.
    pub(super) seen: Timestamp,
    pub(super) unseen: Vec<(Timestamp, Timestamp)>,
    /// Whether a write that gives the candidate weight was ever asked for.
    pub(super) carried: bool,
    /// Whether the candidate was seen to have weight since all traffic was last seen on the stable slot:
    /// one read that shows none may then be old.
    pub(super) weighted: bool,
    /// When the candidate was first seen to have weight.
    pub(super) exposed: Option<Timestamp>,
    /// In how many looks in a row the rule said something that AWS's own deployment does not explain.
    pub(super) drifts: u32,
    /// Whether its stickiness may be off, by a write of the way back or of the dead-man's switch.
    pub(super) sticky_suspended: bool,
    /// Whether the rule was last read to bind clients all the same, for a second.
    pub(super) brief: bool,
    /// Whether the rule was last read to bind clients at all.
    pub(super) binds: bool,
    /// What the rule was last read as, where it differs from the recorded one beside its weights; and the ARN of the
    /// one that stands in its place, if it does.
    pub(super) differs: Option<(String, Option<String>)>,
    /// Whether nobody looked at the rule for a while before somebody took over, or for how long is not known.
    pub(super) unwatched: bool,
}

/// What is known of both slots: the tasks that were asked for, and those that were seen.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; all combinations can occur")]
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SlotMemory {
    /// The release's task definition, once registered.
    pub(super) task_definition: Option<String>,
    /// Tasks asked for, when, and whether all were healthy once.
    pub(super) wanted: u32,
    /// What is everything of which the candidate's share was last given: the tasks that the stable slot had then, if
    /// those were more than are asked for at the start.
    pub(super) whole: u32,
    pub(super) asked: Timestamp,
    pub(super) all_started: bool,
    pub(super) fleet: Option<(Timestamp, Fleet)>,
    pub(super) short_since: Option<Timestamp>,
    /// In how many looks in a row each slot's service ran something else than it should.
    pub(super) stable_drifts: u32,
    pub(super) candidate_drifts: u32,
    /// Whether the candidate's service was seen to run the release since tasks were asked for.
    pub(super) brought: bool,
    /// In how many looks in a row it was seen to be taken back.
    pub(super) setbacks: u32,
    /// Whether the old slot was proven quiet before AWS takes its tasks.
    pub(super) quieted: bool,
    /// Whether the stable slot was last read without a healthy target.
    pub(super) barren: bool,
    /// What the candidate served, once counted.
    pub(super) served: Option<Served>,
    /// Who goes back to the old stable slot after the commit, so that it keeps its tasks.
    pub(super) spared_for: Option<String>,
}

/// What the gates were given and said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    /// Data before this are not judged: the start, or the moment a person overruled a breach.
    pub(super) from: Timestamp,
    /// When the present step was seen to take hold.
    pub(super) step_since: Timestamp,
    pub(super) verdicts: Vec<Option<Verdict>>,
    /// What each gate remembers of earlier readings.
    pub(super) standings: Vec<Standing>,
    /// When the last two looks were asked for that brought counts.
    pub(super) counted_at: [Option<Timestamp>; 2],
    /// The candidate's share since each of these moments.
    pub(super) course: Vec<(Timestamp, Share)>,
    /// The candidate's share of the requests, as last counted.
    pub(super) observed: Option<Share>,
    pub(super) looks: u64,
    /// The watch for drift, once it has begun.
    pub(super) drift: Option<Drift>,
}

/// What keeps the rollout from its next step, and who has said that it does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pauses {
    pub(super) paused: Option<Paused>,
    /// Who said that nothing is to be waited for any more.
    pub(super) promoted_by: Option<String>,
    /// Who overruled the windows.
    pub(super) glass: Option<Glass>,
    /// What the change calendars said, and when that was asked for.
    pub(super) calendar: Option<(Timestamp, CalendarSeen)>,
    pub(super) blind_since: Option<Timestamp>,
    /// Since when the credentials are at an end, on the way forward.
    pub(super) expired_since: Option<Timestamp>,
    /// That the journal does not hold everything.
    pub(super) behind: Option<Behind>,
    pub(super) held: Option<Held>,
}

/// What was told last, so that it is told once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LastTold {
    pub(super) fault: Option<Fault>,
    pub(super) waiting: Option<Awaited>,
}

/// A write of the rule whose outcome nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// The share it asked for.
    pub(super) share: Share,
    /// When it cannot take effect any more.
    pub(super) until: Timestamp,
}

/// What the reads of the rule have shown without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steady {
    /// The candidate's share.
    pub(super) share: Share,
    /// Since when.
    pub(super) since: Timestamp,
    /// When it was last seen.
    pub(super) seen: Timestamp,
}

/// Why no step is taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Paused {
    pub(super) why: PausedFor,
    pub(super) since: Timestamp,
}

/// A lifecycle hook of the service's own at which AWS's deployment waits for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) hook: String,
    pub(super) since: Timestamp,
}

/// A journal that does not hold everything that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Behind {
    /// Since when.
    pub(super) since: Timestamp,
    /// Why.
    pub(super) fault: Fault,
}

impl Memory {
    pub(super) fn new(gates: &[Gate]) -> Self {
        let zero = Timestamp::default();
        Self {
            now: zero,
            started: zero,
            taken_over: None,
            committed: false,
            rule: RuleMemory::new(),
            slots: SlotMemory::default(),
            judged: Judged::new(gates),
            pauses: Pauses::default(),
            told: LastTold::default(),
            safeguard: Safeguard::default(),
            left: false,
        }
    }
}

impl RuleMemory {
    fn new() -> Self {
        let zero = Timestamp::default();
        Self {
            accepted: Share::NONE,
            previous: Share::NONE,
            accepted_at: zero,
            unsettled: None,
            steady: None,
            seen: zero,
            unseen: Vec::new(),
            carried: false,
            weighted: false,
            exposed: None,
            drifts: 0,
            sticky_suspended: false,
            brief: false,
            binds: false,
            differs: None,
            unwatched: false,
        }
    }
}

impl Judged {
    fn new(gates: &[Gate]) -> Self {
        let zero = Timestamp::default();
        Self {
            from: zero,
            step_since: zero,
            verdicts: vec![None; gates.len()],
            standings: gates.iter().map(Standing::new).collect(),
            counted_at: [None; 2],
            course: Vec::new(),
            observed: None,
            looks: 0,
            drift: None,
        }
    }
}
