//! Finds elements of an XML answer at any depth. It skips attributes and leaves text as it stands.

/// The elements that stand side by side in `xml`: their names, and what is inside. What is cut off is left out.
pub(super) fn children(xml: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, tag) = rest.split_once('<').filter(|(_, tag)| !tag.starts_with('/'))?;
        let (head, after) = tag.split_once('>')?;
        if head.ends_with('/') || head.starts_with(['?', '!']) {
            rest = after;
            return Some((head.trim_end_matches('/').trim_end(), ""));
        }
        let name = head.split_whitespace().next().unwrap_or_default();
        let end = end(after, name)?;
        rest = after[end..].split_once('>')?.1;
        Some((name, &after[..end]))
    })
}

/// What is inside the first element of this name that stands side by side with others in `xml`.
pub(super) fn child<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    children(xml).find(|(called, _)| *called == name).map(|(_, inside)| inside)
}

/// Where the element ends in whose inside `text` begins: another of its name may lie in it.
fn end(text: &str, name: &str) -> Option<usize> {
    let (mut deep, mut at) = (0_usize, 0);
    loop {
        let tag = at + text[at..].find('<')?;
        at = tag + text[tag..].find('>')?;
        let head = &text[tag + 1..at];
        if head.strip_prefix('/') == Some(name) {
            let Some(less) = deep.checked_sub(1) else { return Some(tag) };
            deep = less;
        } else if head.split_whitespace().next() == Some(name) && !head.ends_with('/') {
            deep += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_one_name_may_lie_in_each_other() {
        let xml = "<?xml version=\"1.0\"?><a x=\"1\"><m><m>in</m><n/></m><m/>\n <m>two</m></a>";
        let a = child(xml, "a").expect("it is there");
        assert_eq!(children(a).collect::<Vec<_>>(), [("m", "<m>in</m><n/>"), ("m", ""), ("m", "two")]);
        assert_eq!(child(child(a, "m").expect("it is there"), "m"), Some("in"));
        assert_eq!((child(a, "in"), child("", "a")), (None, None));
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        for cut in ["<a>", "<a><b>1</b>", "<a", "<", "</a>", "text", "<a><a></a>", "<ä>ö"] {
            assert_eq!(children(cut).count(), 0, "{cut}");
        }
    }
}
