//! Replaces words in a text, where they are words.

/// A word of the files and what stands in its place.
pub(super) struct Word {
    pub(super) usual: &'static str,
    pub(super) here: String,
    pub(super) is_word: fn(before: &str, after: &str) -> bool,
}

/// The text with every word replaced. What was put in is not looked at again; where several words begin at one place,
/// the longest counts.
pub(super) fn replace(text: &str, words: &[Word]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (before, rest) = text.split_at(at);
        let found = words
            .iter()
            .filter(|word| rest.strip_prefix(word.usual).is_some_and(|after| (word.is_word)(before, after)))
            .max_by_key(|word| word.usual.len());
        if let Some(word) = found {
            filled.push_str(&word.here);
            at += word.usual.len();
        } else if let Some(c) = rest.chars().next() {
            filled.push(c);
            at += c.len_utf8();
        }
    }
    filled
}

/// An address is no part of a longer number: `127.0.0.1:187901`.
pub(super) fn address(before: &str, after: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    !before.ends_with(part) && !after.starts_with(|c: char| c.is_ascii_digit())
}

/// The path of an URL is one by itself or of a gateway's address, and no part of a longer path: not `/metrics_x`,
/// `/api/metrics`, `docs/metrics.md`.
pub(super) fn url_path(before: &str, after: &str) -> bool {
    let of_gateway = before.ends_with(":18790");
    let longer = before.ends_with(|c: char| c.is_alphanumeric() || "_-./}".contains(c));
    (of_gateway || !longer) && ends_here(after, "/")
}

/// A file or directory, whole: `/var/log/picoclaw/*.log` is in it, `/var/log/picoclaw2` and `/mnt/var/log/picoclaw` are
/// other ones.
pub(super) fn file_path(before: &str, after: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || "_-./".contains(c)) && ends_here(after, "")
}

/// `picoclaw` where it names a job: `job_name: 'picoclaw'`, `job="picoclaw"`, `"job" = "picoclaw"`.
pub(super) fn job(before: &str, after: &str) -> bool {
    let key = before.trim_end_matches(|c: char| " \t\"'\\=~:".contains(c));
    let between = &before[key.len()..];
    let is_key = ["job", "job_name"].iter().any(|name| {
        key.strip_suffix(name).is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    is_key && between.contains(['=', ':']) && ends_here(after, "/")
}

/// Whether a name ends in front of `after`. A dot ends it only as the end of a sentence.
fn ends_here(after: &str, also_longer: &str) -> bool {
    let mut next = after.chars();
    match next.next() {
        None => true,
        Some('.') => !next.next().is_some_and(char::is_alphanumeric),
        Some(c) => !(c.is_alphanumeric() || c == '_' || c == '-' || also_longer.contains(c)),
    }
}
