//! A file as `multipart/form-data` (RFC 7578).

use std::fmt::Write;

use picoclaw::chat::courier::Attachment;
use picoclaw::ids::uuid;

/// The content type and the body of a form with these fields and a file.
pub(super) fn encode(fields: &[(&str, String)], field: &str, file: &Attachment) -> (String, Vec<u8>) {
    // Nobody can guess it, so it is in no file.
    let boundary = uuid();
    let mut head = String::new();
    for (name, value) in fields {
        let _ = write!(
            head,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    let quoted = |text: &str| text.replace(['"', '\r', '\n', '\\'], "_");
    let _ = write!(
        head,
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{}\"\r\n\
         Content-Type: {}\r\n\r\n",
        quoted(&file.name),
        quoted(&file.mime)
    );
    let mut body = head.into_bytes();
    body.extend_from_slice(&file.bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_fields_and_its_file() {
        let file = Attachment { name: "a\"b.txt".into(), mime: "text/plain".into(), bytes: "hi".into() };
        let (kind, body) = encode(&[("chat_id", "5".to_owned())], "document", &file);
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a_b.txt\"\r\n\
             Content-Type: text/plain\r\n\r\nhi\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
