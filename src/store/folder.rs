//! A store in a local folder, which every process of one person shares.
//!
//! ```text
//! control/<hash>/00000042.json           a document: its highest number is what it says
//! rollouts/<id>/journal/00000042.json    a line of a journal; 0 is its header
//! rollouts/<id>/words/                   what other processes left for the runner
//! ```
//! A document is swapped by creating the next number, and a line is written by creating its own, which one
//! process alone can do. There is no lock in that, so a process that is frozen in the middle keeps nobody out.
//! Earlier versions kept a journal in one file, `tape.jsonl`; it is still read, and goes on in numbered lines.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::backend::{Appended, Backend, Document, JournalPlace, Pending, Swapped, Version};
use super::error::StoreError;
use crate::domain::text::hex;

/// How many bodies of a document are kept, so that one who read an old one cannot write the next again.
const KEPT: u64 = 16;
/// How often a document is read again that was replaced meanwhile.
const READS: u32 = 10;
/// How many lines of a journal are read at most; no rollout writes as many.
const LINES: u64 = 10_000_000;
/// The wall time between two looks for news.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`; it is made, readable by nobody else, when it is missing.
    pub(super) fn open(root: PathBuf) -> Result<Self, StoreError> {
        make_folder(&root)?;
        Ok(Self { root })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    fn journal(&self, recorded: &str) -> PathBuf {
        self.root.join(recorded).join("journal")
    }

    /// A journal as earlier versions kept it, in one file.
    fn single(&self, recorded: &str) -> PathBuf {
        self.root.join(recorded).join("tape.jsonl")
    }

    /// Where a damaged journal is kept as it was.
    fn damaged(&self, recorded: &str) -> PathBuf {
        self.root.join(recorded).join("tape.damaged.jsonl")
    }

    fn read_document(&self, key: &str) -> Result<Option<Document>, StoreError> {
        let folder = self.path(key);
        for _ in 0..READS {
            let Some(number) = latest(&folder)? else { return Ok(None) };
            let path = numbered(&folder, number);
            match fs::read(&path) {
                Ok(body) => return Ok(Some(Document { version: version(number, &body), body })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("read", &path)(error)),
            }
        }
        let source = io::Error::other("it changes faster than it can be read");
        Err(StoreError::Io { doing: "read", path: folder, source })
    }

    fn swap_document(&self, key: &str, body: &[u8], over: Option<&Version>) -> Result<Swapped, StoreError> {
        let folder = self.path(key);
        let before = over.and_then(number_of).unwrap_or(0);
        // The body that is replaced is kept for longer than anybody takes: where it is gone, or another is in its place,
        // somebody removed it.
        if let Some(over) = over
            && read(&numbered(&folder, before))?.is_none_or(|body| version(before, &body) != *over)
        {
            return Ok(Swapped::Taken);
        }
        make_folder(&folder)?;
        let number = before + 1;
        let path = numbered(&folder, number);
        if !create(&folder, &path, body).map_err(StoreError::io("write", &path))? {
            return Ok(Swapped::Taken);
        }
        // One who read a body that is not kept any more has written behind the others.
        if latest(&folder)? != Some(number) {
            let _ = fs::remove_file(&path);
            return Ok(Swapped::Taken);
        }
        if let Some(old) = number.checked_sub(KEPT) {
            let _ = fs::remove_file(numbered(&folder, old));
        }
        Ok(Swapped::Done(version(number, body)))
    }

    fn append_line(&self, recorded: &str, at: JournalPlace, after: &[u8], line: &[u8]) -> Result<Appended, StoreError> {
        let folder = self.journal(recorded);
        let is_new = !folder.exists();
        match at.lines {
            0 if self.single(recorded).exists() => return Ok(Appended::Taken),
            0 => {}
            _ => self.goes_on(recorded, at, after)?,
        }
        make_folder(&folder)?;
        let path = numbered(&folder, at.lines);
        if !create(&folder, &path, line).map_err(StoreError::io("write", &path))? {
            // A write of ours that failed after its file was there. The first is never written again: it begins.
            let ours = at.lines > 0 && read(&path)?.is_some_and(|found| found == line);
            return Ok(if ours { Appended::Done } else { Appended::Taken });
        }
        if is_new {
            let above = folder.ancestors().skip(1).take(2);
            above.into_iter().try_for_each(sync).map_err(StoreError::io("write", &path))?;
        }
        Ok(Appended::Done)
    }

    /// Sees that a line is there, and ends as it did when it was written: a journal that somebody removed is not made
    /// anew without its beginning.
    fn goes_on(&self, recorded: &str, at: JournalPlace, end: &[u8]) -> Result<(), StoreError> {
        let found = match read(&numbered(&self.journal(recorded), at.lines - 1))? {
            Some(line) => Some(line),
            None => read(&self.single(recorded))?.map(|mut text| {
                text.truncate(usize::try_from(at.bytes).unwrap_or(usize::MAX));
                text
            }),
        };
        let why = match found {
            Some(line) if line.ends_with(end) => return Ok(()),
            Some(_) => "is not what was written any more",
            None => "is gone",
        };
        let (what, why) = (format!("the journal in {recorded}"), format!("its line {} {why}", at.lines));
        Err(StoreError::Strange { what, why })
    }

    fn read_lines(&self, recorded: &str, from: JournalPlace) -> Result<Vec<u8>, StoreError> {
        let folder = self.journal(recorded);
        let (mut text, mut next) = (Vec::new(), from.lines);
        if let Some(single) = read(&self.single(recorded))? {
            let goes_on = numbers(&folder)?.into_iter().min();
            let kept = goes_on.map_or(&*single, |number| first_lines(&single, number));
            text.extend(usize::try_from(from.bytes).ok().and_then(|from| kept.get(from..)).unwrap_or_default());
            let Some(goes_on) = goes_on else { return Ok(text) };
            next = next.max(goes_on);
        }
        for number in next..next.saturating_add(LINES) {
            let Some(line) = read_line(&folder, number)? else {
                next = number;
                break;
            };
            text.extend(line);
        }
        // One that was created meanwhile comes first: only then is what is missing a hole.
        let mut late: Vec<u64> = numbers(&folder)?.into_iter().filter(|number| *number >= next).collect();
        late.sort_unstable();
        let hole = !late.is_empty() && read_line(&folder, next)?.is_none();
        for number in late.into_iter().filter(|_| hole) {
            text.extend(read_line(&folder, number)?.unwrap_or_default());
        }
        Ok(text)
    }

    fn cut_journal(&self, recorded: &str, at: JournalPlace) -> Result<(), StoreError> {
        let (folder, single, path) = (self.journal(recorded), self.single(recorded), self.damaged(recorded));
        let refused = || StoreError::io("salvage", &path);
        let text = self.read_lines(recorded, JournalPlace::default())?;
        let mut copy = tempfile::NamedTempFile::new_in(self.path(recorded)).map_err(refused())?;
        copy.write_all(&text).and_then(|()| copy.as_file().sync_all()).map_err(refused())?;
        copy.persist(&path).map_err(|error| refused()(error.error))?;
        sync(&self.path(recorded)).map_err(refused())?;
        // The last line goes first, so that a journal which is half cut is still as damaged as it was.
        let mut late: Vec<u64> = numbers(&folder)?.into_iter().filter(|number| *number >= at.lines).collect();
        late.sort_unstable();
        for number in late.into_iter().rev() {
            fs::remove_file(numbered(&folder, number)).map_err(refused())?;
        }
        if folder.exists() {
            sync(&folder).map_err(refused())?;
        }
        if read(&single)?.is_some_and(|single| single.len() as u64 > at.bytes) {
            let file = OpenOptions::new().write(true).open(&single).map_err(refused())?;
            file.set_len(at.bytes).and_then(|()| file.sync_all()).map_err(refused())?;
        }
        Ok(())
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(folder);
        let found = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found.map_err(StoreError::io("read", &path))?,
        };
        let mut names = Vec::new();
        for entry in found {
            let entry = entry.map_err(StoreError::io("read", &path))?;
            // Half-written files are hidden.
            names.extend(entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
        }
        names.sort();
        Ok(names)
    }
}

impl Backend for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn document<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Document>> {
        Box::pin(async move { self.read_document(key) })
    }

    fn swap<'a>(&'a self, key: &'a str, body: Vec<u8>, over: Option<&'a Version>) -> Pending<'a, Swapped> {
        Box::pin(async move { self.swap_document(key, &body, over) })
    }

    fn put<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Pending<'a, ()> {
        Box::pin(async move {
            let path = self.path(key);
            let folder = path.parent().unwrap_or(&self.root);
            make_folder(folder)?;
            create(folder, &path, &body).map(drop).map_err(StoreError::io("write", &path))
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move { read(&self.path(key)) })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let path = self.path(key);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &path)(error)),
                _ => Ok(()),
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        Box::pin(async move { self.names(folder) })
    }

    fn append<'a>(
        &'a self,
        recorded: &'a str,
        at: JournalPlace,
        after: &'a [u8],
        line: Vec<u8>,
    ) -> Pending<'a, Appended> {
        Box::pin(async move { self.append_line(recorded, at, after, &line) })
    }

    fn first_line<'a>(&'a self, recorded: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            if let Some(line) = read(&numbered(&self.journal(recorded), 0))? {
                return Ok(Some(line));
            }
            Ok(read(&self.single(recorded))?.map(|text| first_lines(&text, 1).to_vec()))
        })
    }

    fn lines<'a>(&'a self, recorded: &'a str, from: JournalPlace) -> Pending<'a, Vec<u8>> {
        Box::pin(async move { self.read_lines(recorded, from) })
    }

    fn cut<'a>(&'a self, recorded: &'a str, at: JournalPlace) -> Pending<'a, ()> {
        Box::pin(async move { self.cut_journal(recorded, at) })
    }

    fn is_cut<'a>(&'a self, recorded: &'a str) -> Pending<'a, bool> {
        Box::pin(async move { Ok(self.damaged(recorded).exists()) })
    }

    fn between_looks(&self) -> Duration {
        BETWEEN_LOOKS
    }
}

/// What a body is called: its number, and what it says, since numbers begin anew where somebody removed a document.
fn version(number: u64, body: &[u8]) -> Version {
    Version(format!("{number} {}", hex(&Sha256::digest(body)[..8])))
}

fn number_of(version: &Version) -> Option<u64> {
    version.0.split_once(' ')?.0.parse().ok()
}

fn numbered(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.json"))
}

/// The highest number in a document's folder.
fn latest(folder: &Path) -> Result<Option<u64>, StoreError> {
    let latest = numbers(folder)?.into_iter().max();
    if latest == Some(u64::MAX) {
        let why = format!("no number can follow {}; remove that file, which tidegate did not write", u64::MAX);
        return Err(StoreError::Strange { what: folder.display().to_string(), why });
    }
    Ok(latest)
}

/// The numbers in a folder, in no order.
fn numbers(folder: &Path) -> Result<Vec<u64>, StoreError> {
    let found = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.map_err(StoreError::io("read", folder))?,
    };
    let mut numbers = Vec::new();
    for entry in found {
        let name = entry.map_err(StoreError::io("read", folder))?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok()));
    }
    Ok(numbers)
}

/// So many lines of a text, or all of it.
fn first_lines(text: &[u8], count: u64) -> &[u8] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let bytes = text.split_inclusive(|byte| *byte == b'\n').take(count).map(<[u8]>::len).sum();
    &text[..bytes]
}

/// A file's bytes; `None` when there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(StoreError::io("read", path)),
    }
}

/// A line of a journal. It is created whole: one that lost its end is damaged, and not one that was never written.
fn read_line(folder: &Path, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(read(&numbered(folder, number))?.map(|mut line| {
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        line
    }))
}

/// Creates a file whole; false when there is one.
fn create(folder: &Path, path: &Path, body: &[u8]) -> io::Result<bool> {
    let mut file = tempfile::Builder::new().prefix(".").rand_bytes(12).tempfile_in(folder)?;
    file.write_all(body)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        written => written.map_err(|refused| refused.error)?,
    };
    sync(folder)?;
    Ok(true)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder that nobody else can read, with those above it.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("make", path))
}
