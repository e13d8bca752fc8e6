//! Ranking by the words that a text shares with a query: BM25 with its usual constants.

use std::collections::HashMap;

/// How soon further occurrences of a word count less.
const K1: f64 = 1.2;
/// How much longer texts count less.
const B: f64 = 0.75;

/// The tools, as name and description, that fit a query, the best ones first; of equal ones the first by name.
pub(super) fn best<'a>(tools: &'a [(String, String)], query: &str, most: usize) -> Vec<&'a (String, String)> {
    let texts: Vec<HashMap<String, u32>> =
        tools.iter().map(|(name, what)| count(words(name).chain(words(what)))).collect();
    let lengths: Vec<f64> = texts.iter().map(|text| f64::from(text.values().sum::<u32>())).collect();
    let average = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).max(1.0);
    let mut scores = vec![0.0; tools.len()];
    for word in count(words(query)).keys() {
        let having = texts.iter().filter(|text| text.contains_key(word)).count() as f64;
        let rarity = ((tools.len() as f64 - having + 0.5) / (having + 0.5)).ln_1p();
        for ((score, text), length) in scores.iter_mut().zip(&texts).zip(&lengths) {
            let times = f64::from(text.get(word).copied().unwrap_or(0));
            *score += rarity * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / average));
        }
    }
    let best_score = scores.iter().copied().fold(0.0, f64::max);
    // What shares only a word that nearly all have is noise beside what really fits.
    let mut ranked: Vec<usize> =
        (0..tools.len()).filter(|at| scores[*at] > 0.0 && scores[*at] * 4.0 >= best_score).collect();
    ranked.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    ranked.into_iter().take(most).map(|at| &tools[at]).collect()
}

/// The words of a text in lower case, without a plural's ending.
fn words(text: &str) -> impl Iterator<Item = String> {
    let split = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    split.map(str::to_lowercase).map(|mut word| {
        if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
            word.pop();
        }
        word
    })
}

fn count(words: impl Iterator<Item = String>) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(tools: &'a [(String, String)], query: &str) -> Vec<&'a str> {
        best(tools, query, 3).into_iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn rare_words_and_short_texts_count_more() {
        let tool = |name: &str, what: &str| (name.to_owned(), what.to_owned());
        let tools = [
            tool("long", "file file and many other words that say nothing about it at all, really nothing"),
            tool("read", "read a file"),
            tool("rename", "rename a file"),
            tool("write", "write files"),
        ];
        assert_eq!(named(&tools, "rename file")[0], "rename");
        assert!(!named(&tools, "file").contains(&"long"), "the shorter ones are enough");
        assert_eq!(named(&tools, "write Files"), named(&tools, "FILE, write!"));
        assert!(named(&tools, "bread").is_empty() && best(&[], "x", 3).is_empty());
        assert_eq!(best(&tools, "file", 1).len(), 1);
    }
}
