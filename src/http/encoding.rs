//! Compression of whole documents.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Smaller documents fit into one packet anyway.
const WORTH_IT: usize = 1024;

/// The document compressed, when the client takes it and it is worth it.
pub fn gzip(body: &Bytes, accept_encoding: Option<&str>) -> Option<Bytes> {
    if body.len() <= WORTH_IT || !accept_encoding.is_some_and(accepts_gzip) {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether an `Accept-Encoding` header allows gzip (RFC 9110, section 12.5.3).
pub fn accepts_gzip(header: &str) -> bool {
    let mut any = false;
    for item in header.split(',') {
        let mut parts = item.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let refused = parts.any(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or_default();
            key.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)
        });
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            // The name itself outranks the asterisk, wherever it stands.
            return !refused;
        }
        any |= name == "*" && !refused;
    }
    any
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn accept_encoding_is_understood() {
        for (header, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("GZIP ; Q=1.0", true),
            ("*", true),
            ("*;q=0.1", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*, gzip;q=0", false),
            ("identity", false),
            ("br, zstd", false),
            ("", false),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_gzip(header), expected, "{header}");
        }
    }

    #[test]
    fn only_large_documents_are_compressed() {
        let large = Bytes::from("x".repeat(WORTH_IT + 1));
        let packed = gzip(&large, Some("gzip")).unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, large);
        assert_eq!(gzip(&large.slice(1..), Some("gzip")), None);
        assert_eq!(gzip(&large, None), None);
    }
}
