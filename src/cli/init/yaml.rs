//! Quotes a value so that YAML reads exactly this value, whatever text it is.

use std::fmt::Write as _;

use crate::domain::text::is_hidden;

/// Words that are no text when they stand alone.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// A text as a scalar of one line, inside a flow mapping too. A `$` is doubled: the spec's own variables begin so.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let revision = text.split_once(':').is_some_and(|(family, number)| {
        family.chars().all(plain) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    });
    let word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    if begins && !word && (text.chars().all(plain) || revision) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let code = u32::from(c);
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '$' => write!(quoted, "$$"),
            c if is_hidden(c) && code <= 0xFFFF => write!(quoted, "\\u{code:04X}"),
            c if is_hidden(c) => write!(quoted, "\\U{code:08X}"),
            c => write!(quoted, "{c}"),
        };
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was() {
        let hostile = [
            "web-blue",
            "web:7",
            "true",
            "No",
            "1",
            "1e3",
            "",
            " a ",
            "a: b",
            "a #b",
            "- a",
            "{a}",
            "a, b",
            "[x]",
            "\"",
            "\\",
            "'",
            "a\nb: c",
            "a\r\n",
            "\t",
            "${HOME}",
            "$$",
            "&a",
            "*a",
            "!x",
            "%a",
            "@a",
            "`a`",
            "|",
            ">",
            "~",
            "\u{1b}[31m",
            "\u{202e}x",
            "\u{e0041}",
            "\u{85}",
            "\u{2028}",
            "ü",
            "日本",
            "a:",
            "?",
            "...",
            "---",
            "0x10",
        ];
        for text in hostile {
            let yaml = format!("key: {{ inner: {} }} # end\nnext: 1\n", scalar(text));
            let value: serde_yaml::Value =
                serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
            let read = value["key"]["inner"].as_str().unwrap_or_else(|| panic!("{text:?} is no text in {yaml}"));
            assert_eq!(read.replace("$$", "$"), text, "{yaml}");
            assert_eq!(value["next"], 1, "{yaml}");
            assert!(!scalar(text).contains(is_hidden), "{yaml:?}");
        }
    }
}
