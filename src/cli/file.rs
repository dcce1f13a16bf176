//! Reads files that a person names, each up to a size limit and within a time limit.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The most that is read of a pipe or a device, in bytes.
const PIPE_LIMIT: u64 = 1024 * 1024;
/// How long a pipe or a device may take, in wall time.
const PIPE_WITHIN: Duration = Duration::from_secs(10);

/// What came through pipes, which say it only once.
static PIPED: Mutex<BTreeMap<PathBuf, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// In words.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if about.is_dir() {
        return Err("it is a folder; name the file in it".to_owned());
    }
    if about.is_file() {
        return bounded(path, most);
    }
    let mut piped = PIPED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = piped.get(path) {
        return Ok(bytes.clone());
    }
    let bytes = waited_for(path, most.min(PIPE_LIMIT), PIPE_WITHIN)?;
    piped.insert(path.to_owned(), bytes.clone());
    Ok(bytes)
}

fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {} KiB", most / 1024));
    }
    Ok(bytes)
}

/// Opening a pipe waits too. The thread that does it goes with the process.
fn waited_for(path: &Path, most: u64, within: Duration) -> Result<Vec<u8>, String> {
    let (tell, told) = sync_channel(1);
    let file = path.to_owned();
    thread::spawn(move || tell.send(bounded(&file, most)));
    let late = |_| format!("it is no file, and did not end within {} s; write it to a file first", within.as_secs());
    told.recv_timeout(within).map_err(late)?
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pipe_that_says_nothing_and_a_device_without_an_end_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let silent = waited_for(&pipe, PIPE_LIMIT, Duration::from_millis(50)).unwrap_err();
        assert!(silent.contains("did not end within"), "{silent}");
        let endless = read(Path::new("/dev/zero"), u64::MAX).unwrap_err();
        assert_eq!(endless, "it has more than 1024 KiB");
        assert_eq!(read(Path::new("/dev/null"), 10), Ok(Vec::new()));
    }

    #[test]
    fn what_came_through_a_pipe_can_be_read_twice() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let there = pipe.clone();
        let writer = thread::spawn(move || std::fs::write(there, "version: 1\n").unwrap());
        assert_eq!(read(&pipe, 100), Ok(b"version: 1\n".to_vec()));
        writer.join().unwrap();
        assert_eq!(read(&pipe, 100), Ok(b"version: 1\n".to_vec()));
    }

    #[test]
    fn a_file_has_a_limit_and_a_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'x'; 2048]).unwrap();
        assert_eq!(read(&path, 2048).map(|bytes| bytes.len()), Ok(2048));
        assert_eq!(read(&path, 1024), Err("it has more than 1 KiB".to_owned()));
        assert!(read(folder.path(), 1024).unwrap_err().contains("folder"));
        assert!(read(&folder.path().join("none"), 1024).is_err());
    }
}
