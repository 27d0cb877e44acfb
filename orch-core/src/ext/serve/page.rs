//! The page: one file that brings all that it needs.

const PAGE: &str = include_str!("page.html");
const ICONS: &str = include_str!("../../report/render/html/icons.html");
const STYLE: &str = concat!(
    include_str!("../../report/render/html/theme.css"),
    include_str!("../../report/render/html/run.css"),
    include_str!("page.css")
);
const SCRIPT: &str = include_str!("page.js");

/// The page, whose script and style are let in by that word.
pub(super) fn page(nonce: &str) -> String {
    PAGE.replace("{nonce}", nonce)
        .replace("{version}", crate::VERSION)
        .replace("{style}", STYLE)
        .replace("{icons}", ICONS)
        .replace("{script}", SCRIPT)
}

/// What the page may do: read events from where it came, and nothing else.
pub(super) fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_brings_all_that_it_needs() {
        let page = page("abc");
        assert_eq!(page.matches("nonce=\"abc\"").count(), 2);
        for word in ["{style}", "{icons}", "{nonce}", "{version}"] {
            assert!(!page.contains(word), "{word}");
        }
        // Text from outside becomes text, and nothing comes from elsewhere.
        for never in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"]
        {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(never), "{never}");
        }
    }
}
