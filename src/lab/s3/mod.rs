//! S3's buckets and objects, and what is computed of their bytes.
//!
//! They live beside the account and not in it: the account is copied for stale reads, and S3 has none. It is
//! strongly consistent, for lists too.

pub(super) mod digest;
pub(super) mod listing;

use std::collections::BTreeMap;

use hyper::body::Bytes;

/// The bucket that is there from the start, so that a rehearsal needs no set-up.
pub(super) const FIRST_BUCKET: &str = "tidegate-lab";
/// Bytes that all objects may hold together.
const BYTES_LIMIT: usize = 256 * 1024 * 1024;
/// Objects in all buckets.
const OBJECTS_LIMIT: usize = 100_000;

/// All buckets.
pub(super) struct Buckets {
    /// By name.
    pub all: BTreeMap<String, Bucket>,
}

/// One bucket.
pub(super) struct Bucket {
    /// When it was made.
    pub created_at: u64,
    /// By key, in the order in which S3 lists them: that of their bytes.
    pub objects: BTreeMap<String, Object>,
}

/// One object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// Its content.
    pub body: Bytes,
    /// The MD5 of the content, in quotes.
    pub etag: String,
    /// When it was put.
    pub modified_at: u64,
    /// Headers that are given back as they were put: the kind of content, and what people say about it.
    pub headers: Vec<(String, String)>,
}

impl Buckets {
    /// As a lab begins.
    pub(crate) fn new(now: u64) -> Buckets {
        let first = Bucket { created_at: now, objects: BTreeMap::new() };
        Buckets { all: BTreeMap::from([(FIRST_BUCKET.to_owned(), first)]) }
    }

    /// Whether an object of this size may be put as well.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let objects = || self.all.values().flat_map(|bucket| bucket.objects.values());
        objects().count() < OBJECTS_LIMIT && objects().map(|one| one.body.len()).sum::<usize>() + bytes <= BYTES_LIMIT
    }
}

/// Whether an `If-Match` or `If-None-Match` header names an object's ETag: with or without quotes, or `*`.
pub(super) fn is_named(header: &str, etag: &str) -> bool {
    let bare = |text: &str| text.trim().trim_matches('"').to_owned();
    header.trim() == "*" || header.split(',').any(|one| bare(one) == bare(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_named_with_and_without_quotes_and_by_a_star() {
        for header in ["\"a1\"", "a1", "*", "\"b2\", \"a1\""] {
            assert!(is_named(header, "\"a1\""), "{header}");
        }
        for header in ["\"a\"", "", "a1*"] {
            assert!(!is_named(header, "\"a1\""), "{header}");
        }
    }

    #[test]
    fn a_lab_begins_with_one_bucket_and_room_up_to_its_limit() {
        let buckets = Buckets::new(7);
        assert_eq!(buckets.all.keys().collect::<Vec<_>>(), [FIRST_BUCKET]);
        assert!(buckets.has_room(BYTES_LIMIT) && !buckets.has_room(BYTES_LIMIT + 1));
    }
}
