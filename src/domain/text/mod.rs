//! How text is made fit for people's screens: foreign characters shown for what they are, lines wrapped,
//! counts and columns said as people say them.

mod markup;

use std::fmt::Write as _;

pub use markup::{html, markdown, markdown_code, prometheus_label};

/// Shows what could deceive or steer a terminal, or the log of a pipeline: control characters, characters that
/// turn the direction of writing, characters without width, and the beginnings of GitHub's workflow commands come
/// out as `<U+001B>`. All else stays as it is. Whatever did not come from this program (names, reasons, the
/// world's own words) goes through here before it is shown; for other readers there are [`html`], [`markdown`],
/// [`escape_json`] and [`prometheus_label`].
pub fn escape(foreign: &str) -> String {
    let mut shown = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        if is_hidden(c) {
            let _ = write!(shown, "<U+{:04X}>", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    markup::without_commands(&shown)
}

/// Whether `c` steers a terminal or is not seen on it.
pub fn is_hidden(c: char) -> bool {
    let code = u32::from(c);
    c.is_control()
        || matches!(code, 0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x3164 | 0xFEFF | 0xFFA0)
        || matches!(code, 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F)
        || matches!(code, 0xFE00..=0xFE0F | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// JSON text that means exactly the same and holds no hidden character: inside its strings they become `\u`
/// escapes, between its values spaces. Nor does it hold what a pipeline's runner takes for a command wherever in a line
/// it stands: `##[`, `##vso[`, `##teamcity[`.
pub fn escape_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if is_hidden(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            '[' if markup::begins_command(&shown) => shown.push_str("\\u005b"),
            c => shown.push(c),
        }
    }
    shown
}

/// Bytes in lower-case hexadecimal, two digits each.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    let nibbles = bytes.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

/// How many columns `text` takes. East Asian wide characters and emoji take two; a combining mark is
/// counted as one, so the answer is never too small for text that [`escape`] has seen.
pub fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    let wide = matches!(u32::from(c), 0x1100..=0x115E | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xA960..=0xA97C
        | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF01..=0xFF60 | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD);
    if wide { 2 } else { 1 }
}

/// Breaks `text` into lines of at most `width` columns, at spaces where there are any. There is always a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let long = columns(word);
        if used > 0 && used + 1 + long > width {
            lines.push(String::new());
            used = 0;
        }
        if used > 0 {
            push(&mut lines, ' ');
            used += 1;
        }
        for c in word.chars() {
            let step = char_columns(c);
            if used > 0 && used + step > width {
                let carried = carried(&mut lines, c);
                used = columns(&carried);
                lines.push(carried);
            }
            push(&mut lines, c);
            used += step;
        }
    }
    lines
}

/// What goes to the next line with `c`, so that no line begins with the colons of a pipeline's command.
fn carried(lines: &mut [String], c: char) -> String {
    let Some(last) = lines.last_mut().filter(|_| c == ':') else { return String::new() };
    let kept = last.trim_end_matches(':');
    let at = kept.char_indices().next_back().map_or(0, |(at, _)| at);
    if at == 0 { String::new() } else { last.split_off(at) }
}

fn push(lines: &mut [String], c: char) {
    if let Some(last) = lines.last_mut() {
        last.push(c);
    }
}

/// The least width that text after a prefix is given, however narrow the terminal.
const NARROWEST: usize = 8;

/// Puts `text` after `prefix`, which takes `indent` columns (it may hold colours), and wraps it so that the
/// later lines begin below the first one's text. Ends with a line break.
pub fn hang(prefix: &str, indent: usize, text: &str, width: usize) -> String {
    let mut out = String::new();
    for (n, line) in wrap(text, width.saturating_sub(indent).max(NARROWEST)).iter().enumerate() {
        if n == 0 {
            out.push_str(prefix);
        } else {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Cuts `text` to `width` columns and marks the cut.
pub fn fit(text: &str, width: usize, unicode: bool) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mark = if unicode { "…" } else { ".." };
    let mut room = width.saturating_sub(columns(mark));
    let mut cut = String::new();
    for c in text.chars() {
        match room.checked_sub(char_columns(c)) {
            Some(left) => room = left,
            None => break,
        }
        cut.push(c);
    }
    cut.truncate(cut.trim_end().len());
    cut + mark
}

/// Fills `text` up to `width` columns with spaces.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// A count with its thousands apart: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut said = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// A count of things: `1 task`, `4 tasks`.
pub fn many(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_two_digits_each() {
        assert_eq!(hex([0, 10, 0xff, 0x7f]), "000aff7f");
        assert_eq!(hex(""), "");
    }

    #[test]
    fn what_steers_a_terminal_is_shown() {
        let check = |text, shown| assert_eq!(escape(text), shown);
        check("plain - ünïcode 日本", "plain - ünïcode 日本");
        check("\u{1b}[31mred\u{7}", "<U+001B>[31mred<U+0007>");
        check("two\nlines\r\t", "two<U+000A>lines<U+000D><U+0009>");
        check("a\u{202e}b\u{2066}c\u{200f}", "a<U+202E>b<U+2066>c<U+200F>");
        check("ze\u{200b}ro\u{feff}\u{ad}", "ze<U+200B>ro<U+FEFF><U+00AD>");
        check("\u{9b}2J\u{7f}\u{2028}\u{e0041}", "<U+009B>2J<U+007F><U+2028><U+E0041>");
    }

    #[test]
    fn json_keeps_its_meaning_without_hidden_characters() {
        let json = escape_json("[{\"a\":\n \"x\u{202e}y\u{e0041}\"}]");
        assert_eq!(json, "[{\"a\":  \"x\\u202ey\\udb40\\udc41\"}]");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value[0]["a"], "x\u{202e}y\u{e0041}");
        assert_eq!(escape_json(r###"["##[error]x"]"###), r###"["##\u005berror]x"]"###);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = "a sentence with averyveryverylongword日本語日本語 and some more of it";
        for width in [1, 2, 7, 10, 40, usize::MAX] {
            let lines = wrap(text, width);
            assert!(lines.iter().all(|line| columns(line) <= width.max(2)), "{width}: {lines:?}");
        }
        assert_eq!(wrap("", 10), vec![""]);
    }

    #[test]
    fn later_lines_begin_below_the_first() {
        assert_eq!(hang("ab ", 3, "one two three", 12), "ab one two\n   three\n");
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(fit("candidate-errors", 10, true), "candidate…");
        assert_eq!(fit("日本語日本語", 6, false), "日本..");
        assert_eq!(fit("short", 10, true), "short");
    }

    #[test]
    fn counts_are_said_as_people_say_them() {
        assert_eq!((count(7), count(1_204), count(12_345_678)), ("7".into(), "1,204".into(), "12,345,678".into()));
        assert_eq!((many(1, "task"), many(0, "task")), ("1 task".to_owned(), "0 tasks".to_owned()));
    }
}
