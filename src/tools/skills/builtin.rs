//! Skills that come with the gateway. None is installed unless somebody asks for it.

use std::fs;
use std::path::Path;

use super::package::{InstallError, Package};
use super::skill::{FILE, Skill};

/// Name and file of each.
const OWN: [(&str, &str); 3] = [
    ("skill-creator", include_str!("builtin/skill-creator.md")),
    ("summarize", include_str!("builtin/summarize.md")),
    ("weather", include_str!("builtin/weather.md")),
];

/// A skill that can be installed without a network.
#[derive(Debug)]
pub struct Builtin {
    /// What it says of itself.
    pub skill: Skill,
    /// Its files.
    pub package: Package,
}

/// All of them, in order: those of a directory, or the gateway's own.
///
/// # Errors
/// When the directory, or a skill in it, cannot be read.
pub fn builtin(directory: Option<&Path>) -> Result<Vec<Builtin>, InstallError> {
    let Some(directory) = directory else {
        return Ok(OWN.iter().map(|(name, text)| own(name, text)).collect());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let file = entry.path().join(FILE);
        if file.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let skill = Skill::parse(&fs::read_to_string(&file)?, name);
            found.push(Builtin { skill, package: Package::of_directory(&entry.path())? });
        }
    }
    found.sort_by(|one, other| one.skill.directory.cmp(&other.skill.directory));
    Ok(found)
}

fn own(name: &str, text: &str) -> Builtin {
    Builtin { skill: Skill::parse(text, name.to_owned()), package: Package::of_text(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_them_is_a_skill() {
        for Builtin { skill, package } in builtin(None).unwrap() {
            assert!(skill.name == skill.directory && skill.description.len() > 20, "{skill:?}");
            let workspace = tempfile::tempdir().unwrap();
            assert_eq!(package.put(workspace.path(), &skill.directory, false).unwrap(), skill);
        }
    }

    #[test]
    fn a_directory_takes_their_place() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("mine")).unwrap();
        fs::create_dir_all(home.path().join("empty")).unwrap();
        fs::write(home.path().join("mine").join(FILE), "Do it.").unwrap();
        let found = builtin(Some(home.path())).unwrap();
        assert_eq!(found.iter().map(|one| one.skill.directory.as_str()).collect::<Vec<_>>(), ["mine"]);
        assert!(builtin(Some(Path::new("/nowhere"))).is_err());
    }
}
