//! Takes a journal over: opens or salvages it, and writes the first events of the new owner.

use super::{Drivers, Mark, Request, Takeover, TakeoverError};
use crate::domain::clock::Timestamp;
use crate::domain::safeguard::Beacon;
use crate::engine::JournalSink;
use crate::journal::{self, Journal, JournalEnd, JournalError, Recorded};
use crate::machine::{Event, Machine};
use crate::report::TakeoverNotice;

/// Where the events of a rollout go: nowhere when a damaged journal cannot be salvaged, because a way back needs no
/// journal.
#[derive(Debug)]
pub enum JournalOrNone {
    /// Into the journal.
    Journal(Journal),
    /// Nowhere.
    None,
}

impl JournalSink for JournalOrNone {
    async fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        match self {
            Self::Journal(journal) => journal.append(at, event).await,
            Self::None => Ok(()),
        }
    }
}

/// A journal that was opened to go on with.
pub(super) struct Opened {
    pub(super) recorded: Recorded,
    pub(super) journal: JournalOrNone,
}

/// Writes the first events of the new owner.
pub(super) async fn write(journal: &mut JournalOrNone, events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
    for (at, event) in events {
        journal.append(*at, event).await?;
    }
    Ok(())
}

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    pub(super) async fn open(&self, goes_back: bool) -> Result<Opened, TakeoverError<D::Refusal>> {
        match Journal::open(self.store, self.id).await {
            Ok((journal, recorded)) => {
                if let JournalEnd::Torn { at, bytes } = recorded.end {
                    self.tell(&TakeoverNotice::LastLineCut { at, bytes });
                }
                if !goes_back {
                    self.refuse_forward_from_damage(&recorded).await?;
                }
                Ok(Opened { recorded, journal: JournalOrNone::Journal(journal) })
            }
            Err(error @ JournalError::Damaged { .. }) if goes_back => {
                self.tell(&TakeoverNotice::JournalDamaged(error.to_string()));
                let opened = self.salvage().await?;
                self.refuse_back_from_lost_commit(&opened.recorded).await?;
                Ok(opened)
            }
            Err(error @ JournalError::Damaged { .. }) => Err(self.only_back(Some(error))),
            Err(error) => Err(error.into()),
        }
    }

    async fn salvage(&self) -> Result<Opened, JournalError> {
        match Journal::salvage(self.store, self.id).await {
            Ok((journal, recorded)) => Ok(Opened { recorded, journal: JournalOrNone::Journal(journal) }),
            Err(error) => {
                self.tell(&TakeoverNotice::GoesUnwritten(error.to_string()));
                let recorded = journal::read(self.store, self.id).await?;
                Ok(Opened { recorded, journal: JournalOrNone::None })
            }
        }
    }

    /// The commit may be among the lines that are lost, and the slot before without tasks by now. The rule's tag says so
    /// before the journal does.
    async fn refuse_back_from_lost_commit(&self, left: &Recorded) -> Result<(), TakeoverError<D::Refusal>> {
        if journal::replay(left.header.plan.clone(), &left.records).is_committed() {
            return Ok(());
        }
        let mark = self.drivers.mark(self.plan).await;
        let is_committed = mark.is_some_and(|mark| self.commits(&mark));
        if is_committed { Err(TakeoverError::Committed(self.id.clone())) } else { Ok(()) }
    }

    /// Whether the rule's tags say that this rollout is committed.
    pub(super) fn commits(&self, mark: &Mark) -> bool {
        mark.phase == Beacon::Committed && mark.rollout == self.id.as_str()
    }

    /// What is left of a damaged journal leads back only, whoever comes after the one who began the way back.
    pub(super) async fn refuse_forward_from_damage(
        &self,
        recorded: &Recorded,
    ) -> Result<(), TakeoverError<D::Refusal>> {
        if !self.store.is_cut(self.id).await? {
            return Ok(());
        }
        let machine = journal::replay(recorded.header.plan.clone(), &recorded.records);
        if machine.is_retreating() || machine.outcome().is_some() {
            return Ok(());
        }
        Err(self.only_back(None))
    }

    fn only_back(&self, error: Option<JournalError>) -> TakeoverError<D::Refusal> {
        TakeoverError::OnlyBack { id: self.id.clone(), error }
    }

    /// With what a journal is taken over. What comes of the first of two is not performed before the second.
    pub(super) fn first_events(
        &self,
        epoch: u64,
        machine: &Machine,
        opened: &Opened,
        back: Option<&Request>,
    ) -> Vec<Event> {
        let by = &self.by;
        let recovered = Event::Recovered { by: by.clone(), epoch };
        let asked = back.cloned().map(|Request { request, reason }| Event::Requested {
            request,
            by: by.clone(),
            reason,
            left: None,
        });
        match asked {
            // A stranded rollout is over: only the request itself moves it. One that never began must not begin only
            // to go back.
            Some(asked) if machine.outcome().is_some() || opened.recorded.records.is_empty() => vec![asked],
            asked => std::iter::once(recovered).chain(asked).collect(),
        }
    }
}
