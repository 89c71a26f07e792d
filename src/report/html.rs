//! Text for a page: nothing from a run is markup.

/// Text as HTML and XML have it; characters that neither can hold become U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            _ if is_allowed(character) => out.push(character),
            _ => out.push('\u{FFFD}'),
        }
    }
    out
}

/// Control characters, and those that turn the direction of the text around them.
fn is_allowed(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_markup() {
        assert_eq!(
            escaped("<script>alert('x')</script>&\""),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"
        );
        assert_eq!(escaped("a\0b\u{1b}\u{202e}\tö"), "a\u{FFFD}b\u{FFFD}\u{FFFD}\tö");
    }
}
