//! An image in a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use picoclaw_telemetry::words::ImageOutcome;

use crate::chat::image_type;

/// The image as a `data:` URL, and its size in bytes.
///
/// # Errors
/// Why it cannot be shown.
pub(super) fn read(path: &Path, largest: u64) -> Result<(String, u64), ImageOutcome> {
    let gone = |_| ImageOutcome::Missing;
    let file = File::open(path).map_err(gone)?;
    let metadata = file.metadata().map_err(gone)?;
    if !metadata.is_file() {
        return Err(ImageOutcome::Missing);
    }
    if metadata.len() > largest {
        return Err(ImageOutcome::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(largest).read_to_end(&mut bytes).map_err(gone)?;
    let kind = image_type::of(&bytes).ok_or(ImageOutcome::Unsupported)?;
    let mut url = format!("data:{kind};base64,");
    url.reserve_exact(bytes.len().div_ceil(3) * 4);
    STANDARD.encode_string(&bytes, &mut url);
    Ok((url, bytes.len() as u64))
}
