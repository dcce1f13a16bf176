//! Foreign words made harmless in HTML, Markdown and the formats of other readers. Each function also shows
//! hidden characters, as [`escape`] does, so that its answer is the last step before the words are put in place.

use std::fmt::Write as _;

use super::escape;

/// Words that are nothing but words in HTML and XML, in text as in a quoted attribute.
pub fn html(foreign: &str) -> String {
    let mut shown = String::with_capacity(foreign.len());
    for c in escape(foreign).chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            c => shown.push(c),
        }
    }
    shown
}

/// What a line break nobody sees, so that a reader of Markdown takes two characters for no word of its own.
const APART: &str = "&#8203;";

/// Words that are nothing but words in GitHub's Markdown, in running text as in a table's cell: no markup, no
/// HTML, no link, no mention of a person, no reference to an issue.
pub fn markdown(foreign: &str) -> String {
    let mut shown = String::with_capacity(foreign.len());
    let foreign = escape(foreign);
    let mut letters = foreign.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '$' => shown.push_str("&#36;"),
            // A name or a number behind these would be told, or linked.
            '@' | '#' => {
                shown.push_str(if c == '#' { "\\#" } else { "@" });
                shown.push_str(APART);
            }
            // `https://`, and nothing else with a colon, is turned into a link.
            ':' if letters.peek() == Some(&'/') => {
                shown.push(':');
                shown.push_str(APART);
            }
            '.' if shown.to_ascii_lowercase().ends_with("www") => {
                shown.push_str(APART);
                shown.push('.');
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' => {
                shown.push('\\');
                shown.push(c);
            }
            // At the start of a line these would make a list or a rule of it.
            '+' | '-' | '=' if shown.is_empty() => {
                shown.push('\\');
                shown.push(c);
            }
            '.' if !shown.is_empty() && shown.chars().all(|c| c.is_ascii_digit()) => shown.push_str("\\."),
            c => shown.push(c),
        }
    }
    shown
}

/// Words as code in GitHub's Markdown, in running text as in a table's cell: shown as they are, without markup.
pub fn markdown_code(foreign: &str) -> String {
    format!("<code>{}</code>", markdown(foreign))
}

/// The value of a label in Prometheus's text format, without its quotes.
pub fn prometheus_label(foreign: &str) -> String {
    let mut shown = String::with_capacity(foreign.len());
    for c in escape(foreign).chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            '"' => shown.push_str("\\\""),
            c => shown.push(c),
        }
    }
    shown
}

/// `text` with what a pipeline's runner would take for a command in its log shown as characters: anywhere `##[` of
/// GitHub, `##vso[` of Azure and `##teamcity[`; and `::` where a line could begin.
pub(super) fn without_commands(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at_start = shown.chars().next_back().is_none_or(char::is_whitespace);
        if c == '[' && begins_command(&shown) {
            let _ = write!(shown, "<U+{:04X}>", u32::from('['));
            rest = &rest[1..];
        } else if at_start && rest.starts_with("::") {
            let _ = write!(shown, "<U+{:04X}>:", u32::from(':'));
            rest = &rest[2..];
        } else {
            shown.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    shown
}

/// Whether a `[` behind this would be a command of a runner's: two `#`, and at most a word in between.
pub(super) fn begins_command(text: &str) -> bool {
    text.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).ends_with("##")
}

#[cfg(test)]
mod tests {
    use super::super::{escape_json, wrap};
    use super::*;

    #[test]
    fn html_has_no_tag_and_no_end_of_an_attribute() {
        assert_eq!(html("<b a='1'>\"&\u{1b}"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;&lt;U+001B&gt;");
    }

    #[test]
    fn markdown_has_no_markup_no_link_and_no_mention() {
        let check = |foreign, shown| assert_eq!(markdown(foreign), shown);
        check("**bold** _it_ `code`", "\\*\\*bold\\*\\* \\_it\\_ \\`code\\`");
        check("[a](https://b) ![c](d)", "\\[a\\]\\(https:&#8203;//b\\) \\!\\[c\\]\\(d\\)");
        check("<img src=x>|two|", "&lt;img src=x&gt;\\|two\\|");
        check("@team #12 www.x WWW.y", "@&#8203;team \\#&#8203;12 www&#8203;.x WWW&#8203;.y");
        check("1. one\n- two", "1\\. one&lt;U+000A&gt;- two");
        check("- one", "\\- one");
        check("$a$ 1.5 arn:aws:ecs", "&#36;a&#36; 1.5 arn:aws:ecs");
        assert_eq!(markdown_code("a`<b>`"), "<code>a\\`&lt;b&gt;\\`</code>");
    }

    #[test]
    fn a_label_keeps_its_quotes() {
        assert_eq!(prometheus_label("a\"b\\c\nd"), "a\\\"b\\\\c<U+000A>d");
    }

    #[test]
    fn a_log_has_no_command() {
        let check = |foreign, shown| assert_eq!(escape(foreign), shown);
        check("::error::x", "<U+003A>:error::x");
        check("so ::stop-commands::x", "so <U+003A>:stop-commands::x");
        check("arn:aws:iam::1111:role/x", "arn:aws:iam::1111:role/x");
        check("a ##[add-mask]b ###[x", "a ##<U+005B>add-mask]b ###<U+005B>x");
        check("##vso[task.complete]", "##vso<U+005B>task.complete]");
        check("x ##teamcity[buildStop]", "x ##teamcity<U+005B>buildStop]");
        check("#[a] ## [b] ##.c[d]", "#[a] ## [b] ##.c[d]");
        assert_eq!(escape_json("{\"a\":\"##vso[x]\"}"), "{\"a\":\"##vso\\u005bx]\"}");
        assert_eq!(escape_json("{\"a\":\"##[error]\"}"), "{\"a\":\"##\\u005berror]\"}");
        for width in 1..12 {
            let begins = |line: &String| line.starts_with("::");
            assert!(!wrap(&escape("abcdef::error::x"), width).iter().any(begins), "{width}");
        }
    }
}
