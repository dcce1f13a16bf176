//! What a screen is given: no colours without a terminal, none with NO_COLOR, and lines that fit.

use std::process::Command;

use super::support::{Ended, Sandbox, end, example};

/// Runs a command in a terminal of its own, so many columns wide; both streams come out as one. The terminal is from
/// `script`, which takes these arguments where util-linux brings it.
fn in_terminal(sandbox: &Sandbox, columns: usize, environment: &[(&str, &str)], words: &[&str]) -> Ended {
    let quote = |word: &&str| format!("'{word}'");
    let line: Vec<String> = [env!("CARGO_BIN_EXE_tidegate")].iter().chain(words).map(quote).collect();
    let plain = sandbox.command(&[]);
    let mut command = Command::new("script");
    command.args(["-qec", &line.join(" "), "/dev/null"]).current_dir(sandbox.path()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/bin:/bin").env("COLUMNS", columns.to_string()).env("TERM", "xterm");
    command.envs(environment.iter().copied()).stdin(std::process::Stdio::null());
    let mut said = end(command);
    said.out = said.out.replace('\r', "");
    said
}

#[test]
fn without_a_terminal_there_are_no_escape_codes() {
    let sandbox = Sandbox::new();
    let bad = sandbox.changed("canary.yaml", &[("shift: 5%", "shift: 101")]);
    sandbox.rollout("web-20261123-140509-beef", 23);
    for words in [&["validate", &bad][..], &["status"], &["history", "web"], &["--help"], &["nope"], &["status", "x"]] {
        let mut command = sandbox.command(words);
        command.env("TERM", "xterm-256color").env("COLUMNS", "40");
        end(command).harmless();
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "it needs `script` of util-linux")]
fn pages_fit_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.rollout("web-20261123-140509-beef", 23);
    let spec = example("storefront.yaml");
    for columns in [80, 40] {
        for words in [&["plan", &spec, "--lab"][..], &["history", "web"], &["history"], &["status"]] {
            let said = in_terminal(&sandbox, columns, &[("NO_COLOR", "1")], words).is(0).harmless();
            // A command is never broken: half of one could not be pasted.
            let wide = |line: &&str| line.chars().count() > columns && !line.contains("tidegate ");
            assert_eq!(said.out.lines().find(wide), None, "{columns}\n{}", said.out);
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "it needs `script` of util-linux")]
fn colours_are_for_terminals_that_want_them() {
    let sandbox = Sandbox::new();
    sandbox.rollout("web-20261123-140509-beef", 23);
    let coloured = |environment: &[(&str, &str)]| {
        in_terminal(&sandbox, 80, environment, &["history", "web"]).is(0).out.contains('\u{1b}')
    };
    assert!(coloured(&[]));
    assert!(coloured(&[("NO_COLOR", "")]), "an empty NO_COLOR is none");
    assert!(!coloured(&[("NO_COLOR", "1")]));
    assert!(!coloured(&[("TERM", "dumb")]));
    let ascii = in_terminal(&sandbox, 80, &[("LANG", "C"), ("NO_COLOR", "1")], &["history", "web"]).is(0);
    assert!(ascii.out.is_ascii(), "{}", ascii.out);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "it needs `script` of util-linux")]
fn a_screen_tells_times_in_the_readers_zone_and_everything_else_in_utc() {
    let sandbox = Sandbox::new();
    sandbox.rollout("web-20261123-140509-beef", 23);
    let new_york = [("TZ", "America/New_York"), ("NO_COLOR", "1")];
    for words in [&["history"][..], &["history", "web"], &["status"], &["why"]] {
        let said = in_terminal(&sandbox, 100, &new_york, words).is(0);
        assert!(said.out.contains(" EST") && !said.out.contains("05:09Z"), "{}", said.out);
        let utc = in_terminal(&sandbox, 100, &new_york, &[&["--utc"], words].concat()).is(0);
        assert!(utc.out.contains("UTC") && !utc.out.contains(" EST"), "{}", utc.out);
        let mut piped = sandbox.command(words);
        piped.env("TZ", "America/New_York");
        assert!(!end(piped).is(0).out.contains("EST"));
    }
    let json = in_terminal(&sandbox, 100, &new_york, &["status", "--json"]).is(0);
    assert!(!json.out.contains("EST"), "{}", json.out);
    let page = in_terminal(&sandbox, 100, &new_york, &["report"]).is(0);
    assert!(!page.out.contains("EST"), "{}", page.out);
}
