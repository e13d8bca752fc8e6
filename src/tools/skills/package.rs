//! A skill on its way into a workspace: its files, checked and bounded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::skill::{DIRECTORY, FILE, Skill};
use super::zip;

/// Most bytes and files of a skill.
pub(super) const MAX_BYTES: u64 = 16 << 20;
const MAX_FILES: usize = 1_000;
/// Longest path of a file, in bytes, and how deep it may lie.
const MAX_PATH: usize = 240;
const MAX_DEPTH: usize = 8;
/// Longest name of a skill.
const MAX_NAME: usize = 64;

/// The files of a skill, by path from its directory on.
#[derive(Debug, Default)]
pub struct Package {
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

/// Why a skill is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is one of this name.
    #[error("there is a skill \"{0}\" already; say that it is to be replaced, or leave it")]
    Exists(String),
    /// It is not what a skill must be.
    #[error("it cannot be installed: {0}")]
    Unfit(String),
    /// Its registry did not give it.
    #[error("{0}")]
    Unreachable(String),
    /// It could not be written.
    #[error("writing the skill: {0}")]
    Io(#[from] io::Error),
}

fn unfit(why: impl Into<String>) -> InstallError {
    InstallError::Unfit(why.into())
}

impl Package {
    /// The skill in a directory. Links are left out: they could lead to anything of this machine.
    ///
    /// # Errors
    /// When it cannot be read, is no skill, or is too large.
    pub fn of_directory(directory: &Path) -> Result<Self, InstallError> {
        let mut package = Self::default();
        package.add_directory(directory, "")?;
        package.check()?;
        Ok(package)
    }

    /// A skill that has no more than its own file.
    pub(super) fn of_text(text: &str) -> Self {
        let files = BTreeMap::from([(FILE.to_owned(), text.as_bytes().to_vec())]);
        Self { files, bytes: text.len() as u64 }
    }

    fn add_directory(&mut self, directory: &Path, prefix: &str) -> Result<(), InstallError> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (kind, path) = (entry.file_type()?, format!("{prefix}{name}"));
            if name == ".git" {
                continue;
            }
            if kind.is_dir() {
                self.add_directory(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                self.room(entry.metadata()?.len())?;
                self.add(path, fs::read(entry.path())?)?;
            }
        }
        Ok(())
    }

    /// The skill in this directory of an archive; empty for that which is nearest to the top. `top` is whether all of the
    /// archive lies in one directory that has no meaning.
    pub(super) fn of_archive(archive: &[u8], top: bool, directory: &str) -> Result<Self, InstallError> {
        let entries = zip::entries(archive).map_err(InstallError::Unfit)?;
        let below_top = |path: &str| match top {
            true => path.split_once('/').map(|(_, rest)| rest.to_owned()),
            false => Some(path.to_owned()),
        };
        let files: Vec<(String, &zip::Entry)> = entries
            .iter()
            .filter(|entry| entry.is_file)
            .filter_map(|entry| Some((below_top(&entry.path)?, entry)))
            .collect();
        let directory = directory.trim_matches('/');
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let is_there = |prefix: &str| files.iter().any(|(path, _)| path.strip_prefix(prefix) == Some(FILE));
        let prefix = if is_there(&prefix) { prefix } else { only_skill(&files, &prefix)? };
        let mut package = Self::default();
        for (path, entry) in &files {
            if let Some(path) = path.strip_prefix(&prefix) {
                let content =
                    entry.content(archive, MAX_BYTES - package.bytes).map_err(InstallError::Unfit)?;
                package.add(path.to_owned(), content)?;
            }
        }
        package.check()?;
        Ok(package)
    }

    fn room(&self, bytes: u64) -> Result<(), InstallError> {
        if self.files.len() >= MAX_FILES || bytes > MAX_BYTES - self.bytes {
            return Err(unfit(format!("it is larger than {MAX_FILES} files or {} MiB", MAX_BYTES >> 20)));
        }
        Ok(())
    }

    fn add(&mut self, path: String, content: Vec<u8>) -> Result<(), InstallError> {
        self.room(content.len() as u64)?;
        if !is_plain(&path) {
            return Err(unfit(format!("{path:?} is no path of a file within it")));
        }
        self.bytes += content.len() as u64;
        self.files.insert(path, content);
        Ok(())
    }

    /// Adds a file that the installer writes.
    pub(super) fn note(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.to_owned(), content);
    }

    fn check(&self) -> Result<(), InstallError> {
        let file = self.files.get(FILE).ok_or_else(|| unfit(format!("it has no {FILE}")))?;
        let text = std::str::from_utf8(file).map_err(|_| unfit(format!("its {FILE} is no text")))?;
        if Skill::parse(text, String::new()).description.is_empty() {
            return Err(unfit(format!("its {FILE} does not say what it is for")));
        }
        Ok(())
    }

    /// Puts it into a workspace under this name, at once and whole.
    ///
    /// # Errors
    /// When there is one already that is not to be replaced, or it cannot be written; nothing has changed then.
    pub fn put(&self, workspace: &Path, name: &str, replace: bool) -> Result<Skill, InstallError> {
        if !is_name(name) {
            return Err(unfit(format!("{name:?} is no name of a skill")));
        }
        let skills = workspace.join(DIRECTORY);
        fs::create_dir_all(&skills)?;
        if !fs::canonicalize(&skills)?.starts_with(fs::canonicalize(workspace)?) {
            return Err(unfit(format!("{} leads out of the workspace", skills.display())));
        }
        let target = skills.join(name);
        if !replace && target.symlink_metadata().is_ok() {
            return Err(InstallError::Exists(name.to_owned()));
        }
        let (new, old) = (skills.join(format!(".{name}.new")), skills.join(format!(".{name}.old")));
        clear(&new)?;
        clear(&old)?;
        if let Err(error) = self.write(&new) {
            let _ = clear(&new);
            return Err(error.into());
        }
        if target.symlink_metadata().is_ok() {
            fs::rename(&target, &old)?;
        }
        if let Err(error) = fs::rename(&new, &target) {
            // What was there comes back.
            let _ = fs::rename(&old, &target);
            return Err(error.into());
        }
        clear(&old)?;
        let text = self.files.get(FILE).map(|file| String::from_utf8_lossy(file).into_owned());
        Ok(Skill::parse(&text.unwrap_or_default(), name.to_owned()))
    }

    fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for (path, content) in &self.files {
            let path = directory.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content)?;
        }
        Ok(())
    }
}

/// Removes a directory or a link, if there is one.
fn clear(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Removes a skill from a workspace; says whether there was one.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(workspace: &Path, name: &str) -> io::Result<bool> {
    let directory = workspace.join(DIRECTORY).join(name);
    if !is_name(name) || !directory.join(FILE).is_file() {
        return Ok(false);
    }
    clear(&directory).map(|()| true)
}

/// The directory of the one skill below a prefix.
fn only_skill(files: &[(String, &zip::Entry)], prefix: &str) -> Result<String, InstallError> {
    let file = format!("/{FILE}");
    let mut found: Vec<&str> = files
        .iter()
        .filter(|(path, _)| path.starts_with(prefix))
        .filter_map(|(path, _)| path.strip_suffix(&file))
        .collect();
    found.sort_unstable();
    match found.as_slice() {
        [] => Err(unfit(format!("there is no {FILE} in it"))),
        [one] => Ok(format!("{one}/")),
        several => {
            let shown = several.iter().take(20).copied().collect::<Vec<_>>().join(", ");
            Err(unfit(format!("there are {} skills in it: name one of {shown}", several.len())))
        }
    }
}

/// Whether a path stays within the skill and can be written on every system.
fn is_plain(path: &str) -> bool {
    let fits = |step: &str| !step.is_empty() && step != "." && step != ".." && step != ".git";
    path.len() <= MAX_PATH
        && !path.contains(['\\', '\0', ':'])
        && !path.contains(char::is_control)
        && path.split('/').count() <= MAX_DEPTH
        && path.split('/').all(fits)
}

/// Whether a skill may be called so: a name leads nowhere else.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    (1..=MAX_NAME).contains(&name.len()) && !name.starts_with(['.', ' ']) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::super::zip::tests::archive;
    use super::*;

    const TEXT: &[u8] = b"---\nname: x\ndescription: Does x.\n---\nDo x.";

    fn failed(archive: &[u8], directory: &str) -> String {
        Package::of_archive(archive, true, directory).unwrap_err().to_string()
    }

    #[test]
    fn the_skill_of_an_archive_is_found() {
        let packed = archive(&[
            ("top/README.md", b"hi", 0),
            ("top/skills/x/SKILL.md", TEXT, 0),
            ("top/skills/x/scripts/run.sh", b"echo", 0),
            ("top/skills/x/link", b"/etc/passwd", 0o120_777),
            ("top/skills/y/SKILL.md", TEXT, 0),
        ]);
        let package = Package::of_archive(&packed, true, "skills/x").unwrap();
        assert_eq!(package.files.keys().collect::<Vec<_>>(), ["SKILL.md", "scripts/run.sh"]);
        assert!(failed(&packed, "").contains("2 skills in it: name one of skills/x, skills/y"));
        assert!(failed(&packed, "skills/z").contains("no SKILL.md"));
        let flat = archive(&[("SKILL.md", TEXT, 0)]);
        assert!(Package::of_archive(&flat, false, "").is_ok());
    }

    #[test]
    fn what_would_lead_elsewhere_or_says_nothing_is_refused() {
        for path in ["top/../../x", "top//x", "top/a/../x", "top/.git/config", "top/c:x", "top/a\\b"] {
            let packed = archive(&[("top/SKILL.md", TEXT, 0), (path, b"x", 0)]);
            assert!(failed(&packed, "").contains("no path of a file"), "{path}");
        }
        assert!(
            failed(&archive(&[("top/SKILL.md", b"---\nname: x\n---\n", 0)]), "").contains("what it is for")
        );
        assert!(failed(&archive(&[("top/SKILL.md", b"\xff\xfe", 0)]), "").contains("no text"));
        let many: Vec<String> = (0..=MAX_FILES).map(|n| format!("top/{n}")).collect();
        let mut files: Vec<(&str, &[u8], u32)> =
            many.iter().map(|path| (path.as_str(), &b""[..], 0)).collect();
        files.push(("top/SKILL.md", TEXT, 0));
        assert!(failed(&archive(&files), "").contains("larger than"));
        for name in ["", "..", ".x", "a/b", "/etc", "a\0", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_skill_appears_whole_and_is_only_replaced_when_that_is_wanted() {
        let home = tempfile::tempdir().unwrap();
        let package = |text: &[u8]| {
            Package::of_archive(&archive(&[("top/SKILL.md", text, 0), ("top/a/b", b"c", 0)]), true, "")
                .unwrap()
        };
        let skill = package(TEXT).put(home.path(), "x", false).unwrap();
        assert_eq!((skill.description.as_str(), skill.path().as_str()), ("Does x.", "skills/x/SKILL.md"));
        assert_eq!(fs::read(home.path().join("skills/x/a/b")).unwrap(), b"c");
        fs::write(home.path().join("skills/x/mine"), "mine").unwrap();
        let again = package(b"Something else.").put(home.path(), "x", false);
        assert!(matches!(again, Err(InstallError::Exists(name)) if name == "x"));
        assert_eq!(fs::read(home.path().join("skills/x/SKILL.md")).unwrap(), TEXT);
        package(b"Something else.").put(home.path(), "x", true).unwrap();
        assert!(!home.path().join("skills/x/mine").exists());
        assert_eq!(fs::read_dir(home.path().join("skills")).unwrap().count(), 1, "nothing is left beside it");
        assert!(remove(home.path(), "x").unwrap() && !remove(home.path(), "x").unwrap());
        let away = tempfile::tempdir().unwrap();
        fs::remove_dir_all(home.path().join("skills")).unwrap();
        std::os::unix::fs::symlink(away.path(), home.path().join("skills")).unwrap();
        assert!(package(TEXT).put(home.path(), "x", false).unwrap_err().to_string().contains("leads out"));
    }
}
