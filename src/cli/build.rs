//! Packs the files of `config/`, which `picoclaw integrations` prints: what few commands need must not be resident in a
//! gateway.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

const CONFIG: &str = "../../config";

#[allow(clippy::print_stdout)] // This is how a build script speaks to cargo.
fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={CONFIG}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("config.gz");
    let mut packed = GzEncoder::new(fs::File::create(out)?, Compression::best());
    pack(Path::new(CONFIG), Path::new(""), &mut packed)?;
    packed.finish().map(drop)
}

/// Each file by its path: the lengths of path and text as four bytes, lowest first, then both.
fn pack(root: &Path, folder: &Path, to: &mut impl Write) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(root.join(folder))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            pack(root, &path, to)?;
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        let path = path.to_str().ok_or(io::ErrorKind::InvalidData)?;
        for part in [path, &text] {
            to.write_all(&u32::try_from(part.len()).map_err(io::Error::other)?.to_le_bytes())?;
        }
        to.write_all(path.as_bytes())?;
        to.write_all(text.as_bytes())?;
    }
    Ok(())
}
