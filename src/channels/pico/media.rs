//! Files: those that clients send inside their messages, and those that they fetch.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use warp::reply::Response;

use super::frames::ClientFrame;
use picoclaw::chat::courier::Attachment;
use picoclaw::ids::uuid;
use picoclaw::media::picture::{self, MOST, Picture};

/// The files of a message: `media` and `attachments` of its payload.
///
/// # Errors
/// What is wrong with them, for the client.
pub(super) fn read(frame: &ClientFrame) -> Result<Vec<Picture>, String> {
    let Some(payload) = &frame.payload else {
        return Ok(Vec::new());
    };
    let mut urls = Vec::new();
    for key in ["media", "attachments"] {
        match payload.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for item in items {
                    urls.push(url(item).ok_or_else(|| format!("{key} has an entry without url"))?);
                }
            }
            Some(item) => urls.push(url(item).ok_or_else(|| format!("{key} is no list of files"))?),
        }
    }
    urls.dedup();
    if urls.len() > MOST {
        return Err(format!("more than {MOST} files in one message"));
    }
    urls.iter().filter(|url| !url.is_empty()).zip(1..).map(|(url, n)| Picture::read(n, url)).collect()
}

fn url(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| ["url", "data_url"].iter().find_map(|key| item.get(*key)?.as_str()))
}

/// Files that wait to be fetched: the latest ones, for a while.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<VecDeque<Shelved>>);

#[derive(Debug)]
struct Shelved {
    id: String,
    since: Instant,
    file: Attachment,
}

/// How long a file can be fetched.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// How many files there are at most, and how many bytes they have together, unless there is only one.
const MOST_KEPT: usize = 64;
const MOST_BYTES: usize = 32 << 20;

impl Shelf {
    /// Keeps a file, and returns the path at which it can be fetched.
    pub(super) fn put(&self, file: Attachment) -> String {
        let id = uuid();
        let path = format!("/pico/media/{id}");
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.push_back(Shelved { id, since: Instant::now(), file });
        let size = |files: &VecDeque<Shelved>| files.iter().map(|kept| kept.file.bytes.len()).sum::<usize>();
        while files.len() > 1
            && (files.len() > MOST_KEPT || size(&files) > MOST_BYTES || files[0].since.elapsed() > KEPT)
        {
            files.pop_front();
        }
        path
    }

    /// The file with this id, which stays.
    pub(super) fn take(&self, id: &str) -> Option<Attachment> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = files.iter().find(|kept| kept.id == id && kept.since.elapsed() <= KEPT);
        kept.map(|kept| kept.file.clone())
    }
}

/// A file as an answer. A browser shows images and saves everything else: a page in a file must not run as one of the
/// gateway's.
pub(super) fn response(file: Attachment) -> Response {
    let mut response = Response::new(file.bytes.into());
    let headers = response.headers_mut();
    let mime = HeaderValue::from_str(&file.mime);
    headers.insert(CONTENT_TYPE, mime.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let name: String = file.name.chars().map(|c| if safe(c) { c } else { '_' }).collect();
    let how = if picture::is_shown(&file.mime) { "inline" } else { "attachment" };
    if let Ok(value) = HeaderValue::from_str(&format!("{how}; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn frame(payload: &Value) -> ClientFrame {
        ClientFrame::parse(&json!({ "payload": payload }).to_string()).unwrap()
    }

    #[test]
    fn images_come_in_every_form_of_the_protocol() {
        let data = "data:image/png;base64,AAEC";
        let expected =
            Picture { name: "image-1.png".into(), bytes: Bytes::from_static(&[0, 1, 2]), url: data.into() };
        for payload in [
            json!({ "media": data }),
            json!({ "media": [data] }),
            json!({ "media": { "data_url": data } }),
            json!({ "attachments": [{ "type": "image", "url": data }] }),
        ] {
            assert_eq!(read(&frame(&payload)).as_deref(), Ok([expected.clone()].as_slice()), "{payload}");
        }
        assert_eq!(read(&frame(&json!({ "content": "x" }))), Ok(Vec::new()));
        for payload in [
            json!({ "media": "https://example.com/a.png" }),
            json!({ "media": "data:text/html;base64,AAEC" }),
            json!({ "media": "data:image/png;base64,%%" }),
            json!({ "media": [{ "x": 1 }] }),
            json!({ "media": vec!["data:image/png;base64,AAEC,"; 17] }),
        ] {
            assert!(read(&frame(&payload)).is_err(), "{payload}");
        }
    }

    #[test]
    fn the_shelf_holds_the_latest_files() {
        let shelf = Shelf::default();
        let file = |size| Attachment { name: "a".into(), mime: "b/c".into(), bytes: vec![0; size].into() };
        let path = shelf.put(file(MOST_BYTES));
        let id = path.strip_prefix("/pico/media/").unwrap();
        assert!(shelf.take(id).is_some() && shelf.take("x").is_none());
        shelf.put(file(1));
        assert!(shelf.take(id).is_none());
    }

    #[test]
    fn only_images_are_shown_by_a_browser() {
        let file =
            |mime: &str| Attachment { name: "a\"/é.html".into(), mime: mime.into(), bytes: Bytes::new() };
        let how = |mime| response(file(mime)).headers()[CONTENT_DISPOSITION].to_str().unwrap().to_owned();
        assert_eq!(how("text/html"), "attachment; filename=\"a___.html\"");
        assert_eq!(how("image/png"), "inline; filename=\"a___.html\"");
    }
}
