//! Whether a page is well-formed: every tag is closed in order, attributes are quoted, `&` begins a
//! reference.

/// Elements of HTML that have no end; written with a slash all the same.
const VOID: [&str; 1] = ["meta"];

/// Panics at the first thing that is not well-formed.
pub fn check(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap_or(page);
    let mut seen = std::collections::HashSet::new();
    while let Some(start) = rest.find('<') {
        text(&rest[..start]);
        let end = rest[start..].find('>').expect("a tag without end") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in the wrong order, before {:.80}", rest);
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(name.chars().all(char::is_alphanumeric) && !name.is_empty(), "<{tag}>");
        attributes(&tag[name.len()..], &mut seen);
        let closed = tag.ends_with('/');
        assert_eq!(closed, closed || VOID.contains(&name), "{name} is never closed");
        if name == "style" {
            // Style sheets have > in them.
            rest = &rest[rest.find("</style>").unwrap()..];
        }
        if !closed {
            open.push(name);
        }
    }
    text(rest);
    assert!(open.is_empty(), "{open:?} are left open");
    for reference in page.match_indices("href=\"#").map(|(at, found)| &page[at + found.len()..]) {
        let id = reference.split('"').next().unwrap();
        assert!(seen.contains(id), "#{id} is nowhere");
    }
}

fn text(text: &str) {
    assert!(!text.contains('>') && !text.contains('\0'), "{text}");
    for (at, _) in text.match_indices('&') {
        let reference = text[at..].split(';').next().unwrap();
        assert!(
            ["&amp", "&lt", "&gt", "&quot", "&#39", "&apos"].contains(&reference),
            "{:.40}",
            &text[at..]
        );
    }
}

fn attributes(mut rest: &str, ids: &mut std::collections::HashSet<String>) {
    while let Some(equals) = rest.find('=') {
        let name = rest[..equals].trim();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "attribute {name}");
        let value =
            rest[equals + 1..].strip_prefix('"').unwrap_or_else(|| panic!("{rest} is not quoted"));
        let end = value.find('"').unwrap();
        text(&value[..end]);
        if name == "id" {
            assert!(ids.insert(value[..end].to_owned()), "two have the id {}", &value[..end]);
        }
        rest = &value[end + 1..];
    }
}
