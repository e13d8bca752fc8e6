//! What tools may not touch although it lies in the workspace: the gateway's own files.

use std::path::{Component, Path, PathBuf};

/// Places that nobody reaches through a tool, with everything below them: conversations of other people, the
/// configuration, tokens. Where they lie is compared, not how they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Fence(Vec<PathBuf>);

impl Fence {
    /// A fence around these absolute paths, which need not exist.
    pub(super) fn new(private: &[PathBuf]) -> Self {
        Self(private.iter().map(|path| real(path)).collect())
    }

    /// Whether a path leads into a private place, whatever detours and links it takes.
    pub(super) fn keeps_out(&self, path: &Path) -> bool {
        // Also as it is written: what does not exist yet may come into being on the way.
        let (written, real) = (plain(path), real(path));
        self.0.iter().any(|private| written.starts_with(private) || real.starts_with(private))
    }
}

/// Where a path really leads: links are followed as far as there is something.
pub(super) fn real(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let Ok(found) = std::fs::canonicalize(existing) {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return plain(&found.join(rest));
        }
    }
    plain(path)
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut steps = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(steps.pop()),
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => steps.push(component),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn private_places_are_recognised_by_where_they_lie() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("work/sessions")).unwrap();
        fs::write(at("work/config.json"), "{}").unwrap();
        symlink(at("work/sessions"), at("link")).unwrap();
        symlink(at("work"), at("alias")).unwrap();
        let fence = Fence::new(&[at("alias/sessions"), at("work/config.json"), at("work/later")]);
        for path in [
            "work/sessions",
            "work/sessions/a.jsonl",
            "work/./x/../sessions/a.jsonl",
            "link/a.jsonl",
            "alias/sessions",
            "alias/config.json",
            "work/later/a",
            "work/none/../later",
        ] {
            assert!(fence.keeps_out(&at(path)), "{path}");
        }
        for path in
            ["work", "work/sessions.txt", "work/config.json.md", "alias", "later", "work/sessions/../a"]
        {
            assert!(!fence.keeps_out(&at(path)), "{path}");
        }
    }
}
