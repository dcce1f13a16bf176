//! The store: a bucket that can exist, and a prefix that stays where it says.

use super::Check;
use crate::spec::tree::Node;
use crate::spec::words;

/// The longest prefix, in characters: with what the store puts behind it a key stays below S3's 1,024 bytes.
const PREFIX: usize = 512;
/// How names start and end that S3 keeps for itself.
const RESERVED: ([&str; 3], [&str; 4]) =
    (["xn--", "sthree-", "amzn-s3-demo-"], ["-s3alias", "--ol-s3", ".mrap", "--x-s3"]);

impl Check<'_> {
    pub(super) fn store(&mut self, text: String, at: &Node) -> Option<String> {
        let said = words::shown(at, &text);
        let Some(rest) = text.strip_prefix("s3://") else {
            let help = "such as `s3://bucket/prefix`; a folder is named by `--state-dir` or TIDEGATE_STATE_DIR";
            return self.wrong(at.value(), format!("{said} is no store"), help);
        };
        let (bucket, prefix) = rest.split_once('/').map_or((rest, None), |(bucket, prefix)| (bucket, Some(prefix)));
        if !is_bucket(bucket) {
            let wrong = format!("{said} names no bucket");
            let help = "a bucket's name is 3 to 63 lower-case letters, digits, `-` and `.`, and no address";
            return self.wrong(at.value(), wrong, help);
        }
        if prefix.is_some_and(|prefix| !is_prefix(prefix)) {
            let wrong = format!("{said} has a prefix that no store has");
            let help = format!(
                "words of letters, digits and `!-_.*'()`, with one `/` between two, {PREFIX} characters at most"
            );
            return self.wrong(at.value(), wrong, help);
        }
        Some(text)
    }
}

/// By the bucket naming rules of the S3 user guide.
fn is_bucket(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let allowed = name.bytes().all(|b| plain(b) || b == b'-' || b == b'.');
    let edges = [name.bytes().next(), name.bytes().last()].into_iter().all(|edge| edge.is_some_and(plain));
    let address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    let (starts, ends) = RESERVED;
    let reserved = starts.iter().any(|start| name.starts_with(start)) || ends.iter().any(|end| name.ends_with(end));
    (3..=63).contains(&name.len()) && allowed && edges && !name.contains("..") && !address && !reserved
}

/// Of the characters that the S3 user guide calls safe. A last `/` changes nothing.
fn is_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!-_.*'()".contains(&b);
    let sound = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed);
    prefix.len() <= PREFIX && prefix.strip_suffix('/').unwrap_or(prefix).split('/').all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_prefixes_have_s3s_grammar() {
        let bucket = |name, sound| assert_eq!(is_bucket(name), sound, "{name}");
        bucket("my-deployments", true);
        bucket("a.b-c.9", true);
        for name in ["", "ab", "-ab", "ab-", "A-b", "a..b", "a_b", "10.0.0.1", "xn--ab", "ab--x-s3", &"a".repeat(64)] {
            bucket(name, false);
        }
        let prefix = |text, sound| assert_eq!(is_prefix(text), sound, "{text}");
        prefix("tidegate", true);
        prefix("team/web_1/", true);
        for text in ["", "/a", "a//b", "a/../b", "a b", "ä", &"a".repeat(513)] {
            prefix(text, false);
        }
    }
}
