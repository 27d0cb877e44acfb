//! Names that version 2 allows, made of titles and tasks.

use std::collections::HashSet;

/// A name of letters, digits and dashes that begins with a letter, of at most 60 characters; empty if nothing is left.
pub(super) fn slug(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut slug = String::new();
    for word in text.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = if slug.is_empty() { word.trim_start_matches(|c: char| c.is_ascii_digit()) } else { word };
        if word.is_empty() {
            continue;
        }
        if slug.len() + word.len() >= LONGEST {
            // A word that fills it alone is cut; others end it.
            if slug.is_empty() {
                slug.extend(word.chars().take(LONGEST));
            }
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(word);
    }
    slug
}

/// Gives every name once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// The first of the wishes that is free, else the last with a number.
    pub(super) fn take<'w>(&mut self, wishes: impl IntoIterator<Item = String> + 'w) -> String {
        let mut last = String::from("step");
        for wish in wishes.into_iter().filter(|wish| !wish.is_empty()) {
            if self.0.insert(wish.clone()) {
                return wish;
            }
            last = wish;
        }
        let mut number = 2u32;
        loop {
            let numbered = format!("{last}-{number}");
            if self.0.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    }
}
