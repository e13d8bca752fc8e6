//! `picoclaw plugin new`: a folder that builds at once. What it needs of PicoClaw is copied into it, so it needs no network.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// In which language a plugin is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// A crate with the safe interface.
    Rust,
    /// A C file with the header.
    C,
}

/// Names of files in the folder, and their text.
type Files = &'static [(&'static str, &'static str)];

const RUST: Files = &[
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    (".gitignore", "/target\n"),
];

const C: Files = &[
    ("Makefile", include_str!("template/Makefile.txt")),
    ("NAME.c", include_str!("template/plugin.c.txt")),
    ("test.c", include_str!("template/test.c.txt")),
    (".gitignore", "/*.so\n/test_NAME\n"),
];

macro_rules! sdk {
    ($($file:literal),+ $(,)?) => {
        &[$((concat!("src/", $file), include_str!(concat!("../../../plugins/sdk/src/", $file)))),+]
    };
}

/// The safe interface, without the gateway's side.
const SDK: Files = sdk![
    "abi.rs",
    "batch.rs",
    "entry.rs",
    "event.rs",
    "failure.rs",
    "guard.rs",
    "handle.rs",
    "lib.rs",
    "plugin.rs",
    "testing.rs",
    "tools.rs",
];

const SDK_MANIFEST: &str = include_str!("template/sdk.toml.txt");
const HEADER: &str = include_str!("../../../plugins/sdk/include/picoclaw_plugin.h");

/// Makes the folder `name` in `parent`. What to do next, for people.
pub(super) fn create(parent: &Path, name: &str, language: Language) -> anyhow::Result<Vec<String>> {
    check(name)?;
    let folder = parent.join(name);
    if folder.exists() {
        bail!("{}: exists already; choose another name", folder.display());
    }
    let write = |file: &str, text: &str| -> anyhow::Result<()> {
        let path = folder.join(file.replace("NAME", name));
        let within = || format!("writing {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(&folder)).with_context(within)?;
        fs::write(&path, text).with_context(within)
    };
    let (files, build, library) = match language {
        Language::Rust => {
            write(
                "vendor/picoclaw-plugin/Cargo.toml",
                &SDK_MANIFEST.replace("VERSION", env!("CARGO_PKG_VERSION")),
            )?;
            for (file, text) in SDK {
                write(&format!("vendor/picoclaw-plugin/{file}"), text)?;
            }
            let library = format!("target/release/lib{}.so", name.replace('-', "_"));
            (RUST, "cargo test && cargo build --release", library)
        }
        Language::C => {
            write("picoclaw_plugin.h", HEADER)?;
            (C, "make test", format!("lib{name}.so"))
        }
    };
    for (file, text) in files {
        write(file, &text.replace("NAME", name))?;
    }
    Ok(vec![
        format!("✓ {}", folder.display()),
        format!("  cd {name} && {build}"),
        format!("  picoclaw plugin check {library}"),
    ])
}

/// A name that is right for a crate, a file and a sink.
fn check(name: &str) -> anyhow::Result<()> {
    let right = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.len() <= 40
        && !TAKEN.split(' ').any(|taken| taken == name);
    ensure!(
        right,
        "\"{name}\" is no name of a plugin: use lower-case letters, digits and -, a letter first, and no word of Rust"
    );
    Ok(())
}

/// Names that a crate cannot have, and that of the interface.
const TAKEN: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final fn \
    for gen if impl in let loop macro match mod move mut override picoclaw-plugin priv proc-macro pub ref return \
    self static std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_complete_and_never_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        create(parent.path(), "my-sink", Language::C).unwrap();
        let read = |file: &str| fs::read_to_string(parent.path().join("my-sink").join(file)).unwrap();
        assert!(read("Makefile").contains("libmy-sink.so: my-sink.c"));
        assert!(read("my-sink.c").contains("\"my-sink\""));
        assert!(create(parent.path(), "my-sink", Language::Rust).unwrap_err().to_string().contains("exists"));
        for wrong in ["", "A", "1a", "../x", "a b", "a-", "test", "fn", "picoclaw-plugin"] {
            assert!(create(parent.path(), wrong, Language::C).is_err(), "{wrong}");
        }
    }

    /// Whoever adds a file to the interface must add it to the copy.
    #[test]
    fn the_copy_of_the_interface_is_whole() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk/src");
        let mut files: Vec<String> = fs::read_dir(source)
            .unwrap()
            .map(|entry| format!("src/{}", entry.unwrap().file_name().into_string().unwrap()))
            .filter(|file| file.ends_with(".rs"))
            .collect();
        files.sort();
        assert_eq!(files, SDK.iter().map(|(file, _)| (*file).to_owned()).collect::<Vec<_>>());
    }
}
