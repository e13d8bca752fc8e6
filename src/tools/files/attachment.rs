//! A file that goes out with a message.

use std::io::Read;
use std::path::Path;

use super::super::output::ToolOutput;
use super::workspace::Workspace;
use picoclaw_chat::courier::Attachment;

impl Workspace {
    /// Reads a file that is to go out, if it is no larger than `most` bytes.
    pub(crate) async fn attachment(&self, path: &str, most: u64) -> Result<Attachment, ToolOutput> {
        let path = path.to_owned();
        self.with(move |open| {
            let file = open.read(&path)?.into_std();
            let failed = |error: std::io::Error| open.failed("reading", &path, &error);
            let size = file.metadata().map_err(failed)?.len();
            if size > most {
                return Err(ToolOutput::error(format!("{path} has {size} bytes and the limit is {most}")));
            }
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes).map_err(failed)?;
            let name = Path::new(path.trim()).file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mime = media_type(&name).to_owned();
            Ok(Attachment { name, mime, bytes: bytes.into() })
        })
        .await
    }
}

/// The media type that the ending of a file's name stands for.
fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref().unwrap_or_default() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" | "opus" => "audio/ogg",
        "m4a" => "audio/mp4",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "zip" => "application/zip",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "md" => "text/markdown",
        "txt" | "log" => "text/plain",
        _ => "application/octet-stream",
    }
}
