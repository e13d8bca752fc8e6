//! A file that is no plugin for this gateway is refused with the reason, and the gateway serves on.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use crate::support::{Gateway, Home, c_library, library, picoclaw, plugin, wait_for, with_sinks};

/// What `picoclaw plugin check` says of a file.
fn check(home: &Home, file: &Path, config: &[&str]) -> (bool, String) {
    let output = picoclaw(home.path()).args(["plugin", "check"]).arg(file).args(config).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn wrong_libraries_are_refused_with_the_reason() {
    let home = Home::new(json!({}));
    for (name, flag, word) in [
        ("magic", "-DMAGIC=1", "not with PCLW"),
        ("major", "-DMAJOR=2", "built for ABI 2"),
        ("short", "-DSIZE=88", "88 bytes"),
        ("null", "-DCREATE=NULL", "no create"),
        ("symbol", "-DENTRY=another", "not a plugin"),
    ] {
        let file = c_library(&home, "drill/wrong.c", &format!("{name}.so"), &[flag]);
        let (sound, text) = check(&home, &file, &[]);
        assert!(!sound && text.contains(word), "{name}: {text}");
    }
    // Longer than any version that the gateway knows.
    let file = c_library(&home, "drill/wrong.c", "longer.so", &["-DSIZE=4096"]);
    let (sound, text) = check(&home, &file, &["--config", "{}"]);
    assert!(sound && text.contains("takes events"), "{text}");
    fs::write(home.join("text.so"), "not ELF").unwrap();
    assert!(check(&home, &home.join("text.so"), &[]).1.contains("text.so: not a shared library"));
    symlink(&file, home.join("link.so")).unwrap();
    assert!(check(&home, &home.join("link.so"), &[]).1.contains("symbolic link"));
    assert!(check(&home, &home.join("absent.so"), &[]).1.contains("No such file"));
    fs::set_permissions(&file, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(check(&home, &file, &[]).1.contains("chmod go-w"));
}

#[test]
fn a_library_with_another_digest_is_not_loaded_until_it_is_the_right_one() {
    for isolation in ["process", "in_process"] {
        let home = Home::new(json!({}));
        let path = library(&home, "drill");
        let options = |digest: &str| json!({ "path": path, "isolation": isolation, "sha256": digest });
        home.configure(with_sinks(&[plugin("p", options(&"0".repeat(64)))]));
        let gateway = Gateway::start_in(home);
        let output = gateway.logged("not the configured one");
        assert_eq!(gateway.sink("up", "p"), 0.0);
        let found = output.split("sha256 is ").nth(1).unwrap()[..64].to_owned();
        gateway.home.configure(with_sinks(&[plugin("p", options(&found))]));
        assert_eq!(gateway.reload().status, 200);
        wait_for("the sink to be up", || (gateway.sink("up", "p") == 1.0).then_some(()));
        let account = gateway.settled("p");
        assert!(account.delivered > 0.0, "{account:?}");
    }
}

#[test]
fn a_fault_of_c_code_is_survived() {
    let home = Home::new(json!({}));
    let path = c_library(&home, "drill/wrong.c", "fault.so", &[]);
    home.configure(with_sinks(&[plugin("p", json!({ "path": path }))]));
    let gateway = Gateway::start_in(home);
    gateway.logged("SIGSEGV");
    gateway.chat("s", "x");
}

#[test]
fn options_that_make_no_sense_are_found_before_the_start() {
    let home = Home::new(json!({}));
    home.configure(with_sinks(&[plugin("p", json!({ "path": "relative.so" }))]));
    let output = picoclaw(home.path()).args(["sinks", "check"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("telemetry.sinks[3].options.path: \"relative.so\" is not an absolute path"),
        "{text}"
    );
}
