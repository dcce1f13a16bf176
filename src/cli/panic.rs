//! A panic is a fault of tidegate: the process ends with tidegate's own exit code, and says how to take the traffic back.

use std::panic::{PanicHookInfo, set_hook};
use std::process::exit;
use std::sync::{Mutex, PoisonError};

use super::{Exit, terminal};
use crate::domain::name::RolloutId;
use crate::domain::text::escape;

/// The rollout that this process drives, if it drives one.
static DRIVEN: Mutex<Option<RolloutId>> = Mutex::new(None);

/// From now on a panic, in whichever task or library, ends the process as an unexpected failure.
pub(super) fn install() {
    set_hook(Box::new(|panic| {
        let driven = DRIVEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
        terminal::say(&message(panic, driven.as_ref()));
        exit(Exit::Unexpected as i32);
    }));
}

/// Remembers whose traffic is in the hands of this process.
pub(super) fn drives(id: &RolloutId) {
    *DRIVEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.clone());
}

fn message(panic: &PanicHookInfo<'_>, driven: Option<&RolloutId>) -> String {
    let why = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or("an unknown place".to_owned(), ToString::to_string);
    let fault = format!("tidegate has a fault of its own and ends: {} (at {})", escape(why), escape(&place));
    match driven {
        Some(id) => format!("{fault}\nrollout {id} is not over; to take its traffic back: tidegate rollback {id}"),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the test below runs in a process of its own.
    #[test]
    #[ignore = "it ends the process in which it runs"]
    fn panics_while_it_drives() {
        install();
        drives(&RolloutId::parse("web-20261123-140509-beef").unwrap());
        let _ = std::thread::spawn(|| panic!("no such\u{1b}[31m thing")).join();
    }

    #[test]
    fn a_panic_in_any_thread_ends_with_our_exit_code_and_the_way_back() {
        let name = "cli::panic::tests::panics_while_it_drives";
        let program = std::env::current_exe().unwrap();
        let ended = Command::new(program).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("to take its traffic back: tidegate rollback web-20261123-140509-beef"), "{said}");
        assert!(said.contains("no such<U+001B>[31m thing"), "{said}");
    }
}
