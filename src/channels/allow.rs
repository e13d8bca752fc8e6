//! `allow_from`: who may write to the agent.

/// The rules of a channel. Without any, everybody may.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed(Vec<String>);

impl Allowed {
    /// The entries as configured: an id, a name with or without `@`, `id|name`, `network:id`, or `*` for everybody.
    pub(super) fn new(entries: &[String]) -> Self {
        let entries = entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty());
        Self(entries.map(str::to_owned).collect())
    }

    /// Whether somebody of this network who goes by these ids and names may write.
    pub(super) fn any(&self, network: &str, names: &[&str]) -> bool {
        self.0.is_empty() || self.0.iter().any(|entry| entry == "*" || allows(entry, network, names))
    }
}

fn allows(entry: &str, network: &str, names: &[&str]) -> bool {
    let entry = match entry.split_once(':') {
        Some((of, rest)) if of.eq_ignore_ascii_case(network) => rest,
        _ => entry,
    };
    let same = |part: &str| {
        let part = part.trim().trim_start_matches('@');
        !part.is_empty() && names.iter().any(|name| !name.is_empty() && name.eq_ignore_ascii_case(part))
    };
    // Of `id|name` the id counts: names can be taken by others.
    same(entry.split('|').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_known_by_id_or_name() {
        let allowed = |entry: &str| Allowed::new(&[entry.to_owned()]).any("telegram", &["42", "Ann", ""]);
        for entry in ["42", "ann", "@Ann", "42|bob", "telegram:42", "*", " 42 "] {
            assert!(allowed(entry), "{entry}");
        }
        for entry in ["4", "bob", "43|ann", "discord:42", "@"] {
            assert!(!allowed(entry), "{entry}");
        }
        assert!(Allowed::new(&[]).any("telegram", &["1"]));
    }
}
