//! Finds the rollout that a command names.
//!
//! A command that only reads takes the beginning of an id and prefers what is not over. A command that acts takes the
//! whole name or the whole id: the beginning of one name can be another service's name. It reaches a rehearsal by its
//! whole id only, so that a rehearsal of a spec never answers for the live rollout of the same spec.

use super::context::{Found, LOOKED_AT, Standing, Stores, is_driven, standing};
use super::{Exit, Failure};
use crate::domain::name::RolloutId;
use crate::store::{Store, StoreError};

/// From which likeness on, 0 to 1, a name is offered in place of one that is not there.
const ALIKE: f64 = 0.8;

/// What is known of one rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    id: RolloutId,
    standing: Standing,
}

/// Which rollout an acting command means.
#[derive(Debug, PartialEq, Eq)]
enum Meant<'a> {
    One(&'a RolloutId),
    /// Several that are not over have the name.
    Several(Vec<&'a RolloutId>),
    None,
}

impl Stores {
    /// The rollout that `text` names to somebody who reads: by id, beginning of an id, or name; without it the newest
    /// that is not over, or else the newest.
    pub(super) async fn find(&self, text: Option<&str>) -> Result<Found, Failure> {
        let main = find_in(&self.main, text, false).await?;
        let lab = find_in(&self.lab, text, true).await?;
        match (main, lab) {
            (Some(main), Some(lab)) => {
                let lab_is_newer = lab.id.started() > main.id.started();
                Ok(match (standing(&main).await, standing(&lab).await) {
                    (Standing::Over, Standing::Over) if lab_is_newer => lab,
                    (Standing::Over, Standing::Unfinished) => lab,
                    (Standing::Unfinished, Standing::Unfinished)
                        if is_driven(&lab).await && !is_driven(&main).await =>
                    {
                        lab
                    }
                    _ => main,
                })
            }
            (Some(found), None) | (None, Some(found)) => Ok(found),
            (None, None) => Err(self.unknown(text).await),
        }
    }

    /// The rollout on an account that an acting command means: by its whole id or its whole name; without either, the
    /// only one that is not over. A rehearsal is meant by its whole id only.
    pub(super) async fn find_to_act(&self, text: Option<&str>) -> Result<Found, Failure> {
        let known = known(&self.main, text).await?;
        match meant(&known, text) {
            Meant::One(id) => return Ok(Found::new(&self.main, id.clone(), false)),
            Meant::Several(ids) => return Err(say_which(&ids)),
            Meant::None => {}
        }
        let rehearsals = self.lab.list().await?;
        if let Some(id) = rehearsals.iter().find(|id| Some(id.as_str()) == text) {
            return Ok(Found::new(&self.lab, id.clone(), true));
        }
        let failure = self.unknown(text).await;
        Err(match rehearsals.iter().find(|id| text.is_none_or(|text| id.as_str().starts_with(text))) {
            Some(id) => failure.hint(format!("a rehearsal in a lab is named by its whole id: `{id}`")),
            None => failure,
        })
    }

    /// That no rollout is meant, with the name that probably was.
    async fn unknown(&self, text: Option<&str>) -> Failure {
        let Some(text) = text else {
            return Failure::new(Exit::Usage, "there is no rollout in this store yet")
                .hint("`tidegate run SPEC` starts one; `--store` or `--state-dir` says where else to look");
        };
        let failure = Failure::from(StoreError::Unknown(text.to_owned()));
        match self.nearest(text).await {
            Some(name) => failure.hint(format!("did you mean `{name}`?")),
            None => failure,
        }
    }

    /// The rollout's name or id that `text` was probably meant to be.
    async fn nearest(&self, text: &str) -> Option<String> {
        let mut ids = self.main.list().await.unwrap_or_default();
        ids.extend(self.lab.list().await.unwrap_or_default());
        let newest = ids.iter().take(LOOKED_AT);
        let known = newest.flat_map(|id| [id.name().to_owned(), id.to_string()]);
        let alike = known.map(|name| (strsim::jaro_winkler(text, &name), name)).filter(|(alike, _)| *alike > ALIKE);
        alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
    }
}

/// The newest rollouts of a store that `text` could mean as a whole, newest first.
async fn known(store: &Store, text: Option<&str>) -> Result<Vec<Known>, Failure> {
    let ids = store.list().await?;
    let is_meant = |id: &RolloutId| text.is_none_or(|text| id.as_str() == text || id.name() == text);
    let mut known = Vec::new();
    for id in ids.into_iter().filter(is_meant).take(LOOKED_AT) {
        let found = Found::new(store, id.clone(), false);
        known.push(Known { id, standing: standing(&found).await });
    }
    Ok(known)
}

/// Which of the `known` rollouts, newest first, an acting command means. One of which the store does not say that it is
/// over may be the one that is on its way.
fn meant<'a>(known: &'a [Known], text: Option<&str>) -> Meant<'a> {
    if let Some(exact) = known.iter().find(|known| Some(known.id.as_str()) == text) {
        return Meant::One(&exact.id);
    }
    let named = || known.iter().filter(|known| text.is_none_or(|text| known.id.name() == text));
    let unfinished: Vec<&RolloutId> =
        named().filter(|known| known.standing != Standing::Over).map(|known| &known.id).collect();
    match unfinished.as_slice() {
        [one] => Meant::One(one),
        // It is over: the command says how it ended, and does nothing.
        [] => named().next().map_or(Meant::None, |newest| Meant::One(&newest.id)),
        _ => Meant::Several(unfinished),
    }
}

fn say_which(ids: &[&RolloutId]) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("{} rollouts are not over: say which, by its whole id", ids.len()));
    ids.iter().fold(failure, |failure, id| failure.note(id.to_string()))
}

async fn find_in(store: &Store, text: Option<&str>, is_lab: bool) -> Result<Option<Found>, Failure> {
    let found = |id| Found::new(store, id, is_lab);
    let candidates = match text {
        None => store.list().await?,
        Some(text) => match store.find(text).await {
            Ok(candidates) => candidates,
            Err(StoreError::Unknown(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
    };
    for id in candidates.iter().take(LOOKED_AT) {
        let found = found(id.clone());
        if candidates.len() == 1 || standing(&found).await == Standing::Unfinished {
            return Ok(Some(found));
        }
    }
    Ok(candidates.into_iter().next().map(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Clock;
    use crate::journal::{Header, Journal};
    use crate::lease::{Owner, Phase};
    use crate::store::Claim;

    const WEB: &str = "web-20261123-140509-0001";
    const WEB_LATER: &str = "web-20261124-140509-0002";
    const WEB_API: &str = "web-api-20261125-140509-0003";

    fn known(of: &[(&str, Standing)]) -> Vec<Known> {
        let known = of.iter().map(|(id, standing)| Known { id: RolloutId::parse(id).unwrap(), standing: *standing });
        known.collect()
    }

    fn one(known: &[Known], text: Option<&str>) -> Option<String> {
        match meant(known, text) {
            Meant::One(id) => Some(id.to_string()),
            Meant::Several(_) | Meant::None => None,
        }
    }

    #[test]
    fn the_beginning_of_a_name_is_never_another_services_rollout() {
        let known = known(&[(WEB_API, Standing::Unfinished)]);
        for text in ["web", "web-", "web-api-2026", ""] {
            assert_eq!(meant(&known, Some(text)), Meant::None, "{text}");
        }
        assert_eq!(one(&known, Some("web-api")).as_deref(), Some(WEB_API));
        assert_eq!(one(&known, Some(WEB_API)).as_deref(), Some(WEB_API));
    }

    #[test]
    fn what_is_not_over_comes_before_what_is_newer() {
        let known = known(&[(WEB_LATER, Standing::Over), (WEB, Standing::Unfinished)]);
        assert_eq!(one(&known, Some("web")).as_deref(), Some(WEB));
        assert_eq!(one(&known, None).as_deref(), Some(WEB));
        assert_eq!(one(&known, Some(WEB_LATER)).as_deref(), Some(WEB_LATER));
    }

    #[test]
    fn a_rollout_that_cannot_be_read_may_be_the_one_on_its_way() {
        let known = known(&[(WEB_LATER, Standing::Unknown), (WEB, Standing::Over)]);
        assert_eq!(one(&known, Some("web")).as_deref(), Some(WEB_LATER));
    }

    #[test]
    fn of_several_that_are_not_over_none_is_taken() {
        let known =
            known(&[(WEB_API, Standing::Unfinished), (WEB_LATER, Standing::Unfinished), (WEB, Standing::Unknown)]);
        assert!(matches!(meant(&known, None), Meant::Several(ids) if ids.len() == 3));
        assert!(matches!(meant(&known, Some("web")), Meant::Several(ids) if ids.len() == 2));
        assert_eq!(one(&known, Some("web-api")).as_deref(), Some(WEB_API));
    }

    #[test]
    fn a_rollout_that_is_over_is_named_only_where_none_is_on_its_way() {
        let known = known(&[(WEB_LATER, Standing::Over), (WEB, Standing::Over)]);
        assert_eq!(one(&known, None).as_deref(), Some(WEB_LATER));
        assert_eq!(meant(&[], None), Meant::None);
    }

    /// Rollouts and rehearsals of two names, in the store of each.
    struct Worlds {
        _folder: tempfile::TempDir,
        stores: Stores,
        /// In the account's store, and whether each is over.
        live: Vec<(RolloutId, bool)>,
        rehearsals: Vec<RolloutId>,
    }

    impl Worlds {
        async fn throw(die: &mut fastrand::Rng) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let stores = Stores {
                main: Store::in_folder(folder.path().join("main")).unwrap(),
                lab: Store::in_folder(folder.path().join("lab")).unwrap(),
            };
            let mut worlds = Self { _folder: folder, stores, live: Vec::new(), rehearsals: Vec::new() };
            for minute in 10..10 + die.u32(0..6) {
                let (name, is_over) = (["web", "web-api"][die.usize(0..2)], die.bool());
                let id = RolloutId::parse(&format!("{name}-20261123-14{minute}00-00aa")).unwrap();
                let is_lab = die.bool();
                let store = if is_lab { worlds.stores.lab.of_rehearsal(&id) } else { worlds.stores.main.clone() };
                keep(&store, &id, is_over).await;
                if is_lab { worlds.rehearsals.push(id) } else { worlds.live.push((id, is_over)) }
            }
            worlds
        }

        /// What somebody may type.
        fn texts(&self) -> Vec<Option<String>> {
            let ids = self.live.iter().map(|(id, _)| id).chain(&self.rehearsals);
            let parts = ids.flat_map(|id| [id.to_string(), id.as_str()[..id.as_str().len() - 3].to_owned()]);
            let names = ["web", "web-api", "we", "web-", "api"].map(str::to_owned);
            std::iter::once(None).chain(names.into_iter().chain(parts).map(Some)).collect()
        }

        /// What an acting command must mean.
        fn meant(&self, text: Option<&str>) -> Option<RolloutId> {
            let all = self.live.iter().map(|(id, _)| id).chain(&self.rehearsals);
            if let Some(exact) = all.into_iter().find(|id| Some(id.as_str()) == text) {
                return Some(exact.clone());
            }
            let named = self.live.iter().filter(|(id, _)| text.is_none_or(|text| id.name() == text));
            let mut unfinished = named.clone().filter(|(_, is_over)| !is_over);
            match (unfinished.next(), unfinished.next()) {
                (Some((only, _)), None) => Some(only.clone()),
                (Some(_), Some(_)) => None,
                (None, _) => named.map(|(id, _)| id).max_by_key(|id| id.started()).cloned(),
            }
        }
    }

    /// Writes a journal's first line, and a lease that is over or not.
    async fn keep(store: &Store, id: &RolloutId, is_over: bool) {
        let (clock, mut plan) = (Clock::wall(), crate::plan::diagram::sample::plan());
        plan.target.rule = format!("arn:{id}");
        let (program, spec, at) = ("0".to_owned(), "web.yaml".to_owned(), clock.now());
        let owner = Owner { by: "ana@elsewhere".into(), process: String::new(), since: at };
        let claim = Claim { rollout: id, owner: &owner };
        let mut lease = store.begin(&plan.target.rule, &[], claim, &clock).await.unwrap();
        let header = Header { id: id.clone(), program, at, spec, spec_digest: None, trace: None, plan };
        Journal::create(store, &header).await.unwrap();
        if is_over {
            lease.renew(Phase::Over).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_acting_command_reaches_one_rollout_of_an_account_however_many_there_are_and_were_rehearsed() {
        let mut die = fastrand::Rng::with_seed(7);
        for world in 0..60 {
            let worlds = Worlds::throw(&mut die).await;
            for text in worlds.texts() {
                let found = worlds.stores.find_to_act(text.as_deref()).await.ok();
                let said = format!("world {world}, {text:?} of {:?} and {:?}", worlds.live, worlds.rehearsals);
                assert_eq!(found.as_ref().map(|found| &found.id), worlds.meant(text.as_deref()).as_ref(), "{said}");
                let is_rehearsed = found.as_ref().is_some_and(|found| worlds.rehearsals.contains(&found.id));
                assert_eq!(found.is_some_and(|found| found.is_lab), is_rehearsed, "{said}");
            }
        }
    }
}
