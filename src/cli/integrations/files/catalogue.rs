//! The files.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;

/// The files of `config/`, as the build script packs them.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/config.gz"));

static FILES: LazyLock<Vec<Integration>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    GzDecoder::new(PACKED).read_to_end(&mut bytes).expect("the build script packs what can be unpacked");
    // They are asked for once in the life of a process that then ends.
    unpack(bytes.leak())
});

/// A file for another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integration {
    /// Its path inside `config/`, such as `prometheus/alerts.yml`.
    pub path: &'static str,
    /// Its text, for a gateway with the usual settings.
    pub text: &'static str,
}

/// Every file, by path.
pub(crate) fn all() -> Vec<Integration> {
    FILES.clone()
}

/// The files that `name` means: a folder, a path, or the name of a file in any folder.
pub(crate) fn find(name: &str) -> Vec<Integration> {
    let name = name.trim_matches('/');
    let of_folder =
        |file: &Integration| file.path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let all = all();
    for fits in [&|file: &Integration| file.path == name || of_folder(file), &|file: &Integration| {
        file.name() == name
    }] as [&dyn Fn(&Integration) -> bool; 2]
    {
        let found: Vec<_> = all.iter().copied().filter(|file| fits(file)).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn unpack(mut packed: &'static [u8]) -> Vec<Integration> {
    let mut files = Vec::new();
    while let Some((lengths, rest)) = packed.split_first_chunk::<8>() {
        let length = |at: usize| {
            let bytes = lengths[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes) as usize
        };
        let (path, rest) = rest.split_at(length(0));
        let (text, rest) = rest.split_at(length(4));
        let of_build_script = |text| std::str::from_utf8(text).expect("the build script packs texts");
        files.push(Integration { path: of_build_script(path), text: of_build_script(text) });
        packed = rest;
    }
    files.sort_unstable_by_key(|file| file.path);
    files
}

impl Integration {
    /// The folder in which it lies, usually named after the program; empty at the top.
    pub(crate) fn folder(&self) -> &'static str {
        self.path.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit_once('/').map_or(self.path, |(_, name)| name)
    }

    /// Whether it is one of the monitoring guide's own files, word for word.
    pub(crate) fn is_guides(&self) -> bool {
        self.path.split('/').any(|part| part == "guide")
    }

    /// What it is, in its own words: its first comment, or the title of a JSON document. Empty if it says nothing.
    pub(crate) fn description(&self) -> String {
        if self.is_guides() {
            return "The monitoring guide's own form, as it is.".to_owned();
        }
        let first = self.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let comment = ["{{/*", "//", "#", ";"].iter().find_map(|sign| first.strip_prefix(sign));
        match comment {
            Some(comment) => comment.trim_end_matches("*/}}").trim_matches(['#', ' ']).to_owned(),
            None => self.title().unwrap_or_default(),
        }
    }

    fn title(&self) -> Option<String> {
        let document: serde_json::Value = serde_json::from_str(self.text).ok()?;
        let named = ["description", "title", "_comment"];
        named
            .iter()
            .find_map(|key| document[*key].as_str().filter(|text| !text.is_empty()))
            .map(str::to_owned)
    }
}
