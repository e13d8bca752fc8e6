//! Which metrics belong together.

/// Subjects in the order of the page, with the beginnings of the names that belong to them.
const SUBJECTS: &[(&str, &[&str])] = &[
    (
        "Messages",
        &[
            "picoclaw_messages",
            "picoclaw_queue_",
            "picoclaw_turns_",
            "picoclaw_subturns_",
            "picoclaw_agent_",
            "picoclaw_commands_",
            "picoclaw_compactions_",
            "picoclaw_images_",
            "picoclaw_media_",
            "picoclaw_response_",
        ],
    ),
    ("Channels", &["picoclaw_channel_", "picoclaw_outbound_"]),
    ("Providers", &["picoclaw_provider_"]),
    ("Cost", &["picoclaw_cost_"]),
    ("Tools", &["picoclaw_tool_", "picoclaw_plugin_"]),
    ("MCP servers", &["picoclaw_mcp_"]),
    ("Jobs and heartbeat", &["picoclaw_cron_", "picoclaw_heartbeats_"]),
    ("Hooks", &["picoclaw_hook_"]),
    ("Sessions", &["picoclaw_session_"]),
    (
        "Gateway",
        &[
            "picoclaw_health_",
            "picoclaw_config_",
            "picoclaw_build_",
            "picoclaw_http_",
            "picoclaw_log_",
            "picoclaw_event_loop_",
        ],
    ),
    ("Telemetry", &["picoclaw_sink_", "picoclaw_telemetry_", "picoclaw_label_"]),
    ("Process", &["process_"]),
];

/// The subject of what belongs to no other.
const OTHERS: &str = "Others";

/// Every subject, in the order of the page.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    SUBJECTS.iter().map(|(subject, _)| *subject).chain([OTHERS])
}

/// The subject of a metric.
pub(super) fn of(name: &str) -> &'static str {
    let found = SUBJECTS
        .iter()
        .find(|(_, beginnings)| beginnings.iter().any(|beginning| name.starts_with(beginning)));
    found.map_or(OTHERS, |(subject, _)| subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_has_a_subject() {
        for metric in picoclaw_telemetry::Metric::ALL {
            assert_ne!(of(metric.info().name), OTHERS, "{}", metric.info().name);
        }
        assert_eq!(of("go_goroutines"), OTHERS);
    }
}
