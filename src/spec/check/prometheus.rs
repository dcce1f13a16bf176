//! Prometheus: a server that can be asked, and PromQL whose placeholders are known.

use super::Check;
use crate::gate::PrometheusMetric;
use crate::spec::document::Prometheus;
use crate::spec::tree::Node;
use crate::spec::words;

/// What a query may say that is filled in when it is asked.
const PLACEHOLDERS: [&str; 3] = ["<service>", "<target_group>", "<window>"];

/// The longest query, in bytes.
const LONGEST_QUERY: usize = 4096;

/// A server, as one may be written.
const EXAMPLE: &str = "http://prometheus:9090";

impl Check<'_> {
    pub(super) fn prometheus(&mut self, prometheus: &Prometheus, at: &Node) -> Option<PrometheusMetric> {
        let url = self.prometheus_url(&prometheus.url, at.field("url"));
        let query = self.promql(&prometheus.query, at.field("query"), &PLACEHOLDERS);
        let headers_are_sound = self.headers(&prometheus.headers, at.field("headers"));
        headers_are_sound.then_some(())?;
        let headers = prometheus.headers.clone().into_iter().collect();
        query?;
        Some(PrometheusMetric { url: url?, headers, query: prometheus.query.clone() })
    }

    /// A server's URL: what is asked of it is added to its path.
    pub(super) fn prometheus_url(&mut self, url: &str, at: &Node) -> Option<String> {
        self.url(url, at, EXAMPLE)?;
        if url.contains(['?', '{']) {
            let wrong = format!("{} is more than a server and a path", words::shown(at, url));
            return self.wrong(
                at.value(),
                wrong,
                format!("such as `{EXAMPLE}`; the query is written in its own field"),
            );
        }
        Some(url.to_owned())
    }

    /// PromQL that somebody else will read; what is filled in is known here.
    pub(super) fn promql(&mut self, query: &str, at: &Node, known: &[&str]) -> Option<()> {
        let hidden = |c: char| c.is_control() && !c.is_whitespace();
        if query.trim().is_empty() || query.len() > LONGEST_QUERY || query.contains(hidden) {
            let wrong = format!("{} is not a query", words::shown(at, query));
            return self.wrong(at.value(), wrong, format!("1 to {LONGEST_QUERY} bytes of PromQL"));
        }
        self.placeholders(query, at, known)
    }

    /// Words in angle brackets are placeholders; one that is not known would be sent as it is, and match nothing.
    pub(super) fn placeholders(&mut self, text: &str, at: &Node, known: &[&str]) -> Option<()> {
        let before = self.findings.len();
        for word in bracketed(text) {
            if !known.contains(&word) {
                let mark = self.within(at, word.trim_matches(['<', '>']));
                let help = words::did_you_mean(words::closest(word, known), known);
                self.wrong::<()>(mark, format!("{} stands for nothing here", words::shown(at, word)), help);
            }
        }
        (self.findings.len() == before).then_some(())
    }
}

/// Lower-case words in angle brackets. PromQL compares with `<` and `>` too, but not around one bare word.
fn bracketed(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices('<') {
        let word = text[start + 1..].bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        if word > 0 && text[start + 1 + word..].starts_with('>') {
            found.push(&text[start..start + word + 2]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_comparisons() {
        let check = |query, expected: &[&str]| assert_eq!(bracketed(query), expected, "{query}");
        check("sum(rate(a{s=\"<service>\"}[<window>]))", &["<service>", "<window>"]);
        check("a < 3 > b", &[]);
        check("a <b", &[]);
        check("a < bool 1 > 2", &[]);
    }
}
