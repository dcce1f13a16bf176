//! The lease as it is kept in a store: taken, renewed, watched, given back.
//!
//! The document of a listener rule is the lease; those of its services follow it, so that one renewal keeps all.
//! They are taken in one order, rule first, so that of two who want the same none keeps a part.

use super::backend::{Document, Swapped, Version};
use super::control::{CONTROL, decode, decode_follower, encode, encode_follower, key, last_line, of_rule, schema};
use super::error::LeaseError;
use super::{LastLine, Store, StoreError, process};
use crate::domain::clock::Clock;
use crate::domain::name::RolloutId;
use crate::lease::{self, Control, Held, LeaseRefusal, Life, Looked, Owner, Phase, Watch};

/// How often a document that changes while it is taken is tried for.
const TRIES: u32 = 5;

/// A rule's control document as one of all, with when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// The rule.
    pub rule: String,
    /// What its document says.
    pub control: Control,
    /// When that was read, on the reader's clock.
    pub looked: Looked,
}

/// A control document with the version that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it says.
    pub control: Control,
    version: Version,
}

/// Who wants a rule's document, and for which rollout.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// For this rollout.
    pub rollout: &'a RolloutId,
    /// Who is written down as its owner.
    pub owner: &'a Owner,
}

/// The right to drive a rollout, as far as the store knows.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    rule: String,
    version: Version,
    held: Held,
    clock: Clock,
    /// How far the journal went when the lease was taken.
    last: Option<LastLine>,
}

impl Owner {
    /// Whether the owner's process is of this machine and has ended: proof without waiting.
    pub fn is_gone(&self) -> bool {
        process::is_gone(&self.process)
    }
}

fn nonce() -> u64 {
    fastrand::u64(..)
}

/// Who this process is, for a document.
pub fn this_owner(by: String, clock: &Clock) -> Owner {
    Owner { by, process: process::this(), since: clock.now() }
}

impl Store {
    /// Reads the control document of a listener rule.
    ///
    /// # Errors
    /// When the store cannot be read, or the document means nothing.
    pub async fn standing(&self, rule: &str) -> Result<Option<Standing>, LeaseError> {
        let Some(Document { body, version }) = self.backend.document(&self.document_key(rule)).await? else {
            return Ok(None);
        };
        let control = decode(&body).map_err(|why| unreadable(rule, &why))?;
        Ok(Some(Standing { control, version }))
    }

    /// How far the journal of a rollout goes at least, as the lease of its rule says, if it can be read.
    pub async fn last_line(&self, rule: &str, rollout: &RolloutId) -> Option<LastLine> {
        let found = self.backend.document(&self.document_key(rule)).await.ok()??;
        last_line(&found.body, rollout)
    }

    /// The rule whose rollout uses a service, and that rollout, by the service's document.
    ///
    /// # Errors
    /// When the store cannot be read, or the document means nothing.
    pub async fn rollout_on(&self, service: &str) -> Result<Option<(String, RolloutId)>, StoreError> {
        let Some(Document { body, .. }) = self.backend.document(&self.document_key(service)).await? else {
            return Ok(None);
        };
        let strange = |why: String| StoreError::Strange { what: format!("the lease of {service}"), why };
        decode_follower(&body).map(Some).map_err(strange)
    }

    /// Takes a rule and its services for a new rollout, in a store that is proven to keep a lease.
    ///
    /// # Errors
    /// When the store keeps none, or another rollout on one of them is not over; then nothing is held.
    pub async fn begin(
        &self,
        rule: &str,
        services: &[&str],
        claim: Claim<'_>,
        clock: &Clock,
    ) -> Result<Lease, LeaseError> {
        let Claim { rollout, owner } = claim;
        self.prove_once().await?;
        let begin = |found: Option<&Control>, _| lease::begin(found, rollout, owner.clone(), nonce());
        let lease = self.take(rule, clock, begin).await?;
        self.take_services(lease, services).await
    }

    /// Takes a rule and its services once more for a rollout that is over, to finish what it left undone.
    ///
    /// # Errors
    /// As [`Store::begin`], and when another rollout has had the rule since.
    pub async fn reopen(
        &self,
        rule: &str,
        services: &[&str],
        (claim, phase): (Claim<'_>, Phase),
        clock: &Clock,
    ) -> Result<Lease, LeaseError> {
        let Claim { rollout, owner } = claim;
        self.prove_once().await?;
        let reopen = |found: Option<&Control>, _| lease::reopen(found, rollout, phase, owner.clone(), nonce());
        let lease = self.take(rule, clock, reopen).await?;
        self.take_services(lease, services).await
    }

    /// The services follow the rule; where one of them is another's, nothing is held.
    async fn take_services(&self, mut lease: Lease, services: &[&str]) -> Result<Lease, LeaseError> {
        let (rule, rollout) = (lease.rule.clone(), lease.held.control().rollout.clone());
        let mut services = services.to_vec();
        services.sort_unstable();
        services.dedup();
        for service in services {
            if let Err(error) = self.follow(service, &rule, &rollout).await {
                let _ = lease.renew(Phase::Over).await;
                return Err(error);
            }
        }
        Ok(lease)
    }

    /// Goes on with a rollout whose owner left, or is gone as far as `watch` has seen, in a store that is proven to keep a
    /// lease. What is taken is the very document that the watch saw stand still.
    ///
    /// # Errors
    /// When the owner may live, or the rollout is over.
    pub async fn take_over(
        &self,
        rule: &str,
        claim: Claim<'_>,
        watch: &mut Watch,
        clock: &Clock,
    ) -> Result<Lease, LeaseError> {
        let Claim { rollout, owner } = claim;
        self.prove_once().await?;
        self.take(rule, clock, |found, looked| match found {
            Some(found) => lease::take_over(found, rollout, life(found, watch, looked), owner.clone(), nonce()),
            // A journal whose document is gone, or was never written: nobody owns it.
            None => lease::begin(None, rollout, owner.clone(), nonce()),
        })
        .await
    }

    /// Takes a rollout back, whoever owns it. That waits for no proof of the store: the way back is open without a lease.
    ///
    /// # Errors
    /// When it is over, or is being committed by an owner who may live as far as `watch` has seen.
    pub async fn preempt(
        &self,
        rule: &str,
        claim: Claim<'_>,
        watch: &mut Watch,
        clock: &Clock,
    ) -> Result<Lease, LeaseError> {
        let Claim { rollout, owner } = claim;
        self.take(rule, clock, |found, looked| match found {
            Some(found) => lease::preempt(found, rollout, life(found, watch, looked), owner.clone(), nonce()),
            None => lease::begin(None, rollout, owner.clone(), nonce())
                .map(|control| Control { phase: Phase::Aborting, ..control }),
        })
        .await
    }

    /// Takes a rollout back whose owner was found gone while its document had this nonce: of several who find
    /// that, one comes to act.
    ///
    /// # Errors
    /// When somebody wrote the document since.
    pub async fn rescue(
        &self,
        rule: &str,
        claim: Claim<'_>,
        nonce_seen: u64,
        clock: &Clock,
    ) -> Result<Lease, LeaseError> {
        let Claim { rollout, owner } = claim;
        self.take(rule, clock, |found, _| {
            let found = found.ok_or_else(|| LeaseRefusal::Over(nobody(rollout)))?;
            if found.nonce != nonce_seen {
                return Err(LeaseRefusal::Owned(found.clone()));
            }
            lease::preempt(found, rollout, Life::Gone, owner.clone(), nonce())
        })
        .await
    }

    /// The control documents of all rules, over or not, each with when it was read.
    ///
    /// # Errors
    /// When the store cannot be read. A document that means nothing is left out.
    pub async fn standings(&self, clock: &Clock) -> Result<Vec<Sighted>, StoreError> {
        let mut standings = Vec::new();
        for name in self.backend.list(CONTROL).await? {
            let key = format!("{CONTROL}/{}", name.trim_end_matches(".json"));
            let asked = clock.now();
            let Some(Document { body, .. }) = self.backend.document(&key).await? else { continue };
            let looked = Looked { asked, answered: clock.now() };
            standings.extend(of_rule(&body).map(|(rule, control)| Sighted { rule, control, looked }));
        }
        Ok(standings)
    }

    /// The rule that a rollout moves, as the control documents say: for one whose journal does not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rule_of(&self, rollout: &RolloutId) -> Result<Option<String>, StoreError> {
        let mut standings = self.standings(&Clock::wall()).await?.into_iter();
        Ok(standings.find(|one| one.control.rollout == *rollout).map(|one| one.rule))
    }

    async fn take(
        &self,
        rule: &str,
        clock: &Clock,
        mut decide: impl FnMut(Option<&Control>, Looked) -> Result<Control, LeaseRefusal>,
    ) -> Result<Lease, LeaseError> {
        let key = self.document_key(rule);
        for _ in 0..TRIES {
            let asked = clock.now();
            let found = self.backend.document(&key).await?;
            let looked = Looked { asked, answered: clock.now() };
            let standing = match &found {
                Some(found) => {
                    schema(rule, &found.body)?;
                    Some(decode(&found.body).map_err(|why| unreadable(rule, &why))?)
                }
                None => None,
            };
            let control = decide(standing.as_ref(), looked).map_err(|refusal| LeaseError::refused(rule, refusal))?;
            let last = found.as_ref().and_then(|found| last_line(&found.body, &control.rollout));
            let body = encode(rule, &control, last.clone());
            if let Swapped::Done(version) = self.backend.swap(&key, body, found.as_ref().map(|f| &f.version)).await? {
                let held = Held::new(control, asked);
                let (store, rule, clock) = (self.clone(), rule.to_owned(), clock.clone());
                return Ok(Lease { store, rule, version, held, clock, last });
            }
        }
        Err(restless(rule))
    }

    /// Writes into a service's document that this rule's rollout uses it.
    async fn follow(&self, service: &str, rule: &str, rollout: &RolloutId) -> Result<(), LeaseError> {
        let key = self.document_key(service);
        for _ in 0..TRIES {
            let found = self.backend.document(&key).await?;
            if found.is_some()
                && let Some((leader, other)) = self.rollout_on(service).await?
                && leader != rule
                && let Some(standing) = self.standing(&leader).await?
                && standing.control.rollout == other
                && standing.control.phase != Phase::Over
            {
                return Err(LeaseError::refused(service, LeaseRefusal::UnderWay(standing.control)));
            }
            let body = encode_follower(service, (rule, rollout), nonce());
            if let Swapped::Done(_) = self.backend.swap(&key, body, found.as_ref().map(|f| &f.version)).await? {
                return Ok(());
            }
        }
        Err(restless(service))
    }
}

/// A document that means nothing, and how the resource gets another: nobody but a person can know that no rollout is on it.
fn unreadable(resource: &str, why: &str) -> StoreError {
    let what = format!("the lease of {resource}, kept as {},", key(resource));
    let why = format!("{why}; once no rollout moves it, remove that document, and the next rollout begins another");
    StoreError::Strange { what, why }
}

fn gone(resource: &str) -> StoreError {
    StoreError::Strange { what: format!("the lease of {resource}"), why: "it is gone".to_owned() }
}

fn restless(resource: &str) -> LeaseError {
    let why = "it changes all the time".to_owned();
    StoreError::Strange { what: format!("the lease of {resource}"), why }.into()
}

/// What is known of a rollout without a document: that it is over.
fn nobody(rollout: &RolloutId) -> Control {
    Control { nonce: 0, rollout: rollout.clone(), epoch: 0, owner: None, phase: Phase::Over }
}

/// Whether the owner of a document still lives. A process of this machine that has ended proves what a watch would only
/// find out later.
fn life(found: &Control, watch: &mut Watch, looked: Looked) -> Life {
    let watched = watch.look(found, looked);
    let ended = found.owner.as_ref().is_some_and(Owner::is_gone);
    if ended { Life::Gone } else { watched }
}

impl Lease {
    /// The lease's own rules: until when it is good, and for what.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Renews the lease, and says how far the rollout is.
    ///
    /// # Errors
    /// When somebody else decides now, or the store cannot be used; the lease is then as old as it was.
    pub async fn renew(&mut self, phase: Phase) -> Result<(), LeaseError> {
        let next = self.held.next(phase, nonce());
        self.write(next).await
    }

    /// Gives the lease back although the rollout is not over: anybody may go on with it at once.
    ///
    /// # Errors
    /// When somebody else decides now, or the store cannot be used.
    pub async fn hand_over(&mut self) -> Result<(), LeaseError> {
        let next = self.held.handed_over(nonce());
        self.write(next).await
    }

    async fn write(&mut self, next: Control) -> Result<(), LeaseError> {
        let key = self.store.document_key(&self.rule);
        for _ in 0..TRIES {
            let asked = self.clock.now();
            let last = self.store.goes(&next.rollout).or_else(|| self.last.clone());
            let body = encode(&self.rule, &next, last);
            if let Swapped::Done(version) = self.store.backend.swap(&key, body, Some(&self.version)).await? {
                self.version = version;
                self.held.renewed(next, asked);
                return Ok(());
            }
            match self.store.standing(&self.rule).await? {
                Some(found) if self.held.is_fenced_by(&found.control) => {
                    return Err(LeaseError::Fenced(Box::new(found.control)));
                }
                // A renewal of ours whose answer was lost.
                Some(found) => self.version = found.version,
                // Nobody took over by removing it: the store is no more what it was.
                None => return Err(gone(&self.rule).into()),
            }
        }
        Err(restless(&self.rule))
    }
}
