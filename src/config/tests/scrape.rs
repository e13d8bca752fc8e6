//! Who may scrape.

use serde_json::{Value, json};

use super::Home;
use crate::HealthDetails;

#[test]
fn the_token_may_stand_in_the_secrets_or_in_a_variable() {
    let home = Home::with_config(json!({"gateway": {"health_check": {"details": "authenticated"}}}))
        .file(".security.yml", "gateway:\n  metrics:\n    auth:\n      token: from-secrets\n");
    let loaded = home.load();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.secrets, ["from-secrets"]);
    assert_eq!(loaded.config.gateway.health_check.details, HealthDetails::Authenticated);
    assert!(!format!("{:?}", loaded.config).contains("from-secrets"));
    let auth = home
        .variable("PICOCLAW_GATEWAY_METRICS_AUTH_TOKEN", "from-variable")
        .load()
        .config
        .gateway
        .metrics()
        .auth;
    assert_eq!(auth.token.unwrap().expose(), "from-variable");
    assert!(Home::new().load().config.gateway.metrics().auth.is_open());
}

#[test]
fn what_cannot_be_shown_in_a_header_or_protects_nothing_is_refused() {
    let problems = |auth: Value| {
        let gateway = json!({"metrics": {"auth": auth}, "health_check": {"details": "authenticated"}});
        Home::with_config(json!({"gateway": gateway})).try_load().err().map_or(Vec::new(), |errors| {
            errors.problems.iter().map(|problem| problem.path.clone()).collect::<Vec<_>>()
        })
    };
    let none: [&str; 0] = [];
    assert_eq!(problems(json!({"token": "aA0-._~+/="})), none);
    assert_eq!(problems(json!({"username": "prom", "password": "any: thing"})), none);
    assert_eq!(problems(json!({"token": ""})), ["gateway.metrics.auth.token"]);
    assert_eq!(problems(json!({"token": "two words"})), ["gateway.metrics.auth.token"]);
    let details = "gateway.health_check.details";
    assert_eq!(problems(json!({})), [details]);
    assert_eq!(problems(json!({"username": "prom"})), ["gateway.metrics.auth.password", details]);
    assert_eq!(problems(json!({"password": "word"})), ["gateway.metrics.auth.username", details]);
    assert_eq!(problems(json!({"username": "a:b", "password": "c"})), ["gateway.metrics.auth.username"]);
}
