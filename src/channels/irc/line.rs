//! A line of the protocol (RFC 1459, RFC 2812, and the tags of IRCv3).

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Who says it: `nick!user@host`, or a server.
    pub(super) source: &'a str,
    /// The word or number that says what it is.
    pub(super) command: &'a str,
    /// The rest.
    pub(super) parameters: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` when there is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut rest = text.trim_end_matches(['\r', '\n']);
        if rest.starts_with('@') {
            rest = rest.split_once(' ')?.1.trim_start();
        }
        let mut source = "";
        if let Some(begun) = rest.strip_prefix(':') {
            let (who, what) = begun.split_once(' ')?;
            (source, rest) = (who, what.trim_start());
        }
        let mut words = rest;
        let mut next = || {
            let (word, after) = words.split_once(' ').unwrap_or((words, ""));
            words = after.trim_start();
            (word, words)
        };
        let (command, mut left) = next();
        let mut parameters = Vec::new();
        while !left.is_empty() {
            if let Some(last) = left.strip_prefix(':') {
                parameters.push(last);
                break;
            }
            let word;
            (word, left) = next();
            parameters.push(word);
        }
        (!command.is_empty()).then_some(Self { source, command, parameters })
    }

    /// A parameter; empty when it is missing.
    pub(super) fn parameter(&self, n: usize) -> &'a str {
        self.parameters.get(n).copied().unwrap_or_default()
    }

    /// The last parameter, which is what a person can read.
    pub(super) fn words(&self) -> &'a str {
        self.parameters.last().copied().unwrap_or_default()
    }

    /// The name of the person who says it.
    pub(super) fn nick(&self) -> &'a str {
        self.source.split(['!', '@']).next().unwrap_or_default()
    }
}

/// Whether a name is that of a room.
pub(super) fn is_room(name: &str) -> bool {
    name.starts_with(['#', '&', '+', '!'])
}

/// Whether two names are the same.
pub(super) fn same(one: &str, other: &str) -> bool {
    // To IRC these are the upper and lower case of one letter.
    let lower = |c: char| match c {
        '[' => '{',
        ']' => '}',
        '\\' => '|',
        '~' => '^',
        c => c.to_ascii_lowercase(),
    };
    one.chars().map(lower).eq(other.chars().map(lower))
}

/// What a text says to somebody of this name; `None` when it does not mention it. `pico: hello` says `hello`.
pub(super) fn mention<'a>(text: &'a str, nick: &str) -> Option<&'a str> {
    let is_part = |c: char| c.is_alphanumeric() || "-_[]\\`^{}|".contains(c);
    let mut from = 0;
    while let Some(window) = text.get(from..) {
        let length = nick.len();
        let here = window.get(..length).is_some_and(|word| same(word, nick));
        let before = text[..from].chars().next_back().is_none_or(|c| !is_part(c));
        let after = window.get(length..).is_some_and(|rest| !rest.starts_with(is_part));
        if here && before && after {
            let rest = &window[length..];
            let addressed = from == 0 && rest.starts_with([':', ',']);
            return Some(if addressed { rest[1..].trim_start() } else { text });
        }
        let Some(step) = window.chars().next() else { break };
        from += step.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_and_without_tags_and_source() {
        let line = Line::parse("@time=x;a=b :ann!a@host PRIVMSG #pico :hello  there :)\r\n").unwrap();
        assert_eq!((line.nick(), line.source, line.command), ("ann", "ann!a@host", "PRIVMSG"));
        assert_eq!(line.parameters, ["#pico", "hello  there :)"]);
        let ping = Line::parse("PING :token").unwrap();
        assert_eq!((ping.command, ping.words()), ("PING", "token"));
        let welcome = Line::parse(":server 001 pico  :Welcome").unwrap();
        assert_eq!((welcome.parameter(0), welcome.words(), welcome.parameter(7)), ("pico", "Welcome", ""));
        let names = Line::parse(":s CAP * LS").unwrap();
        assert_eq!(names.parameters, ["*", "LS"]);
        assert_eq!(Line::parse(":s 005 p :").unwrap().parameters, ["p", ""]);
        for nothing in ["", "\r\n", ":source", "@tags"] {
            assert_eq!(Line::parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_mention_is_the_whole_name() {
        for (text, expected) in [
            ("Pico: hello", Some("hello")),
            ("pico, hello", Some("hello")),
            ("hello pico!", Some("hello pico!")),
            ("pico", Some("pico")),
            ("picoclaw: hello", None),
            ("my_pico is", None),
            ("äpico", None),
            ("hello", None),
            ("", None),
        ] {
            assert_eq!(mention(text, "pico"), expected, "{text}");
        }
        assert!(same("pico[1]", "PICO{1}"));
    }
}
