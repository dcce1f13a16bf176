//! Where the model asks the real lease: documents and moments are made of the model's small numbers and back.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::name::RolloutId;
use tidegate::lease::{self, Control, Held, Life, Owner, Watch};

use crate::world::{Actor, Ages, Document};

/// How old the answer to a read of AWS can be.
const STALE: Duration = Duration::from_secs(10);
/// The nonce of the document as it is; one who saw another has not seen it.
const NONCE: u64 = 7;
/// The present moment of every state.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// One who looks on does so just after the moment, so that a lease of three ticks can be over after three.
const JUST_AFTER: Duration = Duration::from_millis(1);

/// The real lease, and what its durations are in ticks.
pub struct Law {
    tick: Duration,
    rollout: RolloutId,
    owner: Owner,
    /// The greatest ages that anybody asks about, and one more.
    pub ages: Ages,
    /// Ticks from sending a write to when it lands at the latest.
    pub lands: u8,
    /// Ticks from deciding a write to when it lands at the latest.
    pub window: u8,
    /// Ticks the switch is armed for. Minutes in the field; here just beyond a write's window.
    pub armed: u8,
    pub quarantine: u8,
    /// Ticks from when the switch is gone to when its write has landed and every read shows it.
    pub quiet: u8,
    pub margin: u8,
}

fn small(number: u128) -> u8 {
    u8::try_from(number).expect("the model's numbers are small")
}

impl Law {
    pub fn new(tick: Duration) -> Self {
        let ticks = |span: Duration| small(span.as_millis().div_ceil(tick.as_millis()));
        let window = ticks(lease::WRITE_WINDOW);
        let quarantine = ticks(lease::QUARANTINE);
        let stale = small(STALE.as_millis() / tick.as_millis());
        // The switch's write can take longer than any of ours.
        let flying = quarantine + 1;
        let quiet = flying + 1 + stale;
        let ages = Ages {
            lease: ticks(lease::LEASE) + 1,
            decided: ticks(lease::SEND_WITHIN) + 1,
            waited: quiet,
            stale,
            flying,
        };
        Self {
            tick,
            rollout: RolloutId::parse("web-1").expect("an id"),
            owner: Owner { by: String::new(), process: String::new(), since: NOW },
            ages,
            lands: window - ticks(lease::SEND_WITHIN),
            window,
            armed: window + 1,
            quarantine,
            quiet,
            margin: ticks(lease::MARGIN),
        }
    }

    fn ago(&self, ticks: u8) -> Timestamp {
        NOW.before(self.tick * u32::from(ticks))
    }

    fn control(&self, document: Document) -> Control {
        let Document { epoch, phase, owned } = document;
        let owner = owned.then(|| self.owner.clone());
        Control { nonce: NONCE, rollout: self.rollout.clone(), epoch: epoch.into(), owner, phase }
    }

    fn document(control: &Control) -> Document {
        let epoch = small(control.epoch.into());
        Document { epoch, phase: control.phase, owned: control.owner.is_some() }
    }

    fn held(&self, actor: &Actor) -> Held {
        let document = Document { epoch: actor.epoch, phase: actor.phase, owned: true };
        Held::new(self.control(document), self.ago(actor.renewed))
    }

    /// The first document.
    pub fn begin(&self) -> Document {
        let begun = lease::begin(None, &self.rollout, self.owner.clone(), NONCE);
        Self::document(&begun.expect("nobody is there"))
    }

    /// Whether the owner of the document may still live, to one who saw it so many ticks ago by a clock that
    /// has gained `gained`.
    pub fn life(&self, document: Document, watched: Option<u8>, gained: Duration) -> Life {
        let control = self.control(document);
        let mut watch = Watch::default();
        if let Some(age) = watched {
            let _ = watch.look(&control, self.ago(age));
        }
        watch.look(&control, NOW + JUST_AFTER + gained)
    }

    pub fn take_over(&self, document: Document, life: Life) -> Option<Document> {
        let control = self.control(document);
        let taken = lease::take_over(&control, &self.rollout, life, self.owner.clone(), NONCE + 1);
        taken.ok().as_ref().map(Self::document)
    }

    pub fn preempt(&self, document: Document, life: Life) -> Option<Document> {
        let control = self.control(document);
        let taken = lease::preempt(&control, &self.rollout, life, self.owner.clone(), NONCE + 1);
        taken.ok().as_ref().map(Self::document)
    }

    /// The document after the actor's renewal in `phase`, as [`Held`] has it then.
    pub fn renewed(&self, actor: &Actor, phase: lease::Phase) -> Document {
        let mut held = self.held(actor);
        let body = held.next(phase, NONCE + 1);
        held.renewed(body, NOW);
        assert!(held.may_send(NOW), "a fresh lease allows a write");
        Self::document(held.control())
    }

    /// The document after the actor left.
    pub fn left(&self, actor: &Actor) -> Document {
        Self::document(&self.held(actor).handed_over(NONCE + 1))
    }

    pub fn may_send(&self, actor: &Actor) -> bool {
        self.held(actor).may_send(NOW)
    }

    pub fn is_old(&self, actor: &Actor) -> bool {
        self.held(actor).is_old(NOW)
    }

    pub fn is_fenced(&self, actor: &Actor, document: Document) -> bool {
        self.held(actor).is_fenced_by(&self.control(document))
    }

    /// Whether a write that was decided so many ticks ago is young enough to be sent.
    pub fn is_young(&self, decided: u8) -> bool {
        self.tick * u32::from(decided) <= lease::SEND_WITHIN
    }

    /// How much a clock gains that runs apart by the whole margin and a little more.
    pub fn beyond_margin() -> Duration {
        lease::MARGIN
    }
}
