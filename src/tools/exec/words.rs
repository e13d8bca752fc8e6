//! The words of a command that may be paths.

/// The words of a command that may lead somewhere: absolute paths, those with `..`, homes, and the names of files.
///
/// The shell's quoting is not understood but cut at, so a path in quotes or behind an option is a word too.
pub(super) fn paths(command: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "\"'`=<>|&;(){}[],".contains(c);
    let words = command.split(ends).flat_map(colons).map(|word| match word.as_bytes() {
        // An option's value without a space: -I/usr/include
        [b'-', letter, b'/' | b'~' | b'.', ..] if letter.is_ascii_alphabetic() => &word[2..],
        _ => word,
    });
    words.chain(goes_home(command).then_some("~"))
}

/// Whether a `cd` in the command has no path, which leads home.
fn goes_home(command: &str) -> bool {
    const BEFORE: [&str; 6] = ["command", "builtin", "then", "do", "else", "!"];
    command.split(|c| ";&|(){}\n".contains(c)).any(|part| {
        let mut words = part.split_whitespace().skip_while(|word| BEFORE.contains(word));
        let is_cd = words.next().is_some_and(|word| word.trim_start_matches('\\') == "cd");
        // `cd >/dev/null` has no path either, nor has `cd $UNSET`.
        let is_path = |word: &str| match word.as_bytes() {
            [b'-', _, ..] => false,
            [b'$', name @ ..] => name.starts_with(b"PWD"),
            _ => true,
        };
        is_cd && !words.take_while(|word| !word.contains(['<', '>'])).any(is_path)
    })
}

/// The parts between colons; an address of the network is none of a file.
fn colons(word: &str) -> Vec<&str> {
    if word.contains("://") { Vec::new() } else { word.split(':').filter(|part| !part.is_empty()).collect() }
}

/// Whether a word starts in somebody's home.
pub(crate) fn is_in_home(word: &str) -> bool {
    word.starts_with('~') || word.starts_with("$HOME")
}

/// Whether a word is one of the devices that every command may use.
pub(crate) fn is_harmless(word: &str) -> bool {
    let name = word.strip_prefix("/dev/");
    name.is_some_and(|name| {
        matches!(
            name,
            "null" | "zero" | "full" | "random" | "urandom" | "stdin" | "stdout" | "stderr" | "tty"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let words = |command| paths(command).collect::<Vec<_>>();
        assert_eq!(words("cat /etc/passwd"), ["cat", "/etc/passwd"]);
        assert_eq!(words("cat '/etc/shadow';ls"), ["cat", "/etc/shadow", "ls"]);
        assert_eq!(
            words("gcc -I/usr/include --out=/tmp/x a.c"),
            ["gcc", "/usr/include", "--out", "/tmp/x", "a.c"]
        );
        assert_eq!(words("PATH=/bin:/sbin x 2>/dev/null"), ["PATH", "/bin", "/sbin", "x", "2", "/dev/null"]);
        assert_eq!(words("python3 -c \"open('/etc/hosts')\""), ["python3", "-c", "open", "/etc/hosts"]);
        assert_eq!(words("curl https://a.test/b?c"), ["curl"]);
        assert!(is_in_home("~/x") && is_in_home("$HOME/.ssh") && !is_in_home("a~"));
        assert!(is_harmless("/dev/null") && !is_harmless("/dev/sda") && !is_harmless("null"));
    }

    #[test]
    fn a_cd_without_a_path_leads_home() {
        for command in [
            "cd",
            "cd; cat .ssh/id",
            "ls && cd -P && ls",
            "(cd\nls)",
            "if x; then cd; fi",
            "\\cd >/dev/null; ls",
            "cd $NOPE; ls",
        ] {
            assert!(goes_home(command), "{command}");
        }
        for command in [
            "cd src",
            "cd -- src && ls",
            "echo cd",
            "cdparanoia",
            "cd a; ls",
            "cd 'my dir'",
            "cd -",
            "cd $PWD/src",
        ] {
            assert!(!goes_home(command), "{command}");
        }
    }
}
