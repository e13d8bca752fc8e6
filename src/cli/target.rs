//! Which gateway the commands ask, and with which credentials.

use std::path::Path;

use anyhow::Context as _;

use picoclaw::config::{ConfigErrors, Environment, Loaded, Paths, ScrapeAuth};
use picoclaw::http::guard::basic_credential;
use picoclaw::pidfile::{self, PidRecord, address_of};

/// A gateway to ask.
pub(super) struct Target {
    base: String,
    health_base: String,
    health_path: String,
    metrics_path: Option<String>,
    /// The value of the `Authorization` header.
    authorization: Option<String>,
}

impl Target {
    /// The gateway that runs on this home directory. Only in a container, whose pid file is no proof, is it looked for
    /// where the configuration says: elsewhere another home's gateway may listen there.
    ///
    /// # Errors
    /// When none runs.
    pub(super) fn of(loaded: &Loaded) -> anyhow::Result<Self> {
        let gateway = &loaded.config.gateway;
        let pid_file = &loaded.paths.pid_file;
        let running = pidfile::running(pid_file);
        let may_be_in_container = recorded_pid(pid_file) == Some(1) && gateway.port != 0;
        if running.is_none() && !may_be_in_container {
            anyhow::bail!(
                "no gateway runs with {}: start it, or name another one's address with --url, such as \
                 http://127.0.0.1:18790",
                loaded.paths.home.display()
            );
        }
        let url = |port: u16| match &running {
            Some(record) => record.url(port, ""),
            None => format!("http://{}", address_of(&gateway.host, port)),
        };
        let port = running.as_ref().map_or(gateway.port, |record| record.port);
        let operator = running.as_ref().map(|record| format!("Bearer {}", record.token));
        Ok(Self {
            base: url(port),
            health_base: url(gateway.health_check.port.unwrap_or(port)),
            health_path: gateway.health_check.path.clone(),
            metrics_path: metrics_path(loaded),
            authorization: operator.or_else(|| scrape_authorization(&gateway.metrics().auth)),
        })
    }

    /// The same, also when the configuration on disk cannot be used: the gateway goes on with what it has read, at the
    /// usual paths. What is wrong is then passed to `complain`.
    ///
    /// # Errors
    /// When none runs; with a broken configuration the error is what is wrong with it.
    pub(super) fn of_either(
        loaded: Result<&Loaded, &ConfigErrors>,
        environment: &Environment,
        complain: impl FnOnce(&str),
    ) -> anyhow::Result<Self> {
        match loaded {
            Ok(loaded) => Self::of(loaded),
            Err(errors) => match Self::running(environment) {
                Some(target) => {
                    complain(&format!(
                        "{errors}\nThe running gateway goes on with the configuration that it has."
                    ));
                    Ok(target)
                }
                None => Err(errors.clone().into()),
            },
        }
    }

    /// The running gateway when its configuration cannot be read any more: at the usual paths.
    pub(super) fn running(environment: &Environment) -> Option<Self> {
        let record: PidRecord = pidfile::running(&Paths::find(environment)?.pid_file)?;
        Some(Self {
            base: record.url(record.port, ""),
            health_base: record.url(record.port, ""),
            health_path: "/health".to_owned(),
            metrics_path: Some("/metrics".to_owned()),
            authorization: Some(format!("Bearer {}", record.token)),
        })
    }

    /// Another gateway at this address, with or without a path. It is shown the configured scrape credentials, and
    /// never the token of this machine's gateway.
    pub(super) fn at(url: &str, loaded: Option<&Loaded>) -> anyhow::Result<Self> {
        let (base, path) = split(url)?;
        let config = loaded.map(|loaded| &loaded.config.gateway);
        let configured_health =
            config.map_or_else(|| "/health".to_owned(), |config| config.health_check.path.clone());
        let configured_metrics = loaded.and_then(metrics_path).unwrap_or_else(|| "/metrics".to_owned());
        Ok(Self {
            base: base.clone(),
            health_base: base,
            health_path: path.clone().unwrap_or(configured_health),
            metrics_path: Some(path.unwrap_or(configured_metrics)),
            authorization: config.and_then(|config| scrape_authorization(&config.metrics().auth)),
        })
    }

    /// Where it tells how it is.
    pub(super) fn health_url(&self) -> String {
        format!("{}{}", self.health_base, self.health_path)
    }

    /// Where its metrics are.
    ///
    /// # Errors
    /// When no sink serves any.
    pub(super) fn metrics_url(&self) -> anyhow::Result<String> {
        let path = self.metrics_path.as_ref();
        let path = path.context("no prometheus sink is enabled: set gateway.metrics.enabled")?;
        Ok(format!("{}{path}", self.base))
    }

    /// Where it tells how its parts are.
    pub(super) fn ready_url(&self) -> String {
        format!("{}/ready", self.health_base)
    }

    /// Where it is told to read its configuration again.
    pub(super) fn reload_url(&self) -> String {
        format!("{}/reload", self.base)
    }

    /// What the `Authorization` header should say.
    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

/// The process that a pid file names, whether or not it lives.
fn recorded_pid(pid_file: &Path) -> Option<u32> {
    let record: PidRecord = serde_json::from_slice(&std::fs::read(pid_file).ok()?).ok()?;
    Some(record.pid)
}

/// The path of the first Prometheus endpoint, if one is enabled.
pub(super) fn metrics_path(loaded: &Loaded) -> Option<String> {
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    let sink = sinks.into_iter().find(|sink| sink.enabled && sink.kind == "prometheus")?;
    let path = sink.options.get("path").and_then(|path| path.as_str()).unwrap_or("/metrics");
    Some(path.to_owned())
}

fn scrape_authorization(auth: &ScrapeAuth) -> Option<String> {
    let bearer = auth.token.as_ref().map(|token| format!("Bearer {}", token.expose()));
    bearer.or_else(|| {
        let (name, password) = auth.user()?;
        Some(format!("Basic {}", basic_credential(name, password.expose())))
    })
}

/// `http://host:port` and the path, if there is more than `/`.
fn split(url: &str) -> anyhow::Result<(String, Option<String>)> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let wrong = "expected an address such as http://127.0.0.1:18790";
    let uri: hyper::Uri = with_scheme.parse().with_context(|| format!("--url {url}: {wrong}"))?;
    let authority = uri.authority().with_context(|| format!("--url {url}: {wrong}"))?;
    anyhow::ensure!(uri.scheme_str() == Some("http"), "--url {url}: only http is spoken; {wrong}");
    anyhow::ensure!(
        !authority.as_str().contains('@'),
        "--url holds a password: configure gateway.metrics.auth instead"
    );
    let path = uri.path_and_query().map(ToString::to_string).filter(|path| path != "/");
    Ok((format!("http://{authority}"), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_with_and_without_scheme_and_path() {
        let parts = |url: &str| split(url).map_err(|error| error.to_string());
        assert_eq!(parts("gw:1"), Ok(("http://gw:1".into(), None)));
        assert_eq!(parts("http://[::1]:1/"), Ok(("http://[::1]:1".into(), None)));
        assert_eq!(parts("http://gw/up?x=1"), Ok(("http://gw".into(), Some("/up?x=1".into()))));
        assert!(parts("https://gw").unwrap_err().contains("only http"));
        assert!(parts("/health").unwrap_err().contains("expected an address"));
        let with_password = parts("http://u:hunter2@gw").unwrap_err();
        assert!(!with_password.contains("hunter2"), "{with_password}");
    }
}
