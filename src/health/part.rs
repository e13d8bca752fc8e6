//! The names of what is looked at: `provider_openai`, `sink_jsonlog`.

/// The good word: readers of `/health` look for it anywhere in the document.
const GOOD: &str = "healthy";

/// The name of the part of this kind that the operator calls `name`.
///
/// It is one word of a list that is separated by commas, so what would end a word becomes `_`. And it never holds the
/// word for a gateway that is well, which monitors look for: in a provider called `healthy` it is written `health_y`.
pub(super) fn part(kind: &str, name: &str) -> String {
    let ends_word = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '"' | '\\');
    let mut part: String = format!("{kind}_{name}").replace(ends_word, "_");
    // Lower-casing ASCII moves no byte.
    while let Some(at) = part.to_ascii_lowercase().find(GOOD) {
        part.insert(at + GOOD.len() - 1, '_');
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_neither_ends_a_word_nor_says_that_all_is_well() {
        for (name, expected) in [
            ("openai", "provider_openai"),
            ("z-ai/glm", "provider_z-ai/glm"),
            ("a, \"b\"", "provider_a___b_"),
            ("healthy", "provider_health_y"),
            ("Unhealthy-HEALTHY", "provider_Unhealth_y-HEALTH_Y"),
            ("ähealthyé", "provider_ähealth_yé"),
        ] {
            assert_eq!(part("provider", name), expected);
        }
    }
}
