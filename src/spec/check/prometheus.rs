//! Prometheus: a server that can be asked, and PromQL whose placeholders are known.

use super::Check;
use crate::gate::PrometheusMetric;
use crate::spec::document::Prometheus;
use crate::spec::tree::Node;
use crate::spec::words;

/// What a query may say that is filled in when it is asked.
const PLACEHOLDERS: [&str; 3] = ["service", "target_group", "window"];

/// A server, as one may be written.
const EXAMPLE: &str = "such as `http://prometheus:9090`";

impl Check<'_> {
    pub(super) fn prometheus(&mut self, prometheus: &Prometheus, at: &Node) -> Option<PrometheusMetric> {
        let url = self.prometheus_url(&prometheus.url, at.field("url"));
        let query = self.query(&prometheus.query, at.field("query"), &PLACEHOLDERS);
        let headers_are_sound = self.headers(&prometheus.headers, at.field("headers"));
        headers_are_sound.then_some(())?;
        let headers = prometheus.headers.clone().into_iter().collect();
        Some(PrometheusMetric { url: url?, headers, query: query? })
    }

    /// A server's URL: what is asked of it is added to its path.
    pub(super) fn prometheus_url(&mut self, url: &str, at: &Node) -> Option<String> {
        let sound = self.url(url, at, EXAMPLE)?;
        if sound.contains(['?', '{']) {
            let wrong = format!("{} is more than a server and a path", words::shown(at, url));
            return self.wrong(at.value(), wrong, format!("{EXAMPLE}; the query is written in its own field"));
        }
        Some(sound)
    }

    /// PromQL that somebody else will read; what is filled in is known here.
    pub(super) fn query(&mut self, query: &str, at: &Node, placeholders: &[&str]) -> Option<String> {
        let hidden = |c: char| c.is_control() && !c.is_whitespace();
        if query.trim().is_empty() || query.len() > 4096 || query.contains(hidden) {
            let wrong = format!("{} is not a query", words::shown(at, query));
            return self.wrong(at.value(), wrong, "PromQL of 1 to 4096 characters");
        }
        for name in names(query).filter(|name| !placeholders.contains(name)) {
            if let Some(close) = words::closest(name, placeholders) {
                let wrong = format!("nothing fills in {}", words::quoted(&format!("<{name}>")));
                return self.wrong(self.within(at, name), wrong, format!("did you mean `<{close}>`?"));
            }
        }
        Some(query.to_owned())
    }
}

/// The names in angle brackets. PromQL compares with the same signs, so not all of them are meant as placeholders.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    query.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(name, _)| name)).filter(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_comparisons() {
        let check = |query, expected: &[&str]| assert_eq!(names(query).collect::<Vec<_>>(), expected, "{query}");
        check("sum(rate(a{s=\"<service>\"}[<window>]))", &["service", "window"]);
        check("a < 3 > b", &[]);
        check("a <b", &[]);
        check("a < bool 1 > 2", &[]);
    }
}
