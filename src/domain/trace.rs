//! The trace that a rollout belongs to: somebody else's span, as W3C Trace Context writes it down.

use std::fmt;

use crate::domain::text::hex;

/// A span of somebody else's trace, as `TRACEPARENT` names it: <https://www.w3.org/TR/trace-context/#traceparent-header>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never all zeros.
    pub trace: [u8; 16],
    /// The span; never all zeros.
    pub span: [u8; 8],
    /// Whether the trace is kept: below one that is not, no span is sent.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads `00-<trace>-<span>-<flags>`. Of a later version only these four are read, as the standard wants it; what
    /// is not one, or names nothing, is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = from_hex::<1>(parts.next()?)?;
        let (trace, span) = (from_hex::<16>(parts.next()?)?, from_hex::<8>(parts.next()?)?);
        let flags = from_hex::<1>(parts.next()?)?;
        let is_bad = version == [0xff] || (version == [0] && parts.next().is_some());
        let is_nothing = trace == [0; 16] || span == [0; 8];
        (!is_bad && !is_nothing).then_some(Self { trace, span, sampled: flags[0] & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{}", hex(self.trace), hex(self.span), hex([u8::from(self.sampled)]))
    }
}

/// Bytes written as lower-case hex digits and nothing else.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if text.len() != 2 * N || !text.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_parent_is_written_as_it_was_read() {
        let parent = TraceParent::parse(TEXT).unwrap();
        assert!(parent.sampled);
        assert_eq!(parent.to_string(), TEXT);
        assert!(!TraceParent::parse(&TEXT.replace("-01", "-00")).unwrap().sampled);
        assert_eq!(TraceParent::parse(&format!("{}-more", TEXT.replacen("00", "01", 1))), Some(parent));
    }

    #[test]
    fn what_names_no_span_is_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-\u{e9}bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
