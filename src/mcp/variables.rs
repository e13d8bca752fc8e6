//! Files of variables: `NAME=value`, a line each.

use std::io::Read;
use std::path::Path;

/// Largest file, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// The variables of a file.
///
/// # Errors
/// When it cannot be read, is too large, or has a line that is none; the line is numbered and not shown.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, String> {
    let failed = |error: std::io::Error| format!("its env_file {} cannot be read: {error}", path.display());
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("its env_file {} has more than {MAX_FILE} bytes", path.display()));
    }
    parse(&text).map_err(|line| format!("its env_file {} has no NAME=value in line {line}", path.display()))
}

fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(index + 1)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.contains(char::is_whitespace) || line.contains('\0') {
            return Err(index + 1);
        }
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables() {
        let text = "# comment\n\nA=1\nexport B = 'two words' \nC=\"x=y\"\nD=\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", "")];
        let found = parse(text).unwrap();
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(parse("A=1\nsecret"), Err(2));
        assert_eq!(parse("A B=1"), Err(1));
    }
}
