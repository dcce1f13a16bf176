//! Names and ARNs: every id follows from the names, so that two labs with one seed agree.

use sha2::{Digest, Sha256};

/// The account and region, from which every ARN is made.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The region.
    pub region: String,
    /// The account number.
    pub account: String,
}

impl Names {
    /// An ARN of a service in this account and region.
    pub(crate) fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }

    /// An ECS ARN.
    pub(crate) fn ecs(&self, rest: &str) -> String {
        self.arn("ecs", rest)
    }

    /// A load balancing ARN.
    pub(crate) fn elb(&self, rest: &str) -> String {
        self.arn("elasticloadbalancing", rest)
    }
}

/// A hexadecimal id of a length, made of what it stands for.
pub(crate) fn hex_id(of: &str, length: usize) -> String {
    hex(&Sha256::digest(of.as_bytes()))[..length].to_owned()
}

/// Bytes in lower-case hexadecimal, two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

/// An id in the shape of a UUID, made of what it stands for.
pub(crate) fn uuid(of: &str) -> String {
    let hex = hex_id(of, 32);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// What an ELBv2 ARN is called in metric dimensions: `app/NAME/ID` or `targetgroup/NAME/ID`.
pub(crate) fn dimension(arn: &str) -> String {
    let rest = arn.rsplit(':').next().unwrap_or(arn);
    rest.strip_prefix("loadbalancer/").unwrap_or(rest).to_owned()
}

/// The last part of an ARN, or the name itself.
pub(crate) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_the_ends_of_arns() {
        let names = Names { region: "eu-west-1".into(), account: "1".into() };
        assert_eq!(dimension(&names.elb("loadbalancer/app/web/50dc")), "app/web/50dc");
        assert_eq!(dimension(&names.elb("targetgroup/web/73e2")), "targetgroup/web/73e2");
    }

    #[test]
    fn ids_follow_from_names() {
        assert_eq!(hex_id("web", 16), hex_id("web", 16));
        assert_eq!(hex_id("web", 16).len(), 16);
        assert_eq!(uuid("web").len(), 36);
    }
}
