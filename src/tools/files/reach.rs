//! How far file tools reach beyond the workspace.

use std::path::Path;

use super::super::patterns::Patterns;

/// What a tool wants of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// How far file tools reach beyond the workspace. By default not at all.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Everything may be read and written: the operator lifted the restriction.
    pub everywhere: bool,
    /// Everything may be read.
    pub read_everywhere: bool,
    /// Absolute paths outside the workspace that may be read.
    pub read: Patterns,
    /// Absolute paths outside the workspace that may be written.
    pub write: Patterns,
}

impl Reach {
    /// Whether a path outside the workspace, without links or detours, may be used so.
    pub(super) fn allows(&self, path: &Path, access: Access) -> bool {
        let (all, patterns) = match access {
            Access::Read => (self.read_everywhere, &self.read),
            Access::Write => (false, &self.write),
        };
        self.everywhere || all || patterns.matches(&path.to_string_lossy())
    }

    /// Whether nothing outside the workspace may be used at all.
    pub fn is_nothing(&self) -> bool {
        !self.everywhere && !self.read_everywhere && self.read.is_empty() && self.write.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_gives_what_it_says() {
        let logs = || Patterns::new(["^/var/log/"]);
        let allows = |reach: &Reach, path: &str| {
            [Access::Read, Access::Write].map(|access| reach.allows(Path::new(path), access))
        };
        assert_eq!(allows(&Reach::default(), "/var/log/a"), [false, false]);
        assert_eq!(allows(&Reach { everywhere: true, ..Reach::default() }, "/a"), [true, true]);
        assert_eq!(allows(&Reach { read_everywhere: true, ..Reach::default() }, "/a"), [true, false]);
        assert_eq!(allows(&Reach { read: logs(), ..Reach::default() }, "/var/log/a"), [true, false]);
        assert_eq!(allows(&Reach { write: logs(), ..Reach::default() }, "/var/log/a"), [false, true]);
        assert_eq!(allows(&Reach { write: logs(), ..Reach::default() }, "/home/var/log/a"), [false, false]);
        assert!(Reach::default().is_nothing() && !Reach { read: logs(), ..Reach::default() }.is_nothing());
    }
}
