//! Follows a lab's clock, in this process or in another, and says so when the machine is too slow for it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Exit, Failure};
use crate::domain::clock::{Clock, LabTime, Timestamp};
use tidegate_lab::{LINE_BYTES, LabClock};

/// The variable that leads a runner to the clock of a lab beside it.
pub(super) const VARIABLE: &str = "TIDEGATE_CLOCK";

#[derive(Debug)]
struct Followed(LabClock);

impl LabTime for Followed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now_ms())
    }

    fn speed(&self) -> f64 {
        self.0.speed()
    }
}

/// The time of a lab.
pub(super) fn of(clock: LabClock) -> Clock {
    Clock::of_lab(Arc::new(Followed(clock)))
}

/// The file by which runners beside a lab follow its clock. It goes with the lab, which holds a lock on it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
}

impl Kept {
    /// A clock, and the file in which it is kept.
    pub(super) fn start(speed: f64) -> Result<(LabClock, Kept), Failure> {
        let path =
            std::env::temp_dir().join(format!("tidegate-lab-{}-{:08x}.clock", std::process::id(), fastrand::u32(..)));
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let made = made.and_then(|file| file.write_all_at(b"\n", 0).and_then(|()| file.lock()).map(|()| file));
        let file = made.map_err(|error| {
            let wrong = format!("the lab cannot keep its clock in {}: {error}", path.display());
            Failure::new(Exit::Unexpected, wrong).hint("name another folder for such files: `TMPDIR`")
        })?;
        // What cannot be written later is said by nobody: the clocks that follow go on at no more than real time.
        let keep = move |line: &[u8]| drop(file.write_all_at(line, 0));
        Ok((LabClock::kept(speed, keep), Kept { path }))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The clock of the lab beside this process, by the file that the variable names.
pub(super) fn beside(path: &str) -> Result<Clock, Failure> {
    let line = |file: &File| {
        let mut line = [0; LINE_BYTES];
        file.read_exact_at(&mut line, 0).ok().map(|()| line)
    };
    let file = File::open(path).ok().and_then(|file| Some((file.try_clone().ok()?, file)));
    // The lab holds a lock on it for as long as it lives, also while it is frozen.
    let is_gone = |file: &File| file.try_lock_shared().is_ok();
    let clock = file.and_then(|(one, two)| LabClock::following(move || line(&one), move || is_gone(&two)));
    clock.map(of).ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, format!("{VARIABLE} `{path}` is the clock of no lab"));
        failure.hint("a lab prints it when it starts and takes it along when it ends; without a lab, unset it")
    })
}

/// Whether calls go to this machine, where alone a lab can be.
pub(super) fn is_here(endpoint: Option<&str>, variables: &BTreeMap<String, String>) -> bool {
    let endpoint = endpoint.or_else(|| variables.get("AWS_ENDPOINT_URL").map(String::as_str));
    let host = endpoint.and_then(|url| url.strip_prefix("http://")).and_then(|rest| rest.split('/').next());
    let host = host.map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']));
    host.is_some_and(|host| host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback()))
}

/// Says that the machine does not keep the speed which was asked for.
pub(super) async fn told(slowed: impl Future<Output = Option<f64>>, say: impl Fn(&str)) {
    if let Some(speed) = slowed.await {
        say(&format!("this machine keeps {speed:.0}×: the lab's clock was slowed, and follows what the machine keeps"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_on_this_machine_or_nowhere() {
        let none = BTreeMap::new();
        for here in ["http://127.0.0.1:4566", "http://localhost:80/", "http://[::1]:4566", "http://127.9.9.9"] {
            assert!(is_here(Some(here), &none), "{here}");
        }
        for elsewhere in ["https://ecs.eu-west-1.amazonaws.com", "http://10.0.0.1:4566", "http://127.0.0.1.example", ""]
        {
            assert!(!is_here(Some(elsewhere), &none), "{elsewhere}");
        }
        let set = BTreeMap::from([("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:4566".to_owned())]);
        assert!(is_here(None, &set) && !is_here(None, &none) && !is_here(Some("http://10.0.0.1"), &set));
    }
}
