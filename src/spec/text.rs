//! The spec's bytes as text that can be pointed into; what no spec may hold is refused here, before
//! any parser sees it.

use std::borrow::Cow;

use super::finding::{Finding, Mark};

/// The largest spec, in bytes. A hundred gates, each with a comment, fit; what is larger is another
/// file. Bounds the time a hostile text takes.
const MAX_BYTES: usize = 1 << 17;

/// A spec's text without its byte order mark.
pub(super) struct Text<'a> {
    pub(super) content: &'a str,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
}

impl<'a> Text<'a> {
    /// Reads bytes as UTF-8 text that shows all it holds. What is wrong comes with as much of the
    /// text as can be shown.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Box<(Cow<'a, str>, Finding)>> {
        let start = Mark::default();
        if bytes.len() > MAX_BYTES {
            let wrong = format!("the file has {} bytes; a spec has at most {MAX_BYTES}", bytes.len());
            let finding = Finding::new(start, wrong);
            return Err(Box::new(("".into(), finding.help("is this the file you meant?"))));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let finding = Finding::new(start, "the file is UTF-16; a spec is UTF-8");
            return Err(Box::new(("".into(), finding.help("save it as UTF-8: `iconv -f UTF-16 -t UTF-8`"))));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let content = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let wrong = format!("byte 0x{:02x} is not UTF-8 text", bytes.get(at).copied().unwrap_or_default());
            let replacement = Mark::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
            let finding = Finding::new(replacement, wrong).help("save the file as UTF-8");
            Box::new((String::from_utf8_lossy(bytes), finding))
        })?;
        match content.char_indices().find(|(at, c)| is_hidden(content, *at, *c)) {
            Some((at, c)) => {
                let wrong = format!("the character {} does not belong in a spec", c.escape_unicode());
                let finding = Finding::new(Mark::new(at, at + c.len_utf8()), wrong);
                let help = "remove it: it does not show, or changes the order in which text shows";
                Err(Box::new((content.into(), finding.help(help))))
            }
            None => Ok(Self::of(content)),
        }
    }

    /// Any text at all, for pointing into.
    pub(super) fn of(content: &'a str) -> Self {
        let starts = content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { content, lines: std::iter::once(0).chain(starts).collect() }
    }

    /// The number of the line that holds byte `at`, from 0.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The byte at which line `line`, counted from 0, starts.
    pub(super) fn start_of(&self, line: usize) -> usize {
        self.lines.get(line).copied().unwrap_or(self.content.len())
    }

    /// The line with this number, counted from 0, without its end.
    pub(super) fn line(&self, line: usize) -> &'a str {
        self.content[self.start_of(line)..self.start_of(line + 1)].trim_end_matches(['\n', '\r'])
    }

    /// What `mark` marks.
    pub(super) fn slice(&self, mark: Mark) -> &'a str {
        self.content.get(mark.start..mark.end).unwrap_or_default()
    }
}

/// Whether `c` at byte `at` is a control character other than tab and line end, or turns the
/// direction of text: a spec must mean what it shows.
fn is_hidden(content: &str, at: usize, c: char) -> bool {
    match c {
        '\t' | '\n' | ' '..='~' => false,
        '\r' => content.as_bytes().get(at + 1) != Some(&b'\n'),
        '\u{2028}' | '\u{2029}' | '\u{feff}' => true,
        _ => c.is_control() || turns_text(c),
    }
}

/// Whether `c` changes the direction in which the text after it shows.
pub(super) fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether `c` takes no room where it is shown.
pub(super) fn takes_no_room(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}
