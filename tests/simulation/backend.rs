//! The store of contested rollouts: a backend in memory, strongly consistent, whose calls fail, are slow, or lose their
//! answers. What one process sends arrives although it is frozen or dead by then.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidegate::domain::clock::Timestamp;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::domain::name::RolloutId;
use tidegate::journal::{JournalEnd, Record};
use tidegate::lease::{Control, Owner, Phase};
use tidegate::machine::Event;
use tidegate::store::StoreError;
use tidegate::store::backend::{self, Appended, Document, JournalPlace, Pending, Swapped, Version};

use super::die::Die;
use super::points::{Hits, Point};
use super::process::Process;
use super::scene::{Scene, Sim};

/// Between two looks for news: fewer than a real store's, since each costs a simulated rollout as much as an event.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// How the names of people begin who leave requests.
pub const ASKER: &str = "ann-";

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

    /// Whether nothing goes wrong.
    pub fn is_none(&self) -> bool {
        let chances = [self.fails, self.answer_lost, self.slow];
        self.outages.is_empty() && chances.iter().all(|chance| *chance == 0.0)
    }

    fn is_out(&self, now: Timestamp) -> bool {
        self.outages.iter().any(|(from, lasts)| now >= *from && now < *from + *lasts)
    }
}

/// How one call goes.
#[derive(Clone, Copy)]
struct Way {
    /// Until it arrives, and from there until its answer does.
    there: Duration,
    back: Duration,
    arrives: bool,
    answer_lost: bool,
    is_slow: bool,
}

/// What is in the store.
#[derive(Default)]
pub struct Objects {
    documents: BTreeMap<String, (Vec<u8>, u64)>,
    files: BTreeMap<String, Vec<u8>>,
    /// Each line by its number.
    journal: BTreeMap<u64, Vec<u8>>,
    version: u64,
    /// Whether it is a folder: there a line is only written after the one before, and a journal can be cut.
    pub is_folder: bool,
    is_cut: bool,
    /// What somebody did to the journal.
    damage: Option<Damage>,
    /// Whether the rule's document means nothing.
    pub is_garbled: bool,
    pub trouble: Trouble,
    /// The rule's document, as it reads.
    pub control: Option<Control>,
    /// When it was written last.
    pub control_written: Timestamp,
}

impl Objects {
    pub fn new(trouble: Trouble, is_folder: bool) -> Self {
        Self { is_folder, trouble, ..Self::default() }
    }

    /// How many lines the journal has.
    pub fn lines(&self) -> usize {
        self.journal.len()
    }

    fn text(&self, from: u64) -> Vec<u8> {
        self.journal.range(from..).flat_map(|(_, line)| line.iter().copied()).collect()
    }

    /// What is in the journal.
    pub fn recorded(&self) -> Vec<Record> {
        if self.journal.is_empty() || self.is_beheaded() {
            return Vec::new();
        }
        let recorded = tidegate::journal::parse(&self.text(0)).expect("a journal");
        assert!(self.is_damaged() || recorded.end == JournalEnd::Clean, "the journal is damaged: {:?}", recorded.end);
        recorded.records
    }

    /// No request is in the journal twice.
    pub fn requests_are_there_once(recorded: &[Record]) {
        let mut seen = BTreeSet::new();
        for record in recorded {
            if let Event::Requested { by, .. } = &record.event
                && by.starts_with(ASKER)
            {
                assert!(seen.insert(by), "a request is in the journal twice: {by}");
            }
        }
    }

    /// Whether somebody changed the journal.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some()
    }

    /// Whether nobody changed journal or document.
    pub fn is_untouched(&self) -> bool {
        self.damage.is_none() && !self.is_garbled
    }

    /// Whether whoever opens the journal must see that somebody changed it.
    pub fn is_seen_damaged(&self) -> bool {
        self.damage.is_some_and(|damage| damage.shows)
    }

    /// Somebody changes the journal, past its first line.
    pub fn damages(&mut self, die: &mut Die, hits: &mut Hits) {
        let last = self.journal.keys().last().copied().unwrap_or_default();
        if last < 2 || self.damage.is_some() {
            return;
        }
        let known = self.documents.values().filter_map(|(body, _)| lines_known(body)).max().unwrap_or_default();
        let line = die.between(1, last);
        let shows = match die.between(0, 2) {
            0 => {
                hits.hit(Point::JournalEdited);
                // The time of the event, which each line has.
                let text = self.journal.get_mut(&line).expect("it is there");
                let digit = text.iter().rposition(u8::is_ascii_digit).expect("a line has digits");
                text[digit] = if text[digit] == b'0' { b'1' } else { b'0' };
                true
            }
            1 if !self.is_folder && line < last => {
                hits.hit(Point::JournalHoled);
                self.journal.remove(&line);
                true
            }
            _ => {
                hits.hit(Point::JournalTailLost);
                self.journal.retain(|number, _| *number < last);
                known > last
            }
        };
        self.damage = Some(Damage { shows, beheads: false });
    }

    /// Whether the journal's first line is not what was written.
    pub fn is_beheaded(&self) -> bool {
        self.damage.is_some_and(|damage| damage.beheads)
    }

    /// Somebody changes the journal's first line.
    pub fn beheads(&mut self, die: &mut Die, hits: &mut Hits) {
        hits.hit(Point::JournalHeaderLost);
        let line = self.journal.get_mut(&0).expect("it is there");
        match die.between(0, 2) {
            0 => *line = b"\n".to_vec(),
            1 => line[2] ^= 1,
            _ => drop(self.journal.remove(&0)),
        }
        self.damage = Some(Damage { shows: true, beheads: true });
    }

    /// Somebody writes nonsense over the rule's document.
    pub fn garbles(&mut self, die: &mut Die, hits: &mut Hits) {
        hits.hit(Point::DocumentGarbled);
        let bodies: [&[u8]; 4] = [b"", b"{", b"<html>502 Bad Gateway</html>", br#"{"schema":2}"#];
        self.version += 1;
        for document in self.documents.values_mut().filter(|(body, _)| control(body).is_some()) {
            *document = (die.one_of(&bodies).to_vec(), self.version);
        }
        self.is_garbled = true;
    }

    /// A person does what the refusal says, once nobody moves the rule: the document is removed.
    pub fn repairs(&mut self, hits: &mut Hits) {
        hits.hit(Point::DocumentRepaired);
        self.documents.retain(|_, (body, _)| is_followers(body));
        (self.is_garbled, self.control) = (false, None);
    }

    fn way(&self, now: Timestamp, die: &mut Die, hits: &mut Hits) -> Way {
        let (quick, none) = (Duration::from_millis(die.between(5, 150)), Duration::ZERO);
        // What is killed or frozen on the way has sent it, or has not.
        let (there, back) = if die.chance(0.5) { (quick, none) } else { (none, quick) };
        let mut way = Way { there, back, arrives: true, answer_lost: false, is_slow: false };
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
            way.is_slow = true;
            let slow = Duration::from_millis(die.between(2_000, 60_000));
            if die.chance(0.5) { way.there += slow } else { way.back += slow }
        }
        way
    }
}

/// What kind of call it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Swap,
    Append,
}

/// The store as one process reaches it; nobody's calls are answered at once, and always.
#[derive(Clone)]
pub struct Backend {
    scene: Arc<Scene>,
    who: Option<usize>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Backend").field(&self.who).finish()
    }
}

impl Backend {
    pub fn of(scene: &Arc<Scene>, who: Option<usize>) -> Self {
        Self { scene: Arc::clone(scene), who }
    }

    /// Whether an answer told one who drives that somebody else does.
    fn learns(&self, tells: impl FnOnce(&Process) -> bool) {
        let Some(who) = self.who else { return };
        let process = &mut self.scene.sim().processes[who];
        if process.is_driving() {
            process.knows_fenced |= tells(process);
        }
    }

    fn call<T: Send + 'static>(
        &self,
        call: Call,
        serve: impl FnOnce(&mut Sim, Option<usize>) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move {
            let Some(who) = self.who else { return serve(&mut self.scene.sim(), None) };
            let (clock, way) = {
                let mut sim = self.scene.sim();
                let sim = &mut *sim;
                (sim.clock.clone(), sim.objects.way(sim.world.now, &mut sim.die, &mut sim.hits))
            };
            let sleep = async |span: Duration| {
                if !span.is_zero() {
                    clock.sleep_until(clock.now() + span).await;
                }
            };
            let failed = |scene: &Scene| {
                let hits = &mut scene.sim().hits;
                match call {
                    Call::Swap => hits.hit(Point::RenewalFailed),
                    Call::Append => hits.hit(Point::AppendFailed),
                    Call::Read => {}
                }
                let fault = Fault::new(FaultKind::Transient, "PutObject", "SlowDown: no answer");
                StoreError::Bucket { bucket: "store".into(), fault }
            };
            if !way.arrives {
                sleep(way.there + way.back).await;
                return Err(failed(&self.scene));
            }
            let served = if way.is_slow {
                let (scene, clock) = (Arc::clone(&self.scene), clock.clone());
                let arrives = tokio::spawn(async move {
                    clock.sleep_until(clock.now() + way.there).await;
                    let served = catch_unwind(AssertUnwindSafe(|| serve(&mut scene.sim(), Some(who))));
                    served.map_err(|_| scene.breaks("what arrived late is not sound".into())).ok()
                });
                let Ok(Some(served)) = arrives.await else { return std::future::pending().await };
                served
            } else {
                sleep(way.there).await;
                serve(&mut self.scene.sim(), Some(who))
            };
            sleep(way.back).await;
            if way.answer_lost { Err(failed(&self.scene)) } else { served }
        })
    }
}

impl Sim {
    fn swaps(&mut self, who: Option<usize>, key: String, body: Vec<u8>, over: Option<&Version>) -> Swapped {
        let found = self.objects.documents.get(&key);
        let found_version = found.map(|(_, version)| version.to_string());
        if found_version.as_deref() != over.map(Version::name) {
            let epoch = self.control().map(|control| control.epoch);
            if let Some(who) =
                who.filter(|who| control(&body).is_some_and(|own| own.epoch == self.processes[*who].epoch))
            {
                let ours = epoch == Some(self.processes[who].epoch);
                self.hits.hit(if ours { Point::RenewalRetaken } else { Point::FencedByDocument });
            }
            return Swapped::Taken;
        }
        self.objects.version += 1;
        let version = self.objects.version;
        let written = control(&body);
        self.objects.documents.insert(key, (body, version));
        if let Some(control) = written {
            self.document_written(who, control);
        }
        Swapped::Done(Version::new(version.to_string()))
    }

    fn appends(&mut self, at: JournalPlace, after: &[u8], line: Vec<u8>) -> Result<Appended, StoreError> {
        let objects = &mut self.objects;
        let before = at.lines.checked_sub(1).map(|before| objects.journal.get(&before));
        if objects.is_folder && before.is_some_and(|found| found.is_none_or(|found| !found.ends_with(after))) {
            let why = "the line before is not what was written".to_owned();
            return Err(StoreError::Strange { what: "the journal".to_owned(), why });
        }
        Ok(match objects.journal.get(&at.lines) {
            // A line whose answer was lost is ours when it is read back.
            Some(found) if *found == line => Appended::Done,
            Some(_) => {
                self.hits.hit(Point::FencedByJournal);
                Appended::Taken
            }
            None => {
                let goes_on = objects.is_damaged() || at.lines == objects.journal.len() as u64;
                assert!(goes_on, "a line is written behind a hole");
                objects.journal.insert(at.lines, line);
                Appended::Done
            }
        })
    }

    /// A request is put away: it must be in the journal.
    fn removes(&mut self, key: &str) {
        let Some(body) = self.objects.files.remove(key).filter(|_| key.contains("/words/")) else { return };
        let told: Value = serde_json::from_slice(&body).expect("a request");
        let by = told["by"].as_str().expect("somebody left it");
        // Whoever wants to go back while the runner may commit asks it, and takes that back.
        if !by.starts_with(ASKER) {
            return;
        }
        let text = format!("\"{by}\"");
        let is_there = self.objects.journal.values().any(|line| contains(line, text.as_bytes()));
        // A way back without a journal puts them away too.
        let lost = self.objects.is_damaged() || self.hits.of(Point::JournalNowhere) > 0;
        assert!(is_there || lost, "a request is put away that is not in the journal: {told}");
    }
}

/// What somebody did to the journal.
#[derive(Clone, Copy, Debug)]
struct Damage {
    /// Whether it can be seen: a tail that the lease does not know of may be gone unseen.
    shows: bool,
    /// Whether it is the first line.
    beheads: bool,
}

/// How many lines of the journal a document of a rule knows of.
fn lines_known(body: &[u8]) -> Option<u64> {
    let file: Value = serde_json::from_slice(body).ok()?;
    file["journal"]["lines"].as_u64()
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|window| window == text)
}

/// Whether it is a service's document.
fn is_followers(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|file| file["rule"].is_string())
}

/// What a control document of a rule says; nothing for one of a service.
fn control(body: &[u8]) -> Option<Control> {
    let file: Value = serde_json::from_slice(body).ok()?;
    let owner = file["owner"].as_object().map(|owner| Owner {
        by: owner["by"].as_str().unwrap_or_default().to_owned(),
        process: owner["process"].as_str().unwrap_or_default().to_owned(),
        since: Timestamp::from_millis(owner["since"].as_u64().unwrap_or_default()),
    });
    let phase = match file["phase"].as_str()? {
        "active" => Phase::Active,
        "aborting" => Phase::Aborting,
        "committing" => Phase::Committing,
        "over" => Phase::Over,
        other => panic!("{other} is no phase"),
    };
    let rollout = RolloutId::parse(file["rollout"].as_str()?).ok()?;
    Some(Control { nonce: file["nonce"].as_u64()?, rollout, epoch: file["epoch"].as_u64()?, owner, phase })
}

impl backend::Backend for Backend {
    fn place(&self) -> String {
        "the simulated store".to_owned()
    }

    fn document<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Document>> {
        let key = key.to_owned();
        let read = self.call(Call::Read, move |sim, _| {
            let found = sim.objects.documents.get(&key);
            let read = |(body, version): &(Vec<u8>, u64)| Document {
                body: body.clone(),
                version: Version::new(version.to_string()),
            };
            Ok(found.map(read))
        });
        Box::pin(async move {
            let found = read.await?;
            self.learns(|process| {
                let control = found.as_ref().and_then(|found| control(&found.body));
                control.is_some_and(|control| control.epoch != process.epoch)
            });
            Ok(found)
        })
    }

    fn swap<'a>(&'a self, key: &'a str, body: Vec<u8>, over: Option<&'a Version>) -> Pending<'a, Swapped> {
        let (key, over) = (key.to_owned(), over.cloned());
        self.call(Call::Swap, move |sim, who| Ok(sim.swaps(who, key, body, over.as_ref())))
    }

    fn put<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Pending<'a, ()> {
        let key = key.to_owned();
        self.call(Call::Read, move |sim, _| {
            sim.objects.files.insert(key, body);
            Ok(())
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        let key = key.to_owned();
        self.call(Call::Read, move |sim, _| Ok(sim.objects.files.get(&key).cloned()))
    }

    fn remove<'a>(&'a self, key: &'a str) -> Pending<'a, ()> {
        let key = key.to_owned();
        self.call(Call::Read, move |sim, _| {
            sim.removes(&key);
            Ok(())
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        let folder = format!("{folder}/");
        self.call(Call::Read, move |sim, _| {
            let documents = sim.objects.documents.keys().map(|key| format!("{key}.json"));
            let keys = documents.chain(sim.objects.files.keys().cloned());
            let name = |key: String| Some(key.strip_prefix(&folder)?.split('/').next()?.to_owned());
            let mut names: Vec<String> = keys.filter_map(name).collect();
            names.sort();
            names.dedup();
            Ok(names)
        })
    }

    fn append<'a>(&'a self, _: &'a str, at: JournalPlace, after: &'a [u8], line: Vec<u8>) -> Pending<'a, Appended> {
        let after = after.to_owned();
        let append = self.call(Call::Append, move |sim, _| sim.appends(at, &after, line));
        Box::pin(async move {
            let appended = append.await?;
            self.learns(|_| appended == Appended::Taken);
            Ok(appended)
        })
    }

    fn first_line<'a>(&'a self, _: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        self.call(Call::Read, |sim, _| Ok(sim.objects.journal.get(&0).cloned()))
    }

    fn lines<'a>(&'a self, _: &'a str, from: JournalPlace) -> Pending<'a, Vec<u8>> {
        self.call(Call::Read, move |sim, _| Ok(sim.objects.text(from.lines)))
    }

    fn cut<'a>(&'a self, _: &'a str, at: JournalPlace) -> Pending<'a, ()> {
        self.call(Call::Read, move |sim, _| {
            if !sim.objects.is_folder {
                let fault = Fault::new(FaultKind::Permanent, "PutObject", "lines are written once");
                return Err(StoreError::Bucket { bucket: "store".into(), fault });
            }
            sim.hits.hit(Point::JournalSalvaged);
            sim.objects.is_cut = true;
            sim.objects.journal.retain(|number, _| *number < at.lines);
            Ok(())
        })
    }

    fn is_cut<'a>(&'a self, _: &'a str) -> Pending<'a, bool> {
        self.call(Call::Read, |sim, _| Ok(sim.objects.is_cut))
    }

    fn between_looks(&self) -> Duration {
        BETWEEN_LOOKS
    }
}
