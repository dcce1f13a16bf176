//! One page of a list of keys, as ListObjectsV2 cuts it.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Object;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListQuery<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a str,
    /// Keys that have this after the prefix are told as one, up to it; empty tells every key.
    pub delimiter: &'a str,
    /// Only keys after this one.
    pub after: &'a str,
    /// Whether `after` is the last entry of a page, which may stand for all keys that begin with it.
    pub is_continued: bool,
    /// So many keys and common prefixes at most.
    pub limit: usize,
}

/// What is told.
#[derive(Debug, Default)]
pub(crate) struct Page<'a> {
    /// Keys with their objects.
    pub objects: Vec<(&'a str, &'a Object)>,
    /// Common prefixes.
    pub prefixes: Vec<&'a str>,
    /// The last entry, if there are more after it.
    pub next: Option<String>,
}

/// Cuts a page.
pub(crate) fn cut<'a>(objects: &'a BTreeMap<String, Object>, asked: ListQuery<'_>) -> Page<'a> {
    let mut page = Page::default();
    let start = if asked.after < asked.prefix { Bound::Included(asked.prefix) } else { Bound::Excluded(asked.after) };
    let group = |key: &'a str| -> Option<&'a str> {
        let rest = key.strip_prefix(asked.prefix).filter(|_| !asked.delimiter.is_empty())?;
        let end = asked.prefix.len() + rest.find(asked.delimiter)? + asked.delimiter.len();
        Some(&key[..end])
    };
    let mut last: Option<&str> = None;
    for (key, object) in objects.range::<str, _>((start, Bound::Unbounded)) {
        if !key.starts_with(asked.prefix) {
            break;
        }
        let group = group(key);
        let is_told = group.is_some_and(|group| last == Some(group) || (asked.is_continued && group == asked.after));
        if is_told {
            continue;
        }
        if page.objects.len() + page.prefixes.len() >= asked.limit {
            // A page of no entries is never cut short: S3 says so of max-keys=0.
            page.next = last.map(str::to_owned);
            break;
        }
        last = Some(group.unwrap_or(key));
        match group {
            Some(group) => page.prefixes.push(group),
            None => page.objects.push((key, object)),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    fn objects(keys: &[&str]) -> BTreeMap<String, Object> {
        let object = || Object { body: Bytes::new(), etag: String::new(), modified_at: 0, headers: Vec::new() };
        keys.iter().map(|key| ((*key).to_owned(), object())).collect()
    }

    /// All entries of all pages of a size.
    fn walk(keys: &[&str], prefix: &str, delimiter: &str, limit: usize) -> Vec<String> {
        let objects = objects(keys);
        let (mut told, mut after) = (Vec::new(), None::<String>);
        for _ in 0..=keys.len() {
            let from = after.clone().unwrap_or_default();
            let asked = ListQuery { prefix, delimiter, after: &from, is_continued: after.is_some(), limit };
            let page = cut(&objects, asked);
            assert!(page.objects.len() + page.prefixes.len() <= limit);
            told.extend(page.objects.iter().map(|(key, _)| (*key).to_owned()));
            told.extend(page.prefixes.iter().map(|one| (*one).to_owned()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        told.sort();
        told
    }

    #[test]
    fn pages_of_every_size_tell_every_entry_once() {
        let keys = ["a", "a/1", "a/2", "a/3/x", "a0", "b/1", "c", "é"];
        for limit in 1..10 {
            assert_eq!(walk(&keys, "", "", limit), keys, "{limit}");
            assert_eq!(walk(&keys, "", "/", limit), ["a", "a/", "a0", "b/", "c", "é"], "{limit}");
            assert_eq!(walk(&keys, "a/", "/", limit), ["a/1", "a/2", "a/3/"], "{limit}");
        }
        assert_eq!(walk(&keys, "z", "/", 3), Vec::<String>::new());
    }

    #[test]
    fn a_list_starts_after_a_key_even_within_a_group() {
        let objects = objects(&["a/1", "a/2", "b"]);
        let asked = ListQuery { prefix: "", delimiter: "/", after: "a/1", is_continued: false, limit: 9 };
        let page = cut(&objects, asked);
        assert_eq!((page.prefixes, page.objects[0].0, page.next), (vec!["a/"], "b", None));
        let none = cut(&objects, ListQuery { limit: 0, ..asked });
        assert!(none.objects.is_empty() && none.prefixes.is_empty() && none.next.is_none());
    }
}
