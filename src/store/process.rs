//! Which process this is, in words by which the same machine knows later that it has ended.

use std::fs;

/// Words that name this process for as long as the machine is up; empty where the system does not tell.
pub(super) fn this() -> String {
    let pid = std::process::id();
    named(pid).unwrap_or_default()
}

/// Whether the process that words name has surely ended. Words of another machine, of another container, or
/// of none prove nothing.
pub(super) fn is_gone(process: &str) -> bool {
    let mut parts = process.split('/');
    let (Some(boot), Some(space), Some(pid)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let here = machine().is_some_and(|here| here == (boot.to_owned(), space.to_owned()));
    let Ok(pid) = pid.parse() else { return false };
    here && named(pid).is_none_or(|now| now != process)
}

/// The machine since it was started, and the space its process numbers are of.
fn machine() -> Option<(String, String)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    let number: String = space.to_str()?.chars().filter(char::is_ascii_digit).collect();
    Some((boot.trim().to_owned(), number))
}

/// `boot/space/pid/start`; `None` when no such process lives.
fn named(pid: u32) -> Option<String> {
    let (boot, space) = machine()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the state follows it, and the start is the 20th after.
    let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ended = matches!(rest.first(), Some(&"Z" | &"X"));
    let since = rest.get(19).filter(|_| !ended)?;
    Some(format!("{boot}/{space}/{pid}/{since}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone_and_one_that_ended_is() {
        let here = this();
        assert!(!is_gone(&here));
        assert!(!is_gone(""));
        assert!(!is_gone("somewhere/1/2/3"));
        if here.is_empty() {
            return;
        }
        let mut parts: Vec<&str> = here.split('/').collect();
        parts[3] = "1";
        assert!(is_gone(&parts.join("/")), "another process has the number now");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let of_child = named(child.id()).unwrap_or_else(|| here.replace(parts[2], "4194303"));
        child.wait().unwrap();
        assert!(is_gone(&of_child));
    }
}
