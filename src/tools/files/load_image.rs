//! `load_image`: an image of the workspace, for a model that can see.

use std::io::Read;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::workspace::{Open, Workspace};
use picoclaw_chat::ToolSpec;
use picoclaw_chat::image_type;

/// How much of a file tells what it is, in bytes.
const HEAD: u64 = 16;

/// Shows the model an image of the workspace.
#[derive(Clone, Debug)]
pub struct LoadImage {
    workspace: Workspace,
    most: u64,
}

impl LoadImage {
    /// The tool for this workspace, and images of at most so many bytes.
    pub fn new(workspace: Workspace, most: u64) -> Self {
        Self { workspace, most }
    }
}

#[async_trait]
impl Tool for LoadImage {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "load_image".to_owned(),
            description:
                "Look at an image file of the workspace (PNG, JPEG, GIF or WebP): you see it with the result."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The image, relative to the workspace."},
                },
                "required": ["path"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let path = Arguments::new(arguments).and_then(|arguments| {
            Ok(arguments.text("path", "the image's path relative to the workspace")?.to_owned())
        });
        let (path, most) = match path {
            Ok(path) => (path.trim().to_owned(), self.most),
            Err(output) => return output,
        };
        self.workspace.run(move |open| load(open, &path, most)).await
    }
}

fn load(open: &Open, path: &str, most: u64) -> Result<ToolOutput, ToolOutput> {
    let file = open.read(path)?.into_std();
    let failed = |error: std::io::Error| open.failed("reading", path, &error);
    let size = file.metadata().map_err(failed)?.len();
    if size > most {
        return Err(ToolOutput::error(format!(
            "{path} has {size} bytes and the limit is {most} (agents.defaults.max_media_size); make it smaller"
        )));
    }
    let Some(within) = open.within(path) else {
        return Err(ToolOutput::error(format!("{path} is not in the workspace; copy it there first")));
    };
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).map_err(failed)?;
    let Some(kind) = image_type::of(&head) else {
        return Err(ToolOutput::error(format!(
            "{path} is no PNG, JPEG, GIF or WebP image; convert it first"
        )));
    };
    let text = format!("{path}: {kind}, {size} bytes");
    Ok(ToolOutput { media: vec![within], ..ToolOutput::success(text) })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_is_an_image_is_shown() {
        let home = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
        put("cat.txt", b"\x89PNG\r\n\x1a\n and more");
        put("fake.png", b"<svg/>");
        put("empty.png", b"");
        put("large.gif", &[b"GIF89a".as_slice(), &[0; 100]].concat());
        let tool = LoadImage::new(Workspace::new(home.path(), &[]), 64);
        let load = async |path: &str| tool.call(json!({"path": path})).await;
        let cat = load("cat.txt").await;
        assert_eq!(
            (cat.text.as_str(), cat.media.as_slice()),
            ("cat.txt: image/png, 17 bytes", &["cat.txt".to_owned()][..])
        );
        let absolute = home.path().join("cat.txt");
        for path in ["./cat.txt", absolute.to_str().unwrap()] {
            assert_eq!(load(path).await.media, ["cat.txt"], "{path}");
        }
        for (path, trouble) in [
            ("fake.png", "no PNG"),
            ("empty.png", "no PNG"),
            ("large.gif", "the limit is 64"),
            ("none.png", "does not exist"),
            ("../x.png", "leads out of the workspace"),
        ] {
            let output = load(path).await;
            assert!(output.text.contains(trouble) && output.media.is_empty(), "{path}: {}", output.text);
        }
    }
}
