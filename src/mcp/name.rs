//! What a server's tool is called: `mcp_<server>_<tool>`.

/// The longest name that models of all providers take.
const LONGEST: usize = 64;
/// A `_` and eight digits.
const SUFFIX: usize = 9;

/// The name under which a model sees a tool of a server. It stands in existing session histories, so it never changes.
///
/// What models do not take becomes `_`; if that loses something, or the name is too long, a hash of both names tells it
/// from others.
pub(super) fn tool_name(server: &str, tool: &str) -> String {
    let (plain_server, plain_tool) = (plain(server), plain(tool));
    let full = format!("mcp_{plain_server}_{plain_tool}");
    let lossless = server.to_lowercase() == plain_server && tool.to_lowercase() == plain_tool;
    if lossless && full.len() <= LONGEST {
        return full;
    }
    let hash = fnv1a([server.as_bytes(), b"\0", tool.as_bytes()].concat());
    let base = full.get(..LONGEST - SUFFIX).map_or(full.as_str(), |cut| cut.trim_end_matches('_'));
    format!("{base}_{hash:08x}")
}

/// Lower case, with one `_` for what is no letter, digit, `_` or `-`.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.to_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        if c != '_' || !plain.ends_with('_') {
            plain.push(c);
        }
    }
    let plain = plain.trim_matches('_');
    match plain {
        "" => "unnamed".to_owned(),
        // All of it is ASCII.
        _ => plain[..plain.len().min(LONGEST)].to_owned(),
    }
}

/// The 32-bit hash of Fowler, Noll and Vo, variant 1a.
fn fnv1a(bytes: Vec<u8>) -> u32 {
    bytes.into_iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference() {
        for (text, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(text.into()), hash, "{text}");
        }
    }

    #[test]
    fn names_are_what_models_take_and_never_the_same() {
        assert_eq!(tool_name("files", "read_file"), "mcp_files_read_file");
        assert_eq!(tool_name("GitHub", "get-Issue"), "mcp_github_get-issue");
        let long = tool_name("server", &"x".repeat(100));
        assert_eq!(long.len(), 64);
        assert!(long.starts_with("mcp_server_xxx"));
        assert_ne!(long, tool_name("server", &"x".repeat(99)));
        let lossy = tool_name("my server", "read");
        assert!(lossy.starts_with("mcp_my_server_read_") && lossy.len() == 19 + 8, "{lossy}");
        assert_ne!(lossy, tool_name("my.server", "read"));
        assert!(tool_name("ü", "日本").starts_with("mcp_unnamed_unnamed_"));
    }
}
