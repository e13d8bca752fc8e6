//! What whoever started the gateway reads: the lines that the existing PicoClaw prints, and what to do next.

use std::net::SocketAddr;

use picoclaw_telemetry::sink::Route;

use picoclaw::config::Config;

/// Where the gateway listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening {
    /// The addresses of the gateway, at least one.
    pub(super) addresses: Vec<SocketAddr>,
    /// The address of the port for probes, if they have one of their own.
    pub(super) probes: Option<SocketAddr>,
}

impl Listening {
    /// The first address, for people.
    pub(super) fn address(&self) -> String {
        self.addresses.first().map_or_else(String::new, ToString::to_string)
    }
}

/// The lines. They promise nothing that would be refused.
pub(super) fn lines(config: &Config, listening: &Listening, routes: &[Route]) -> Vec<String> {
    let address = listening.address();
    let health = &config.gateway.health_check;
    let mut lines = vec![format!("✓ Gateway started on {address}")];
    if health.enabled {
        let path = &health.path;
        lines.push(format!(
            "✓ Health endpoints available at http://{address}{path}, /ready and /reload (POST)"
        ));
        if let Some(probes) = listening.probes {
            lines.push(format!("✓ Probes are answered at http://{probes}{path}, /ready and /live, too"));
        }
    }
    for route in routes.iter().filter(|route| !(health.enabled && route.path == health.path)) {
        lines.push(format!("✓ Metrics available at http://{address}{}", route.path));
    }
    lines.push(chat(config, listening));
    lines.push("Press Ctrl+C to stop".to_owned());
    lines
}

/// Without a key only who connects to a loopback address is let in.
fn chat(config: &Config, listening: &Listening) -> String {
    let mut open = listening
        .addresses
        .iter()
        .filter(|address| config.gateway.api_key.is_some() || address.ip().to_canonical().is_loopback());
    match open.next() {
        Some(address) => {
            let key = if config.gateway.api_key.is_some() { " with the key gateway.api_key" } else { "" };
            format!(
                "✓ Chat with the model `{}` at http://{address}/v1/chat/completions{key}",
                config.default_model()
            )
        }
        None => "✗ Messages are refused, except those of `picoclaw agent`: others can connect to this address, and \
                 gateway.api_key is not set"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(config: serde_json::Value, addresses: &[&str], probes: Option<&str>) -> Vec<String> {
        let config: Config = serde_json::from_value(config).unwrap();
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        lines(&config, &Listening { addresses, probes: probes.map(|probes| probes.parse().unwrap()) }, &[])
    }

    #[test]
    fn nobody_is_invited_to_what_is_refused() {
        let last = |config, addresses| said(config, addresses, None).into_iter().rev().nth(1).unwrap();
        assert!(
            last(json!({}), &["127.0.0.1:1"])
                .starts_with("✓ Chat with the model `echo` at http://127.0.0.1:1/")
        );
        assert!(last(json!({}), &["0.0.0.0:1"]).starts_with("✗ Messages are refused"));
        assert!(last(json!({}), &["10.0.0.1:1", "[::1]:1"]).contains(" at http://[::1]:1/"));
        let keyed = json!({ "gateway": { "api_key": "k" } });
        let line = last(keyed, &["0.0.0.0:1"]);
        assert!(
            line.contains("http://0.0.0.0:1/") && line.ends_with("with the key gateway.api_key"),
            "{line}"
        );
    }

    #[test]
    fn a_port_for_probes_is_named() {
        let lines = said(json!({}), &["127.0.0.1:1"], Some("127.0.0.1:2"));
        assert!(lines.iter().any(|line| line.contains("http://127.0.0.1:2/health")), "{lines:?}");
    }
}
