//! GitHub's workflow commands: lines by which a step speaks to its runner, and how foreign text is kept from it.
//!
//! The runner takes for a command a line that begins with `::`, behind any blanks, and one that holds `##[` anywhere
//! (`ActionCommand.cs` of actions/runner). Commands of ours are escaped as it takes them apart; any other line that
//! could pass for one stands between `stop-commands` and a word that nobody could know before.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};

use crate::domain::text::{escape, fit};

/// The longest message that an annotation holds, in characters; GitHub refuses longer ones.
const MESSAGE_LIMIT: usize = 4000;
/// The longest title.
const TITLE_LIMIT: usize = 200;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Notice,
    /// Better known.
    Warning,
    /// It failed.
    Error,
}

/// A stretch of a line in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnotationPlace<'a> {
    /// The file's path from the top of the repository.
    pub file: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// The first column, from 1.
    pub column: usize,
    /// How many columns.
    pub length: usize,
}

/// An annotation: shown on top of the run, and beside the line where there is one.
pub fn annotation(level: Level, title: &str, place: Option<AnnotationPlace<'_>>, message: &str) -> String {
    let word = match level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let mut properties = vec![format!("title={}", property(&shown(title, TITLE_LIMIT)))];
    if let Some(AnnotationPlace { file, line, column, length }) = place {
        properties.push(format!("file={}", property(&escape(file))));
        properties.push(format!("line={line},endLine={line},col={column},endColumn={}", column + length.max(1)));
    }
    format!("::{word} {}::{}\n", properties.join(","), data(&shown(message, MESSAGE_LIMIT)))
}

/// The beginning of a group of lines.
pub fn group(title: &str) -> String {
    format!("::group::{}\n", data(title))
}

fn shown(text: &str, limit: usize) -> String {
    fit(&escape(text), limit, true)
}

/// Text as a command's data.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text as the value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The same lines, none of which the runner takes for a command.
pub fn harmless(lines: &str) -> String {
    let mut text = String::with_capacity(lines.len());
    // A line of ours ends with a line feed; the runner ends one at a carriage return, too.
    for line in lines.split_inclusive('\n') {
        if !line.split('\r').any(is_command) {
            text.push_str(line);
            continue;
        }
        let word = unheard();
        let end = if line.ends_with('\n') { "" } else { "\n" };
        let _ = write!(text, "::stop-commands::{word}\n{line}{end}::{word}::\n");
    }
    text
}

fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("::") || line.contains("##[")
}

/// A word that whoever wrote a line could not know: drawn from keys that the system gave this process.
fn unheard() -> String {
    let draw = |salt: u8| RandomState::new().hash_one(salt);
    format!("tidegate-{:016x}{:016x}", draw(0), draw(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the runner would do with a line, by its own rules.
    fn obeyed(text: &str) -> Vec<String> {
        let mut stopped: Option<String> = None;
        let mut obeyed = Vec::new();
        for line in text.split(['\n', '\r']) {
            let spoken = line.trim_start();
            let command = spoken.strip_prefix("::").and_then(|rest| rest.split_once("::"));
            let old = line.split_once("##[").and_then(|(_, rest)| rest.split_once(']'));
            let Some((name, data)) = command.or(old) else { continue };
            match &stopped {
                Some(word) if word == name => stopped = None,
                Some(_) => {}
                None if name == "stop-commands" => stopped = Some(data.to_owned()),
                None => obeyed.push(name.to_owned()),
            }
        }
        assert_eq!(stopped, None, "{text}");
        obeyed
    }

    #[test]
    fn no_foreign_line_is_obeyed() {
        let foul = [
            "::set-output name=outcome::promoted",
            "  \t::add-mask::a",
            "12:00:00 reason ##[set-output name=a]b",
            "one\r::error::two",
            "::stop-commands::me\n::me::\n::error::x",
            "plain\n##[group]x\nplain\n",
        ];
        for text in foul {
            assert_ne!(obeyed(text), Vec::<String>::new(), "{text} is no attack");
            let shown = harmless(text);
            assert_eq!(obeyed(&shown), Vec::<String>::new(), "{shown}");
            assert!(text.lines().all(|line| shown.contains(line)), "{shown}");
        }
        assert_eq!(harmless("12:00:00 fine: a::b\n"), "12:00:00 fine: a::b\n");
    }

    #[test]
    fn no_two_words_are_the_same() {
        assert_ne!(unheard(), unheard());
    }

    #[test]
    fn a_message_cannot_leave_its_command() {
        let foul = "50% of\r\n::error::x, y: z";
        let place = AnnotationPlace { file: "a,b:c.yaml", line: 3, column: 7, length: 2 };
        let text = annotation(Level::Error, foul, Some(place), foul);
        assert_eq!(text.lines().count(), 1);
        assert_eq!(
            text,
            "::error title=50%25 of<U+000D><U+000A>%3A%3Aerror%3A%3Ax%2C y%3A z,file=a%2Cb%3Ac.yaml,\
             line=3,endLine=3,col=7,endColumn=9::50%25 of<U+000D><U+000A>::error::x, y: z\n"
        );
        assert_eq!(obeyed(&annotation(Level::Warning, "a", None, &"x".repeat(9_999))), ["warning title=a"]);
        assert!(annotation(Level::Notice, "a", None, &"x".repeat(9_999)).len() < 4_096);
    }
}
