//! Names and tags that Datadog takes: the protocol has no escaping.

/// The longest tag that Datadog keeps, in bytes.
const LONGEST_TAG: usize = 200;

/// A metric's name: letters, digits, underscores and dots.
pub(super) fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect()
}

/// A tag without what would end it.
pub(super) fn tag(text: &str) -> String {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '|' | ',' | '#' | '@');
    let mut tag: String = text.trim().chars().map(|c| if forbidden(c) { '_' } else { c }).collect();
    tag.truncate(tag.floor_char_boundary(LONGEST_TAG));
    tag
}

/// Clean tags, each one once, in their order. Of `env`, `service` and `version` there is one value each, the first.
pub(super) fn clean(tags: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut clean: Vec<String> = Vec::new();
    for text in tags {
        let text = tag(&text);
        let taken = clean.iter().any(|other| match text.split_once(':') {
            Some((key @ ("env" | "service" | "version"), _)) => {
                other.split_once(':').is_some_and(|(k, _)| k == key)
            }
            _ => *other == text,
        });
        if !text.is_empty() && !taken {
            clean.push(text);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_break_out_of_a_tag() {
        assert_eq!(tag(" env:a|b,c#d\ne f "), "env:a_b_c_d_e_f");
        assert_eq!(clean(["a".into(), String::new(), "a".into(), "b".into()]), ["a", "b"]);
        let one_env = clean(["env:a".into(), "env:b".into(), "team:a".into(), "team:b".into()]);
        assert_eq!(one_env, ["env:a", "team:a", "team:b"]);
        assert_eq!(name("pico-claw.x|y"), "pico_claw.x_y");
    }
}
