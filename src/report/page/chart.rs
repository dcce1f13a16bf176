//! One figure over time as SVG that needs nothing beside it: told apart by shape and dash as well as by colour, with
//! its content in words for those who do not see it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::text::html;

/// The picture's own units; the page's style says how large letters are on which screen.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// Room for the figures at the side and the times below.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 30.0;
const FOOT: f64 = 40.0;
/// The most points of one line; of more, those that stand out are kept.
const POINTS: usize = 300;
/// The most moments that get a letter.
const LETTERS: usize = 12;
/// How far apart two letters are at least.
const LETTER: f64 = 20.0;
/// The most rows of a chart's table.
pub(super) const ROWS: usize = 240;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Dashed steps.
    Wanted,
    /// Steps.
    Steps,
    /// Dots alone.
    Dots,
    /// A line with squares.
    Stable,
    /// A line with round dots.
    Candidate,
}

/// One line.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) look: Look,
    pub(super) points: Vec<(Timestamp, f64)>,
    /// Points further apart are not joined: nothing is known of what is between.
    pub(super) apart: Option<Duration>,
}

/// Something that happened, marked with a letter.
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) what: &'static str,
}

/// A figure over time. Its title and words may be foreign.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) unit: &'static str,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) lines: Vec<Line>,
    /// What the value is held against.
    pub(super) bound: Option<(f64, String)>,
    pub(super) moments: Vec<Moment>,
}

impl Chart {
    /// The picture; `number` tells it from the others on the page.
    pub(super) fn svg(&self, number: usize) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{number} d{number}\">\n\
             <title id=\"t{number}\">{}</title>\n<desc id=\"d{number}\">{}</desc>\n",
            html(&self.title),
            html(&self.words())
        );
        let (bottom, top) = self.range();
        self.grid(&mut svg, bottom, top);
        let mut taken = f64::NEG_INFINITY;
        for (letter, moment) in letters().zip(&self.moments) {
            let x = self.x(moment.at);
            // Letters of what happened almost at once stand beside each other.
            let beside = x.max(taken + LETTER);
            taken = beside;
            let _ = writeln!(
                svg,
                "<path class=\"moment\" d=\"M{x:.1} {TOP}V{:.1}\"/><text class=\"mid\" x=\"{beside:.1}\" y=\"{:.1}\">{letter}</text>",
                HEIGHT - FOOT,
                TOP - 8.0
            );
        }
        if let Some((bound, _)) = &self.bound {
            let y = y(*bound, bottom, top);
            let _ = writeln!(svg, "<path class=\"bound\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
        }
        for line in &self.lines {
            self.line(&mut svg, line, (bottom, top));
        }
        svg + "</svg>\n"
    }

    /// What the figure shows, in words.
    pub(super) fn words(&self) -> String {
        let mut words = self.about.clone();
        for line in &self.lines {
            let seen: Vec<f64> = line.points.iter().map(|(_, value)| *value).collect();
            let Some(last) = seen.last() else {
                let _ = write!(words, " {}: nothing known.", line.name);
                continue;
            };
            let lowest = seen.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = seen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let said = |value| format!("{}{}", figure(value), self.unit);
            let _ = write!(
                words,
                " {}: from {} to {}, at the end {}.",
                line.name,
                said(lowest),
                said(highest),
                said(*last)
            );
        }
        words
    }

    /// The figures as rows: a moment, and each line's value then.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut moments: Vec<Timestamp> =
            self.lines.iter().flat_map(|line| line.points.iter().map(|(at, _)| *at)).collect();
        moments.sort_unstable();
        moments.dedup();
        let row = |at: &Timestamp| {
            let value = |line: &Line| {
                let known = line.points.iter().rfind(|(then, _)| then == at);
                known.map_or(String::new(), |(_, value)| format!("{}{}", figure(*value), self.unit))
            };
            let mut row = vec![at.time_of_day()];
            row.extend(self.lines.iter().map(value));
            row
        };
        moments.iter().map(row).collect()
    }

    /// Least and most of the scale.
    fn range(&self) -> (f64, f64) {
        let values = self.lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
        let values = values.chain(self.bound.iter().map(|(bound, _)| *bound)).filter(|value| value.is_finite());
        let (least, most) = values.fold((0.0_f64, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        let bottom = if least < 0.0 { -round_up(-least) } else { 0.0 };
        (bottom, if most > 0.0 || bottom == 0.0 { round_up(most) } else { 0.0 })
    }

    fn x(&self, at: Timestamp) -> f64 {
        let whole = self.to.since(self.from).as_secs_f64().max(1e-3);
        let part = (at.since(self.from).as_secs_f64() / whole).min(1.0);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn grid(&self, svg: &mut String, bottom: f64, top: f64) {
        for part in [0.0, 0.5, 1.0] {
            let value = bottom + part * (top - bottom);
            let y = y(value, bottom, top);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/><text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 5.0,
                figure(value),
                self.unit
            );
        }
        let whole = self.to.since(self.from);
        for (part, class) in [(0.0, "begin"), (0.5, "mid"), (1.0, "end")] {
            let at = self.from + whole.mul_f64(part);
            let time = at.time_of_day();
            let time = if whole < Duration::from_secs(600) { time.as_str() } else { &time[..5] };
            let _ = writeln!(
                svg,
                "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{time}</text>",
                self.x(at),
                HEIGHT - 14.0
            );
        }
    }

    fn line(&self, svg: &mut String, line: &Line, (bottom, top): (f64, f64)) {
        let known: Vec<(Timestamp, f64)> =
            line.points.iter().copied().filter(|(at, _)| (self.from..=self.to).contains(at)).collect();
        let points: Vec<(Timestamp, f64, f64)> =
            thinned(&known).iter().map(|(at, value)| (*at, self.x(*at), y(*value, bottom, top))).collect();
        let class = match line.look {
            Look::Wanted => "wanted",
            Look::Steps | Look::Candidate => "candidate",
            Look::Stable => "stable",
            Look::Dots => "observed",
        };
        if line.look != Look::Dots && points.len() > 1 {
            let _ = writeln!(svg, "<path class=\"line {class}\" d=\"{}\"/>", path(&points, line));
        }
        for (_, x, y) in &points {
            let _ = match line.look {
                Look::Wanted | Look::Steps => Ok(()),
                Look::Stable => writeln!(
                    svg,
                    "<rect class=\"dot {class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
                    x - 3.5,
                    y - 3.5
                ),
                Look::Candidate | Look::Dots => {
                    writeln!(svg, "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>")
                }
            };
        }
    }
}

/// The letters that moments are marked with.
pub(super) fn letters() -> impl Iterator<Item = char> {
    ('A'..='Z').take(LETTERS)
}

/// A small picture of how a line is drawn, for the legend; it says nothing that the name beside it does not.
pub(super) fn swatch(look: Look) -> String {
    let class = match look {
        Look::Wanted => "wanted",
        Look::Steps | Look::Candidate => "candidate",
        Look::Stable => "stable",
        Look::Dots => "observed",
    };
    let line = if look == Look::Dots { String::new() } else { format!("<path class=\"line {class}\" d=\"M0 6H28\"/>") };
    let dot = match look {
        Look::Wanted | Look::Steps => String::new(),
        Look::Stable => format!("<rect class=\"dot {class}\" x=\"10.5\" y=\"2.5\" width=\"7\" height=\"7\"/>"),
        Look::Candidate | Look::Dots => format!("<circle class=\"dot {class}\" cx=\"14\" cy=\"6\" r=\"4\"/>"),
    };
    format!("<svg class=\"swatch\" viewBox=\"0 0 28 12\" aria-hidden=\"true\">{line}{dot}</svg>")
}

fn y(value: f64, bottom: f64, top: f64) -> f64 {
    let part = (value - bottom) / (top - bottom).max(f64::MIN_POSITIVE);
    HEIGHT - FOOT - part.clamp(0.0, 1.0) * (HEIGHT - FOOT - TOP)
}

fn path(points: &[(Timestamp, f64, f64)], line: &Line) -> String {
    let mut path = String::new();
    let mut before: Option<Timestamp> = None;
    for (at, x, y) in points {
        let joined = before.is_some_and(|before| line.apart.is_none_or(|apart| at.since(before) <= apart));
        let _ = match (joined, line.look) {
            (false, _) => write!(path, "M{x:.1} {y:.1}"),
            (true, Look::Wanted | Look::Steps) => write!(path, "H{x:.1}V{y:.1}"),
            (true, _) => write!(path, "L{x:.1} {y:.1}"),
        };
        before = Some(*at);
    }
    path
}

/// At most [`POINTS`] of the points: of each stretch the highest.
fn thinned(points: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
    let stretch = points.len().div_ceil(POINTS).max(1);
    let highest = |part: &[(Timestamp, f64)]| part.iter().copied().max_by(|(_, a), (_, b)| a.total_cmp(b));
    points.chunks(stretch).filter_map(highest).collect()
}

/// The next of 1, 2, 5, 10 … that is not below `value`; 1 for nothing.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let base = 10.0_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * base).find(|step| *step >= value * 0.999_999).unwrap_or(value)
}

/// A figure with three telling digits and no zeros after them.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        size if size >= 1e7 || (size > 0.0 && size < 1e-3) => return format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
