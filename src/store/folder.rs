//! A store in a local folder, which every process of one person shares.
//!
//! ```text
//! control/<hash>/00000042.json   a document: its highest number is what it says
//! rollouts/<id>/tape.jsonl       a tape, a line an event
//! rollouts/<id>/words/           what other processes left for the runner
//! ```
//! A document is swapped by creating the next number, which one process alone can do. There is no lock in
//! that, so a process that is frozen in the middle keeps nobody out.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreError;
use super::home::{Appended, Document, Home, Pending, Place, Swapped, Version};
use crate::clock::Clock;

/// How many bodies of a document are kept, so that one who read an old one cannot write the next again.
const KEPT: u64 = 16;
/// How often a document is read again that was replaced meanwhile.
const READS: u32 = 10;
/// How long another process's line is waited for, in tries and between two of them.
const TRIES: u32 = 200;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
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

    fn tape(&self, tape: &str) -> PathBuf {
        self.root.join(tape).join("tape.jsonl")
    }

    fn read_document(&self, key: &str) -> Result<Option<Document>, StoreError> {
        let folder = self.path(key);
        for _ in 0..READS {
            let Some(number) = latest(&folder)? else { return Ok(None) };
            let path = numbered(&folder, number);
            match fs::read(&path) {
                Ok(body) => return Ok(Some(Document { body, version: Version(number.to_string()) })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("read", &path)(error)),
            }
        }
        let source = io::Error::other("it changes faster than it can be read");
        Err(StoreError::Io { doing: "read", path: folder, source })
    }

    fn swap_document(&self, key: &str, body: &[u8], over: Option<&Version>) -> Result<Swapped, StoreError> {
        let folder = self.path(key);
        make_folder(&folder)?;
        let number = over.and_then(|version| version.0.parse().ok()).unwrap_or(0) + 1;
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
        Ok(Swapped::Done(Version(number.to_string())))
    }

    async fn append_line(&self, tape: &str, at: Place, line: &[u8]) -> Result<Appended, StoreError> {
        let path = self.tape(tape);
        let refused = || StoreError::io("write", &path);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(at.lines == 0).truncate(false).mode(0o600);
        let mut file = file.open(&path).map_err(refused())?;
        lock(&file, &path).await?;
        let mut rest = Vec::new();
        file.seek(SeekFrom::Start(at.bytes)).and_then(|_| file.read_to_end(&mut rest)).map_err(refused())?;
        if rest.contains(&b'\n') {
            return Ok(Appended::Taken);
        }
        // What is left there is half a line of a writer that died: nothing was done because of it.
        let length = file.metadata().map_err(refused())?.len();
        if length < at.bytes {
            return Err(refused()(io::Error::other("it is shorter than what was read of it")));
        }
        let written = file
            .set_len(at.bytes)
            .and_then(|()| file.seek(SeekFrom::Start(at.bytes)))
            .and_then(|_| file.write_all(line))
            .and_then(|()| file.sync_data());
        if let Err(source) = written {
            let _ = file.set_len(at.bytes);
            return Err(refused()(source));
        }
        if at.lines == 0 {
            let parents = [path.parent(), path.parent().and_then(Path::parent)];
            parents.into_iter().flatten().try_for_each(sync).map_err(refused())?;
        }
        Ok(Appended::Done)
    }

    fn read_lines(&self, tape: &str, from: Place) -> Result<Vec<u8>, StoreError> {
        let path = self.tape(tape);
        let mut text = Vec::new();
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(text),
            file => file.map_err(StoreError::io("read", &path))?,
        };
        let read = file.seek(SeekFrom::Start(from.bytes)).and_then(|_| file.read_to_end(&mut text));
        read.map_err(StoreError::io("read", &path))?;
        Ok(text)
    }

    async fn cut_tape(&self, tape: &str, at: Place) -> Result<(), StoreError> {
        let path = self.tape(tape);
        let refused = || StoreError::io("salvage", &path);
        let file = OpenOptions::new().write(true).open(&path).map_err(refused())?;
        lock(&file, &path).await?;
        let bytes = fs::read(&path).map_err(refused())?;
        let folder = path.parent().unwrap_or(&self.root);
        let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(refused())?;
        copy.write_all(&bytes).and_then(|()| copy.as_file().sync_all()).map_err(refused())?;
        copy.persist(damaged(&path)).map_err(|error| refused()(error.error))?;
        file.set_len(at.bytes).and_then(|()| file.sync_all()).map_err(refused())
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

impl Home for Folder {
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
        Box::pin(async move {
            let path = self.path(key);
            match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                read => read.map(Some).map_err(StoreError::io("read", &path)),
            }
        })
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

    fn append<'a>(&'a self, tape: &'a str, at: Place, line: Vec<u8>) -> Pending<'a, Appended> {
        Box::pin(async move { self.append_line(tape, at, &line).await })
    }

    fn first_line<'a>(&'a self, tape: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let path = self.tape(tape);
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file.map_err(StoreError::io("read", &path))?,
            };
            let mut line = Vec::new();
            io::BufReader::new(file).read_until(b'\n', &mut line).map_err(StoreError::io("read", &path))?;
            Ok(Some(line))
        })
    }

    fn lines<'a>(&'a self, tape: &'a str, from: Place) -> Pending<'a, Vec<u8>> {
        Box::pin(async move { self.read_lines(tape, from) })
    }

    fn cut<'a>(&'a self, tape: &'a str, at: Place) -> Pending<'a, ()> {
        Box::pin(self.cut_tape(tape, at))
    }

    fn is_cut<'a>(&'a self, tape: &'a str) -> Pending<'a, bool> {
        Box::pin(async move { Ok(damaged(&self.tape(tape)).exists()) })
    }

    fn between_looks(&self) -> Duration {
        BETWEEN_LOOKS
    }
}

/// Where a damaged tape is kept as it was.
fn damaged(tape: &Path) -> PathBuf {
    tape.with_extension("damaged.jsonl")
}

fn numbered(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.json"))
}

/// The highest number in a document's folder.
fn latest(folder: &Path) -> Result<Option<u64>, StoreError> {
    let found = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(StoreError::io("read", folder))?,
    };
    let mut latest = None;
    for entry in found {
        let name = entry.map_err(StoreError::io("read", folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
        latest = latest.max(number);
    }
    Ok(latest)
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

/// Waits until no other process writes the tape; a lock goes with the file, whatever happens.
async fn lock(file: &File, path: &Path) -> Result<(), StoreError> {
    let clock = Clock::wall();
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => clock.sleep_until(clock.now() + BETWEEN_TRIES).await,
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", path)(source)),
        }
    }
    Err(StoreError::io("lock", path)(io::Error::other("another process does not let go of it")))
}

/// Makes a folder that nobody else can read, with those above it.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("make", path))
}
