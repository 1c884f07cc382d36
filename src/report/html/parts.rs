//! Parts that pages share: the frame of a page, texts from outside, bars and tables.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use crate::text::{escaped, is_hidden};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The most characters of a text from outside.
const LONGEST: usize = 2000;

/// The most characters of a name.
const LONGEST_NAME: usize = 200;

/// Returns a whole page. It loads nothing, and its policy forbids all that is not in it: only this style and this script
/// count, whatever else a text might smuggle in.
pub(super) fn page(title: &str, body: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (shown(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Returns the source of a policy that allows this text alone.
fn source(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    format!("'sha256-{}'", STANDARD.encode(hash))
}

/// Returns a text from outside: on a page it stays a text, and what cannot be seen is shown as an escape.
pub(super) fn shown(text: &str) -> Markup {
    cut(text, LONGEST)
}

/// Returns a name from outside, cut if it is very long.
pub(super) fn name(text: &str) -> Markup {
    cut(text, LONGEST_NAME)
}

fn cut(text: &str, most: usize) -> Markup {
    let end = text.char_indices().nth(most);
    let (text, rest) = text.split_at(end.map_or(text.len(), |(end, _)| end));
    let text = escaped(text, is_hidden);
    html! {
        bdi { (text) }
        @if !rest.is_empty() { " … [" (rest.len()) " bytes]" }
    }
}

/// Returns a list of counts as one bar, with a legend. Each count has the state whose colour it takes, and a word. Counts
/// of zero are left out.
pub(super) fn bar(label: &str, counts: &[(u64, &'static str, &'static str)]) -> Markup {
    let counts = counts.iter().copied().filter(|(n, ..)| *n > 0);
    let counts: Vec<(u64, &str, &str)> = counts.collect();
    let all: u64 = counts.iter().map(|(count, ..)| count).sum();
    let mut from = 0.0;
    let parts = counts.iter().map(|(count, class, word)| {
        let width = 1000.0 * share(*count, all);
        let part = (from, width, *class, format!("{count} {word}"));
        from += width;
        part
    });
    let parts: Vec<(f64, f64, &str, String)> = parts.collect();
    let told: Vec<&str> = parts.iter().map(|(.., told)| told.as_str()).collect();
    html! {
        figure {
            svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
                aria-label=(format!("{label}: {}", told.join(", "))) {
                @for (from, width, class, told) in &parts {
                    rect.(class) x=(format!("{from:.2}")) y="0" width=(format!("{width:.2}")) height="10" {
                        title { (told) }
                    }
                    @if *from > 0.0 {
                        rect.gap x=(format!("{from:.2}")) y="0" width="2" height="10" {}
                    }
                }
            }
            ul.legend {
                @for (_, _, class, told) in &parts {
                    li {
                        svg viewBox="0 0 10 10" aria-hidden="true" { rect.(class) width="10" height="10" {} }
                        (told)
                    }
                }
            }
        }
    }
}

/// Returns a bar of a table's cell that shows a part of a whole. The cell says the number too.
pub(super) fn share_bar(class: &str, part: u64, whole: u64) -> Markup {
    html! {
        svg.share viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.(class) width=(format!("{:.1}", 100.0 * share(part, whole))) height="10" {}
        }
    }
}

/// Returns a part as a share of a whole.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "pixels need no more")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

/// Returns a wide part that scrolls by itself, also by the keyboard.
pub(super) fn scrolling(label: &str, content: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { (content) }
    }
}

/// Returns a section with its heading.
fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            (content)
        }
    }
}

/// The sections of a page: each with its mark, its title, and its content if there is any.
pub(super) type Sections<'s> = [(&'s str, &'s str, Option<Markup>)];

/// Returns the body of a page: its heading, the links to its sections, what stands before them, and the sections.
pub(super) fn framed(heading: &Markup, before: &Markup, sections: &Sections<'_>) -> Markup {
    let shown = sections.iter();
    let shown: Vec<(&str, &str, &Markup)> = shown
        .filter_map(|(id, title, content)| Some((*id, *title, content.as_ref()?)))
        .collect();
    html! {
        header { (heading) }
        nav aria-label="Contents" {
            ul { @for (id, title, _) in &shown { li { a href={ "#" (id) } { (title) } } } }
        }
        main id="main" {
            (before)
            @for (id, title, content) in &shown { (section(id, title, content)) }
        }
        footer { "Written by zpa-bulk " (env!("CARGO_PKG_VERSION")) ". This file loads nothing, and holds no secret." }
    }
}

/// Returns the controls by which the script filters the table of all rows. Without it they are not shown.
pub(super) fn filters(what: &str, words: &[&str]) -> Markup {
    html! {
        div.controls id="controls" hidden {
            label { "Rows with these words" input id="words" type="search" autocomplete="off"; }
            label { (what)
                select id="status" {
                    option value="" { "all" }
                    @for word in words { option value=(word) { (word) } }
                }
            }
            span.dim id="shown" role="status" {}
        }
    }
}

/// Returns a word for a state, with its colour.
pub(super) fn badge(state: &'static str) -> Markup {
    html! { span.badge.(state) { (state) } }
}

/// Returns the changes of fields: each with the value before and after.
pub(super) fn changes<'c>(
    changes: impl IntoIterator<Item = (&'c str, &'c str, &'c str)>,
) -> Markup {
    html! {
        @for (field, old, new) in changes {
            div {
                code { (name(field)) } ": "
                @if old.is_empty() { span.dim { "(empty)" } } @else { span.old { (shown(old)) } }
                " → "
                @if new.is_empty() { span.dim { "(empty)" } } @else { (shown(new)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_stay_texts() {
        for evil in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "</style></script><b>",
            "&lt;",
        ] {
            let text = shown(evil).into_string();
            assert!(!text.contains(evil), "{text}");
            let inner = text.trim_start_matches("<bdi>").trim_end_matches("</bdi>");
            assert!(!inner.contains(['<', '>', '"']), "{text}");
        }
        assert_eq!(
            shown("a\u{202e}b\u{0}").into_string(),
            "<bdi>a\\u{202e}b\\u{0}</bdi>"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let text = shown(&"é".repeat(5000)).into_string();
        assert!(text.ends_with("… [6000 bytes]"), "{}", text.len());
    }

    #[test]
    fn nothing_in_style_or_script_ends_them_early() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</"), "an end tag");
            assert!(!text.contains("http"), "an address");
        }
    }
}
