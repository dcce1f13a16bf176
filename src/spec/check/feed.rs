//! Where counts come from: metrics that can be asked for, and queries that tell the slots apart.

use super::Check;
use super::units::{MINUTE, SECOND};
use crate::gate::compare::{CustomFeed, Feed, PrometheusFeed};
use crate::spec::document::{self, Feed as Written};
use crate::spec::tree::Node;
use crate::spec::words;

/// What stands for the slot's names.
const SLOT: [&str; 2] = ["<service>", "<target_group>"];
/// What stands for the stretch that is counted.
const WINDOW: &str = "<window>";
/// What stands for a time in seconds.
const THRESHOLD: &str = "<threshold>";

/// The longest time that slow requests are counted at, in seconds.
const LONGEST_THRESHOLD: f64 = 3600.0;

impl Check<'_> {
    pub(super) fn feed(&mut self, feed: Written, at: &Node) -> Option<Feed> {
        match feed {
            Written::LoadBalancer(_) => Some(Feed::LoadBalancer),
            Written::Custom(custom) => self.custom_feed(custom, at.field("custom")).map(Feed::Custom),
            Written::Prometheus(server) => self.prometheus_feed(server, at.field("prometheus")).map(Feed::Prometheus),
        }
    }

    fn custom_feed(&mut self, custom: document::CustomFeed, at: &Node) -> Option<CustomFeed> {
        let before = self.findings.len();
        self.namespace(&custom.namespace, at.field("namespace"));
        let metrics = [("requests", &custom.requests), ("errors", &custom.errors)];
        let latency = custom.latency.as_ref().map(|metric| ("latency", metric));
        for (field, metric) in metrics.into_iter().chain(latency) {
            self.printable(metric, at.field(field), "metric", 255);
        }
        let places = at.field("dimensions");
        for (name, value) in &custom.dimensions {
            self.printable(name, places.field(name), "dimension", 255);
            self.printable(value, places.field(name), "dimension", 1024);
            self.placeholders(value, places.field(name), &SLOT);
        }
        if !custom.dimensions.values().any(|value| names_a_slot(value)) {
            let help = "let a dimension be `<service>` or `<target_group>`, as the service publishes it";
            self.wrong::<()>(places.head, "the slots cannot be told apart", help);
        }
        let place = at.field("period");
        let period = self.time(&custom.period, place, 10 * SECOND..=MINUTE)?;
        if !matches!(period.as_secs(), 10 | 30 | 60) {
            let wrong = format!("{} is not a period of CloudWatch", words::shown(place, &custom.period.0));
            return self.wrong(place.value(), wrong, "10s, 30s or 1m");
        }
        let document::CustomFeed { namespace, dimensions, requests, errors, latency, .. } = custom;
        let dimensions = dimensions.into_iter().collect();
        (self.findings.len() == before).then_some(CustomFeed {
            namespace,
            dimensions,
            requests,
            errors,
            latency,
            period,
        })
    }

    fn prometheus_feed(&mut self, server: document::PrometheusFeed, at: &Node) -> Option<PrometheusFeed> {
        let before = self.findings.len();
        let url = self.prometheus_url(&server.url, at.field("url"));
        self.headers(&server.headers, at.field("headers"));
        self.count_query(&server.requests, at.field("requests"), false);
        self.count_query(&server.errors, at.field("errors"), false);
        if let Some(slower) = &server.slower {
            self.count_query(slower, at.field("slower"), true);
        }
        self.thresholds(&server, at);
        let period = self.time(&server.period, at.field("period"), 10 * SECOND..=5 * MINUTE)?;
        let document::PrometheusFeed { headers, requests, errors, slower, thresholds, .. } = server;
        let (url, headers) = (url?, headers.into_iter().collect());
        (self.findings.len() == before).then_some(PrometheusFeed {
            url,
            headers,
            requests,
            errors,
            slower,
            thresholds,
            period,
        })
    }

    /// A query that counts what one slot did in one stretch of time.
    fn count_query(&mut self, query: &str, at: &Node, by_threshold: bool) {
        let known = [SLOT[0], SLOT[1], WINDOW, THRESHOLD];
        if self.promql(query, at, if by_threshold { &known } else { &known[..3] }).is_none() {
            return;
        }
        if !query.contains(WINDOW) {
            let help = format!("count over it, as in `sum(increase(http_requests_total[{WINDOW}]))`");
            self.wrong::<()>(at.value(), format!("the query does not say {WINDOW}"), help);
        }
        if !names_a_slot(query) {
            let help = "select the slot by a label, as in `{service=\"<service>\"}` or `{pool=\"<target_group>\"}`";
            self.wrong::<()>(at.value(), "the query cannot tell the slots apart", help);
        }
        if by_threshold && !query.contains(THRESHOLD) {
            let help = format!("it stands for a time in seconds, as in `le=\"{THRESHOLD}\"`");
            self.wrong::<()>(at.value(), format!("the query does not say {THRESHOLD}"), help);
        }
    }

    fn thresholds(&mut self, server: &document::PrometheusFeed, at: &Node) {
        let place = at.field("thresholds");
        let sound = |seconds: &f64| *seconds > 0.0 && *seconds <= LONGEST_THRESHOLD;
        if server.slower.is_some() && server.thresholds.is_empty() {
            let help = "add `thresholds: [0.1, 0.25, 0.5, 1]`: edges of the server's buckets, in seconds";
            self.wrong::<()>(at.field("slower").head, "slow requests are counted at no time", help);
        } else if server.slower.is_none() && !server.thresholds.is_empty() {
            let help = "add `slower`, a query that counts requests slower than `<threshold>`, or remove them";
            self.wrong::<()>(place.head, "nothing counts slow requests", help);
        } else if !server.thresholds.iter().all(sound) {
            let help = format!("seconds, above 0 and up to {LONGEST_THRESHOLD}");
            self.wrong::<()>(place.head, "a threshold is a time", help);
        } else if server.thresholds.windows(2).any(|pair| pair[0] >= pair[1]) {
            self.wrong::<()>(place.head, "thresholds rise, each once", "write the smallest first");
        }
    }
}

fn names_a_slot(text: &str) -> bool {
    SLOT.iter().any(|slot| text.contains(slot))
}
