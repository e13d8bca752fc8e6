//! `picoclaw plugin`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::{Home, library, picoclaw, plugin, with_sinks};

#[test]
fn what_is_configured_is_listed() {
    let home = Home::new(json!({}));
    let command = plugin("b", json!({ "command": ["/bin/x", "-v"] }));
    let mut config =
        with_sinks(&[plugin("a", json!({ "path": "/x.so", "isolation": "in_process" })), command]);
    config["tools"] = json!({ "plugins": { "c": { "path": "/y.so" } } });
    home.configure(config);
    let output = picoclaw(home.path()).args(["plugin", "list"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "a (sink): /x.so in the gateway's process\n\
                    b (sink): /bin/x in a process of its own\n\
                    c (tools): /y.so in a process of its own\n";
    assert_eq!(text, expected);
}

#[test]
fn a_file_is_looked_at_in_a_process_that_is_thrown_away() {
    let home = Home::new(json!({}));
    let check = |drill: &str| {
        let config = format!("{{\"drill\":\"{drill}\"}}");
        let file = library(&home, "drill");
        let output =
            picoclaw(home.path()).args(["plugin", "check", "--config", &config]).arg(file).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (sound, text) = check("nothing");
    assert!(sound && text.contains("✓ picoclaw-plugin-drill") && text.contains("ABI 1.0"), "{text}");
    let (sound, text) = check("panic_in_create");
    assert!(!sound && text.contains("told to panic in create"), "{text}");
    assert!(!check("no such drill").0);
}

#[test]
fn a_new_plugin_builds_and_passes_its_tests_at_once() {
    let home = Home::new(json!({}));
    let new = |name: &str, language: &str| {
        let output = picoclaw(home.path())
            .current_dir(home.path())
            .args(["plugin", "new", name, "--lang", language])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let run = |folder: &Path, program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env_remove("CARGO_TARGET_DIR");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {text}");
        assert!(!text.contains("warning"), "{text}");
    };
    let check = |library: &Path| {
        let output = picoclaw(home.path()).args(["plugin", "check"]).arg(library).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("my-sink 0.1.0"), "{text}");
    };
    new("my-sink", "rust");
    let folder = home.join("my-sink");
    run(&folder, env!("CARGO"), &["test", "--offline", "--quiet"]);
    run(&folder, env!("CARGO"), &["build", "--offline", "--quiet"]);
    check(&folder.join("target/debug/libmy_sink.so"));
    std::fs::remove_dir_all(&folder).unwrap();
    new("my-sink", "c");
    run(&folder, "make", &["test"]);
    check(&folder.join("libmy-sink.so"));
}
