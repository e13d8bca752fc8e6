//! The parts of a file that only matter when scrapes need a token.

const BEGIN: &str = "picoclaw:auth-begin";
const END: &str = "picoclaw:auth-end";

/// The text with those parts in force: their comment signs are taken off.
pub(super) fn uncomment(text: &str) -> String {
    let mut inside = false;
    let line = |line: &str| {
        if line.contains(BEGIN) || line.contains(END) {
            inside = line.contains(BEGIN);
            return line.to_owned();
        }
        if inside { bare(line) } else { line.to_owned() }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// The line without its comment sign, and without the one space after it; the indentation stays.
fn bare(line: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let (indentation, rest) = line.split_at(start);
    let Some(rest) = ["#", "//"].iter().find_map(|sign| rest.strip_prefix(sign)) else {
        return line.to_owned();
    };
    format!("{indentation}{}", rest.strip_prefix(' ').unwrap_or(rest))
}
