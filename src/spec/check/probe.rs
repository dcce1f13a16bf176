//! The probe: a URL that can be asked, headers that can be sent, and time enough for an answer.

use std::collections::BTreeMap;

use super::Check;
use super::units::{HOUR, MINUTE, SECOND};
use crate::gate::ProbeRule;
use crate::spec::document::Probe;
use crate::spec::finding::Finding;
use crate::spec::tree::Node;
use crate::spec::{variables, words};

/// What the URL calls the load balancer's own name.
const LOAD_BALANCER: &str = "{load_balancer}";

/// Where a probe may go to.
const EXAMPLE: &str = "http://{load_balancer}:9001/healthz";

/// Headers that belong to the connection, not to the person who writes a probe.
const TAKEN: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];

impl Check<'_> {
    pub(super) fn probe(&mut self, probe: Probe, at: &Node) -> Option<ProbeRule> {
        let url = self.url(&probe.url, at.field("url"), EXAMPLE);
        let headers_are_sound = self.headers(&probe.headers, at.field("headers"));
        let contains = match &probe.contains {
            Some(text) => self.visible(text, at.field("contains"), 1024).map(Some),
            None => Some(None),
        };
        let timeout = self.time(&probe.timeout, at.field("timeout"), SECOND..=MINUTE);
        let within = self.time(&probe.within, at.field("within"), 5 * SECOND..=HOUR);
        if let (Some(timeout), Some(within)) = (timeout, within)
            && timeout > within
        {
            let finding = Finding::new(at.field("timeout").value(), "one answer may take longer than the whole probe");
            let finding = finding.note(at.field("within").value(), "the whole probe");
            return self.add(finding.help("make `within` at least `times` as long as `timeout`"));
        }
        headers_are_sound.then_some(())?;
        url?;
        Some(ProbeRule {
            url: probe.url,
            headers: probe.headers.into_iter().collect(),
            status: probe.status,
            contains: contains?,
            times: probe.times,
            timeout: timeout?,
            within: within?,
        })
    }

    /// The host of a URL that is one; it may be the load balancer when that of the `example` is.
    pub(super) fn url<'u>(&mut self, url: &'u str, at: &Node, example: &str) -> Option<&'u str> {
        let said = words::shown(at, url);
        let help = format!("such as `{example}`");
        let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
            return self.wrong(at.value(), format!("{said} is not an http or https URL"), help);
        };
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| rest.split_at(end));
        if authority.contains('@') {
            return self.wrong(
                at.value(),
                "the URL holds a user name or password",
                "send it in a header: `${VAR}` there is never written down",
            );
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if host.is_empty() {
            return self.wrong(at.value(), format!("{said} names no host"), help);
        }
        let port_is_sound = port
            .is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0));
        if !port_is_sound {
            return self.wrong(at.value(), format!("{said} names no port from 1 to 65535"), help);
        }
        let path_is_sound = path.bytes().all(|b| b.is_ascii_graphic() && !b"{}\"<>\\^`|#".contains(&b));
        let balanced = example.contains(LOAD_BALANCER);
        let host_is_sound = is_host(host) || (balanced && host == LOAD_BALANCER);
        if url.len() > 2048 || !host_is_sound || !path_is_sound {
            let stands = if balanced { "`{load_balancer}` stands for the host alone, " } else { "" };
            let help = format!("{help}; {stands}anything unusual is %-encoded");
            return self.wrong(at.value(), format!("{said} is not a URL"), help);
        }
        Some(host)
    }

    pub(super) fn headers(&mut self, headers: &BTreeMap<String, String>, at: &Node) -> bool {
        let before = self.findings.len();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in headers {
            let key = at.keys().find(|key| key.text == *name).map_or(at.head, |key| key.mark);
            let said = words::quoted(name);
            let plain = name.to_ascii_lowercase();
            if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
                self.wrong::<()>(key, format!("{said} is not the name of a header"), "such as `x-canary`");
            } else if TAKEN.contains(&plain.as_str()) {
                self.wrong::<()>(key, format!("the header {said} belongs to the connection"), "leave it out");
            } else if seen.contains(&plain) {
                self.wrong::<()>(key, format!("the header {said} is set twice"), "upper and lower case are the same");
            }
            seen.push(plain);
            let sent = variables::expand(value, self.context.variables);
            if sent.is_ok_and(|sent| sent.len() > 4096 || !sent.bytes().all(|b| b == b' ' || b.is_ascii_graphic())) {
                let help = "up to 4096 printable ASCII characters";
                self.wrong::<()>(at.field(name).value(), "this cannot be sent in a header", help);
            }
        }
        self.findings.len() == before
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        !label.is_empty() && label.len() <= 63 && plain
    };
    host.len() <= 253 && host.trim_end_matches('.').split('.').all(label)
}

/// A character of a header's name, as RFC 9110 has it.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
