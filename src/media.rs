//! Removes files that people sent and that tools made, once they are old and no conversation shows them any more.
//!
//! A conversation shows a file when one of its lines, from where it begins now, names it. A file is older than every
//! line that names it, so conversations that were written last before it came need not be read.

pub mod inbox;
pub mod picture;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

pub use inbox::Inbox;

/// The folders of a workspace that are looked through.
const FOLDERS: [&str; 2] = ["media/inbound", "mcp-results"];
/// Times of files may be rounded.
const ROUNDING: Duration = Duration::from_secs(2);

/// Where the files and the conversations are.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The workspaces of all agents.
    pub workspaces: Vec<PathBuf>,
    /// The directories of their conversations.
    pub sessions: Vec<PathBuf>,
}

/// What became of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many were removed.
    pub removed: u64,
    /// How many could not be removed, or not be judged because a conversation could not be read.
    pub failed: u64,
}

/// An old file.
struct Old {
    path: PathBuf,
    /// Below the workspace.
    name: String,
    modified: SystemTime,
}

/// Removes the files that are older than `age` and that no conversation shows.
pub fn sweep(places: &Places, age: Duration) -> Swept {
    let mut old: Vec<Old> = places.workspaces.iter().flat_map(|workspace| olds(workspace, age)).collect();
    let Some(oldest) = old.iter().map(|file| file.modified).min() else {
        return Swept::default();
    };
    let mut swept = Swept::default();
    match shown(&places.sessions, oldest - ROUNDING) {
        Ok(shown) => old.retain(|file| !shown.contains(&file.name)),
        Err(error) => {
            tracing::warn!(%error, "Media files stay, because a conversation that may show them cannot be read.");
            return Swept { failed: old.len() as u64, ..swept };
        }
    }
    for file in old {
        match fs::remove_file(&file.path) {
            Ok(()) => swept.removed += 1,
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %file.path.display(), %error, "An old media file could not be removed.");
                swept.failed += 1;
            }
        }
    }
    swept
}

fn olds(workspace: &Path, age: Duration) -> Vec<Old> {
    let mut olds = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(workspace.join(folder)).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(modified) = metadata.modified() else { continue };
            if metadata.is_file() && modified.elapsed().is_ok_and(|elapsed| elapsed > age) {
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                olds.push(Old { path: entry.path(), name, modified });
            }
        }
    }
    olds
}

/// The files that conversations show which were written after this moment.
fn shown(directories: &[PathBuf], since: SystemTime) -> io::Result<HashSet<String>> {
    let mut shown = HashSet::new();
    for directory in directories {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            if fs::metadata(&path)?.modified()? >= since {
                let skip = skip(&path.with_extension("meta.json"))?;
                collect(BufReader::new(File::open(&path)?), skip, &mut shown)?;
            }
        }
    }
    Ok(shown)
}

/// How many lines of a conversation are no longer part of it.
fn skip(meta: &Path) -> io::Result<u64> {
    #[derive(Default, Deserialize)]
    struct Meta {
        #[serde(default)]
        skip: u64,
    }
    match fs::read(meta) {
        Ok(text) => Ok(serde_json::from_slice::<Meta>(&text).unwrap_or_default().skip),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn collect(mut lines: impl BufRead, skip: u64, shown: &mut HashSet<String>) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        if number > skip {
            names(&String::from_utf8_lossy(&line), shown);
        }
    }
}

/// The names of files in a line.
fn names(line: &str, shown: &mut HashSet<String>) {
    for folder in FOLDERS {
        for (at, _) in line.match_indices(folder) {
            let rest = &line[at + folder.len()..];
            let Some(name) = rest.strip_prefix('/') else { continue };
            let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
            let name = &name[..name.find(|c| !fits(c)).unwrap_or(name.len())];
            shown.insert(format!("{folder}/{name}"));
            // The end of a sentence is no part of the name.
            shown.insert(format!("{folder}/{}", name.trim_end_matches('.')));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        home: tempfile::TempDir,
        places: Places,
    }

    impl Scene {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let places = Places {
                workspaces: vec![home.path().to_owned(), home.path().join("other")],
                sessions: vec![home.path().join("sessions")],
            };
            fs::create_dir_all(home.path().join("sessions")).unwrap();
            Self { home, places }
        }

        fn file(&self, path: &str, minutes: u64) {
            let path = self.home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
        }

        fn has(&self, path: &str) -> bool {
            self.home.path().join(path).exists()
        }

        fn sweep(&self) -> Swept {
            sweep(&self.places, Duration::from_secs(60 * 30))
        }
    }

    #[test]
    fn old_files_go_and_young_ones_and_others_stay() {
        let scene = Scene::new();
        for (path, minutes) in [
            ("media/inbound/old.png", 31),
            ("media/inbound/young.png", 29),
            ("mcp-results/old.txt", 500),
            ("other/media/inbound/old.pdf", 40),
            ("media/mine.png", 500),
            ("notes.txt", 500),
        ] {
            scene.file(path, minutes);
        }
        assert_eq!(scene.sweep(), Swept { removed: 3, failed: 0 });
        assert!(
            scene.has("media/inbound/young.png") && scene.has("media/mine.png") && scene.has("notes.txt")
        );
        assert!(!scene.has("media/inbound/old.png") && !scene.has("other/media/inbound/old.pdf"));
        assert_eq!(scene.sweep(), Swept::default());
    }

    #[test]
    fn what_a_conversation_shows_stays_until_it_forgets_it() {
        let scene = Scene::new();
        for name in ["a.png", "b.png", "c.pdf", "d.png"] {
            scene.file(&format!("media/inbound/{name}"), 60);
        }
        let session = scene.home.path().join("sessions/s.jsonl");
        let lines = "{\"content\":\"[image: media/inbound/a.png]\"}\nnot json\n\
                     {\"content\":\"see\",\"media\":[\"media/inbound/b.png\"]}\n{\"content\":\"media/inbound/c.pdf.\"}\n";
        fs::write(&session, lines).unwrap();
        fs::write(session.with_extension("meta.json"), r#"{"skip":2,"count":4}"#).unwrap();
        assert_eq!(scene.sweep(), Swept { removed: 2, failed: 0 });
        assert!(scene.has("media/inbound/b.png") && scene.has("media/inbound/c.pdf"));
        fs::write(session.with_extension("meta.json"), r#"{"skip":4}"#).unwrap();
        assert_eq!(scene.sweep(), Swept { removed: 2, failed: 0 });
    }

    #[test]
    fn what_cannot_be_judged_stays() {
        let scene = Scene::new();
        scene.file("media/inbound/a.png", 60);
        // A directory is no conversation that can be read.
        fs::create_dir(scene.home.path().join("sessions/odd.jsonl")).unwrap();
        assert_eq!(scene.sweep(), Swept { removed: 0, failed: 1 });
        assert!(scene.has("media/inbound/a.png"));
    }
}
