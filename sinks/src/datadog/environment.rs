//! The environment variables that Datadog's own clients read.

use std::path::{Path, PathBuf};

use super::container;
use super::options::{Destination, is_address};

const DEFAULT_PORT: &str = "8125";

/// Where the environment says that the Agent is, or what is wrong with what it says.
pub(super) fn destination(variable: &dyn Fn(&str) -> Option<String>) -> Result<Destination, String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(url) = variable("DD_DOGSTATSD_URL") {
        return from_url(&url).ok_or_else(|| {
            format!("DD_DOGSTATSD_URL is {url:?}: expected udp://host:port, unix:///path or unixgram:///path")
        });
    }
    if let Some(path) = variable("DD_DOGSTATSD_SOCKET") {
        let path = path.strip_prefix("unix://").unwrap_or(&path);
        return absolute(path)
            .ok_or_else(|| format!("DD_DOGSTATSD_SOCKET is {path:?}: expected an absolute path"));
    }
    let host = variable("DD_AGENT_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    if let Some(path) = host.strip_prefix("unix://") {
        return absolute(path).ok_or_else(|| format!("DD_AGENT_HOST is {host:?}: expected unix:///path"));
    }
    let port = variable("DD_DOGSTATSD_PORT").unwrap_or_else(|| DEFAULT_PORT.to_owned());
    let bare_v6 = host.contains(':') && !host.starts_with('[');
    let address = if bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    if is_address(&address) {
        Ok(Destination::Udp(address))
    } else {
        Err(format!(
            "DD_AGENT_HOST and DD_DOGSTATSD_PORT give {address:?}: expected a name or address and a port"
        ))
    }
}

fn from_url(url: &str) -> Option<Destination> {
    if let Some(path) = ["unixgram://", "unix://"].iter().find_map(|scheme| url.strip_prefix(scheme)) {
        return absolute(path);
    }
    let address = url.strip_prefix("udp://").unwrap_or(url).trim_end_matches('/');
    let address = if is_address(address) { address.to_owned() } else { format!("{address}:{DEFAULT_PORT}") };
    (!address.contains("//") && is_address(&address)).then_some(Destination::Udp(address))
}

fn absolute(path: &str) -> Option<Destination> {
    Path::new(path).is_absolute().then(|| Destination::Unix(PathBuf::from(path)))
}

/// The tags of unified service tagging and `DD_TAGS` (separated by spaces or commas).
pub(super) fn tags(variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut tags = Vec::new();
    for (name, key) in [
        ("DD_ENV", "env"),
        ("DD_SERVICE", "service"),
        ("DD_VERSION", "version"),
        ("DD_ENTITY_ID", "dd.internal.entity_id"),
    ] {
        tags.extend(variable(name).map(|value| format!("{key}:{value}")));
    }
    let more = variable("DD_TAGS").unwrap_or_default();
    tags.extend(more.split([',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_owned));
    tags
}

/// Which container we run in, unless that is not to be told.
pub(super) fn origin(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let off = variable("DD_ORIGIN_DETECTION_ENABLED")
        .is_some_and(|v| matches!(v.to_ascii_lowercase().as_str(), "false" | "f" | "0" | "no"));
    if off { None } else { container::origin(Path::new("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn the_agent_is_found_where_datadogs_clients_find_it() {
        let udp = |address: &str| Ok(Destination::Udp(address.to_owned()));
        let unix = || Ok(Destination::Unix("/run/dsd.socket".into()));
        assert_eq!(destination(&with(&[])), udp("127.0.0.1:8125"));
        assert_eq!(destination(&with(&[("DD_AGENT_HOST", "agent")])), udp("agent:8125"));
        let both = [("DD_AGENT_HOST", "::1"), ("DD_DOGSTATSD_PORT", "9")];
        assert_eq!(destination(&move |name| with(&both)(name)), udp("[::1]:9"));
        for (url, expected) in [
            ("udp://a:1", udp("a:1")),
            ("udp://a", udp("a:8125")),
            ("udp://[::1]", udp("[::1]:8125")),
            ("unix:///run/dsd.socket", unix()),
            ("unixgram:///run/dsd.socket", unix()),
        ] {
            let found = destination(&|name| (name == "DD_DOGSTATSD_URL").then(|| url.to_owned()));
            assert_eq!(found, expected);
        }
        assert_eq!(destination(&with(&[("DD_DOGSTATSD_SOCKET", "/run/dsd.socket")])), unix());
        assert_eq!(destination(&with(&[("DD_AGENT_HOST", "unix:///run/dsd.socket")])), unix());
    }

    #[test]
    fn a_wrong_variable_is_named() {
        for (name, value) in [
            ("DD_DOGSTATSD_URL", "unixstream:///run/dsd.socket"),
            ("DD_DOGSTATSD_URL", "http://agent"),
            ("DD_DOGSTATSD_SOCKET", "dsd.socket"),
            ("DD_DOGSTATSD_PORT", "statsd"),
        ] {
            let error = destination(&|asked| (asked == name).then(|| value.to_owned())).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn service_tags_and_further_tags_are_taken() {
        let found = tags(&with(&[("DD_ENV", "prod"), ("DD_TAGS", "team:a, region:b")]));
        assert_eq!(found, ["env:prod", "team:a", "region:b"]);
    }

    #[test]
    fn the_origin_can_be_kept_back() {
        assert_eq!(origin(&with(&[("DD_ORIGIN_DETECTION_ENABLED", "False")])), None);
    }
}
