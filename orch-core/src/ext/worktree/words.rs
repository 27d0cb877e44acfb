//! Words of a text, and whether others are among them.

/// The words of a text, in small letters: what is no letter or digit divides them, and so does a capital after a small letter.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut was_small = false;
    for char in text.chars() {
        let ends = !char.is_alphanumeric() || (char.is_uppercase() && was_small);
        if ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if char.is_alphanumeric() {
            word.extend(char.to_lowercase());
        }
        was_small = char.is_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether the words of `meant` stand in `said`, one after the other. Each may have a plural `s` there.
pub(super) fn phrase(said: &[String], meant: &str) -> bool {
    let meant = words(meant);
    let is_same = |(said, meant): (&String, &String)| said == meant || said.strip_suffix('s') == Some(meant);
    !meant.is_empty() && said.windows(meant.len()).any(|part| part.iter().zip(&meant).all(is_same))
}

/// The prefix of a message, in small letters: `feat`, of `feat: a`, `feat(scope): a` and `Feat!: a`.
pub(super) fn prefix(text: &str) -> Option<String> {
    let (before, _) = text.split_once(':')?;
    let before = before.trim();
    let before = before.strip_suffix('!').unwrap_or(before);
    let word = match before.split_once('(') {
        Some((word, scope)) => scope.ends_with(')').then_some(word)?,
        None => before,
    };
    let is_word = !word.is_empty() && word.chars().all(|char| char.is_ascii_alphabetic());
    is_word.then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        assert_eq!(
            words("feat(puzzle_gen): CI-fixes, puzzleMaker PDFs"),
            ["feat", "puzzle", "gen", "ci", "fixes", "puzzle", "maker", "pdfs"]
        );
        for (text, meant, want) in [
            ("pricing decision social", "ci", false),
            ("prefix the suffix", "fix", false),
            ("ci: red", "ci", true),
            ("new puzzles", "puzzle", true),
            ("pdf for generation", "pdf generation", false),
            ("PDF_generation", "pdf generation", true),
            ("anything", " - ", false),
        ] {
            assert_eq!(phrase(&words(text), meant), want, "{text}: {meant}");
        }
    }

    #[test]
    fn prefixes_are_those_of_messages() {
        for (text, want) in [
            ("feat: a", Some("feat")),
            ("Fix(core)!: a", Some("fix")),
            ("see: the b: c", Some("see")),
            ("a b: c", None),
            ("feat(x: a", None),
            ("https", None),
        ] {
            assert_eq!(prefix(text).as_deref(), want, "{text}");
        }
    }
}
