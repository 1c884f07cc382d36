//! Words for messages: counts, and suggestions for misspelt names.

/// Returns the candidates that are spelled much like `word`, the most similar first. Case is ignored. A very long word
/// is like none.
#[must_use]
pub fn similar<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Vec<&'c str> {
    /// The Jaro-Winkler similarity below which a candidate is another word, and not `word` misspelt.
    const ALIKE: f64 = 0.8;
    /// The most characters of a word: no name of a column or an action is nearly as long.
    const LONGEST: usize = 80;
    if word.chars().nth(LONGEST).is_some() {
        return Vec::new();
    }
    let word = word.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .map(|c| (strsim::jaro_winkler(&word, &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Formats a number of things, such as `1 app connector` or `2 app connectors`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
