//! What the process finds around itself, so that tests can say it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Environment variables and the home directory of the user.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process. Variables that are not Unicode are left out.
    pub fn process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        // Unlike $HOME alone this also asks the user database: systemd sets no HOME for a service without User=.
        Self { variables, home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) }
    }

    /// An environment with this home directory of the user and no variables.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { variables: BTreeMap::new(), home: Some(home.into()) }
    }

    /// The same environment with one more variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The value of a variable; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it empty.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Every variable that is set and not empty, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(_, v)| !v.is_empty())
    }

    /// The home directory of the user, if there is one.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// `path` with a leading `~` replaced by the user's home directory.
    pub(super) fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_directory() {
        let environment = Environment::new("/home/ann");
        assert_eq!(environment.expand("~/x"), Path::new("/home/ann/x"));
        assert_eq!(environment.expand("~"), Path::new("/home/ann"));
        assert_eq!(environment.expand("~bob/x"), Path::new("~bob/x"));
        assert_eq!(environment.expand("/x"), Path::new("/x"));
    }

    #[test]
    fn the_process_has_variables() {
        assert_eq!(Environment::process().get("PATH"), std::env::var("PATH").ok().as_deref());
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let environment = Environment::new("/").with("A", "").with("B", "b");
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("B", "b")]);
    }
}
