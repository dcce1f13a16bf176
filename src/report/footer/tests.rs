//! The footer at several widths, and where it is not drawn.

use std::io;
use std::sync::{Arc, Mutex};

use indicatif::TermLike;

use super::super::sample::{ASCII, FINE, FOUL, NARROW, Page, all, at, paused_by, plan, progress, progress_back, story};
use super::*;
use crate::gate::Evidence;
use crate::machine::{Doing, Phase};

fn check(style: Style, progress: &Progress, expected: &[&str]) {
    let lines = lines(at(94), progress, &plan(), style);
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    assert!(lines.iter().all(|line| columns(line) < style.width));
}

#[test]
fn a_hold_fits_80_columns() {
    check(
        FINE,
        &progress(),
        &[
            "● step 5 of 9: hold 5m · holding, 4m left",
            "  candidate 25%, read back · healthy: stable 4/4, candidate 4/4",
            "  ● candidate-errors no datapoints yet · ✔ web-5xx OK since 13:02:11 · ✔ tasks",
        ],
    );
}

#[test]
fn a_gate_that_only_watches_is_marked() {
    let mut plan = plan();
    plan.gates[2].watch = true;
    let mut progress = progress();
    progress.verdicts[2].as_mut().unwrap().outcome = GateOutcome::Fail;
    let lines = lines(at(94), &progress, &plan, FINE);
    let expected = "  ● candidate-errors no datapoints yet · ! web-5xx (watches) · ✔ tasks";
    assert_eq!(lines[2], expected);
}

#[test]
fn a_hold_fits_40_columns() {
    check(
        NARROW,
        &progress(),
        &[
            "*  step 5 of 9: ho.. | holding, 4m left",
            "  candidate 25%, read back",
            "  healthy: stable 4/4, candidate 4/4",
            "  * candidate-errors | ok web-5xx +1",
        ],
    );
}

#[test]
fn going_back_shows_what_is_wanted_and_what_is_configured() {
    let progress = Progress { configured: None, doing: Doing::Back(Phase::Verifying), ..progress_back() };
    check(
        ASCII,
        &progress,
        &[
            "<- gate candidate-errors failed (19.8 against at m.. | going back: reading back",
            "  candidate 0% wanted | healthy: stable 4/4, candidate 4/4",
            "  * candidate-errors no datapoints yet | ok web-5xx | ok tasks",
        ],
    );
}

#[test]
fn foul_text_is_shown() {
    let mut progress = Progress { paused: Some(paused_by(FOUL)), ..progress() };
    progress.verdicts[1].as_mut().unwrap().evidence = Evidence::Said(FOUL.to_owned());
    let text = lines(at(94), &progress, &plan(), Style { width: 200, ..FINE }).concat();
    assert!(!text.contains(crate::domain::text::is_hidden), "{text:?}");
}

#[test]
fn without_a_terminal_every_line_is_still_written() {
    let page = Page::default();
    let mut live = Live::new(Box::new(page.clone()), ProgressDrawTarget::hidden(), ASCII);
    for (at, notice) in story() {
        live.write(at, &notice, &plan());
        live.show(at, &progress(), &plan());
    }
    assert!(page.text().lines().count() >= story().len(), "{}", page.text());
}

/// A terminal that keeps what it is told.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<Vec<String>>>);

impl Screen {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        80
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.note(line);
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.note(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.note("<clear>");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_footer_is_drawn_and_cleared_at_the_end() {
    let (page, screen) = (Page::default(), Screen::default());
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), REDRAWS_PER_SECOND);
    let mut live = Live::new(Box::new(page.clone()), target, FINE);
    live.show(at(0), &progress(), &plan());
    assert!(screen.0.lock().unwrap().concat().contains("step 5 of 9"));
    let told = all().pop().unwrap();
    live.write(at(0), &told, &plan());
    let drawn = screen.0.lock().unwrap().clone();
    assert!(drawn.iter().rev().take(8).any(|part| part == "<clear>"), "{drawn:?}");
    live.show(at(0), &progress_back(), &plan());
    assert_eq!(screen.0.lock().unwrap().len(), drawn.len());
}
