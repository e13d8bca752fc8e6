use std::collections::BTreeSet;
use std::path::Path;

use super::{Facts, Filled, Integration, all, fill, find};
use picoclaw::config::SecretString;

fn facts() -> Facts {
    Facts {
        address: "10.0.0.5:9000".into(),
        metrics_path: "/m".into(),
        health_path: "/up".into(),
        log_file: Some("/data/logs/gw.log".into()),
        program: "/opt/picoclaw".into(),
        home: "/srv/claw".into(),
        job: "gw".into(),
        token: None,
        show_token: false,
    }
}

fn filled(path: &'static str, text: &'static str, facts: &Facts) -> Filled {
    fill(&Integration { path, text }, facts)
}

#[test]
fn every_file_of_the_folder_is_there_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut on_disk = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                on_disk.insert((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let embedded: BTreeSet<_> =
        all().iter().map(|file| (file.path.to_owned(), file.text.to_owned())).collect();
    let differing: Vec<_> = embedded.symmetric_difference(&on_disk).map(|(name, _)| name).collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert!(!embedded.is_empty());
}

#[test]
fn no_file_keeps_a_usual_value_that_is_another_here() {
    let facts = Facts { token: Some(SecretString::new("t0ken")), show_token: true, ..facts() };
    for file in all().iter().filter(|file| !file.path.contains("guide/")) {
        let filled = fill(file, &facts);
        let own = matches!(file.folder(), "docker" | "kubernetes");
        assert!(own || !filled.text.contains("127.0.0.1:18790"), "{}", file.path);
        assert!(
            own || file.folder() == "systemd" || !filled.text.contains("/var/lib/picoclaw"),
            "{}",
            file.path
        );
        assert!(!filled.text.contains("PICOCLAW_SCRAPE_TOKEN"), "{}", file.path);
        assert_eq!(filled.notes, Vec::<&str>::new(), "{}", file.path);
    }
}

#[test]
fn files_are_found_by_folder_path_and_name() {
    assert_eq!(find("picoclaw.json").len(), 1);
    assert_eq!(find("/picoclaw.json").len(), 1);
    assert_eq!(find("nothing"), []);
    assert_eq!(find("picoclaw.jso"), []);
}

#[test]
fn a_file_describes_itself() {
    let describe = |text| Integration { path: "x/y", text }.description();
    assert_eq!(describe("\n# Scrapes it.\n# More.\n"), "Scrapes it.");
    assert_eq!(describe("// The log.\n"), "The log.");
    assert_eq!(describe("{{/* Texts. */}}\n"), "Texts.");
    assert_eq!(describe(r#"{"title": "A dashboard"}"#), "A dashboard");
    assert_eq!(describe("[PARSER]\n"), "");
}

#[test]
fn words_are_replaced_and_parts_of_words_are_not() {
    let text = |text| filled("x/y.yml", text, &facts()).text;
    for (usual, here) in [
        ("url: http://127.0.0.1:18790/metrics", "url: http://10.0.0.5:9000/m"),
        ("targets: ['127.0.0.1:18790']", "targets: ['10.0.0.5:9000']"),
        ("metrics_path: /metrics", "metrics_path: /m"),
        ("http://picoclaw:18790/health?x", "http://picoclaw:18790/up?x"),
        ("ask /health.", "ask /up."),
        ("/var/log/picoclaw/*.log", "/data/logs/*.log"),
        ("\"/var/log/picoclaw/picoclaw.log\"", "\"/data/logs/gw.log\""),
        ("/var/log/picoclaw/picoclaw.log.1", "/data/logs/picoclaw.log.1"),
        ("ExecStart=/usr/local/bin/picoclaw gateway", "ExecStart=/opt/picoclaw gateway"),
        ("job_name: 'picoclaw'", "job_name: 'gw'"),
        ("up{job=\"picoclaw\"}", "up{job=\"gw\"}"),
        ("up{job=~\\\"picoclaw\\\"}", "up{job=~\\\"gw\\\"}"),
        ("\"job\" = \"picoclaw\"", "\"job\" = \"gw\""),
    ] {
        assert_eq!(text(usual), here);
    }
    for same in [
        "127.0.0.1:187901 1127.0.0.1:18790",
        "http://127.0.0.1:9090/metrics",
        "/metrics_x /metrics-x /metrics/x docs/metrics.md /api/health /healthy",
        "/var/log/picoclaw2 /mnt/var/log/picoclaw /var/log/picoclaw.log",
        "/usr/local/bin/picoclaw-monitor /usr/local/bin/picoclaw.sh",
        "job_name: 'picoclaw-blackbox'",
        "service: picoclaw, myjob=\"picoclaw\", the job picoclaw",
    ] {
        assert_eq!(text(same), same);
    }
}

#[test]
fn what_was_filled_in_is_not_filled_in_again() {
    let facts = Facts { metrics_path: "/health".into(), health_path: "/metrics".into(), ..facts() };
    assert_eq!(filled("x/y", "/metrics /health", &facts).text, "/health /metrics");
}

#[test]
fn settings_for_a_token_are_in_force_when_there_is_one() {
    const TEXT: &str = "a: 1\n  # picoclaw:auth-begin\n  # authorization:\n  #   credentials: PICOCLAW_SCRAPE_TOKEN\n  \
                        # picoclaw:auth-end\n# b: 2\n";
    assert_eq!(filled("x/y", TEXT, &facts()), Filled { text: TEXT.into(), is_secret: false, notes: vec![] });
    let with_token = Facts { token: Some(SecretString::new("t0ken")), ..facts() };
    let hidden = filled("x/y", TEXT, &with_token);
    assert!(
        hidden.text.contains("\n  authorization:\n    credentials: PICOCLAW_SCRAPE_TOKEN\n"),
        "{}",
        hidden.text
    );
    assert!(hidden.text.ends_with("# b: 2\n") && !hidden.is_secret);
    assert!(hidden.notes[0].contains("--show-secrets"));
    let shown = filled("x/y", TEXT, &Facts { show_token: true, ..with_token });
    assert!(shown.text.contains("    credentials: t0ken\n") && shown.is_secret && shown.notes.is_empty());
}

#[test]
fn the_guides_form_and_what_brings_its_own_gateway_stay() {
    const TEXT: &str = "127.0.0.1:18790 /usr/local/bin/picoclaw /var/log/picoclaw/picoclaw.log /health";
    assert_eq!(filled("cron/guide/x", TEXT, &facts()).text, TEXT);
    assert_eq!(filled("picoclaw.json", TEXT, &facts()).text, TEXT);
    assert_eq!(filled("docker/x", TEXT, &facts()).text, TEXT.replace("/health", "/up"));
    let unit = filled("systemd/x", TEXT, &facts()).text;
    assert_eq!(unit, "10.0.0.5:9000 /opt/picoclaw /var/log/picoclaw/picoclaw.log /up");
    let without_log = Facts { log_file: None, ..facts() };
    assert_eq!(filled("loki/x", TEXT, &without_log).notes.len(), 1);
    assert!(filled("loki/x", TEXT, &without_log).text.contains("/var/log/picoclaw/picoclaw.log"));
}
