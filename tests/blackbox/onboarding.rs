//! From nothing to a configured gateway on the command line, and back, without losing what the user wrote.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, picoclaw, wait_for};

fn run(home: &Home, arguments: &[&str]) -> (bool, String) {
    feed(home, arguments, "")
}

fn feed(home: &Home, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = picoclaw(home.path());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn empty() -> Home {
    let home = Home::new(json!({}));
    fs::remove_file(home.join("config.json")).unwrap();
    home
}

fn config(home: &Home) -> Value {
    serde_json::from_slice(&fs::read(home.join("config.json")).unwrap()).unwrap()
}

#[test]
fn a_container_is_set_up_without_questions_and_nothing_is_overwritten() {
    let home = empty();
    let (ok, said) = run(&home, &["onboard"]);
    assert!(ok, "{said}");
    for file in ["AGENT.md", "IDENTITY.md", "SOUL.md", "USER.md", "HEARTBEAT.md", "memory/MEMORY.md"] {
        assert!(home.join("workspace").join(file).is_file(), "{file}");
    }
    assert_eq!(run(&home, &["agent", "-m", "hello"]).1, "hello\n");
    fs::write(home.join("workspace/USER.md"), "mine").unwrap();
    let before = config(&home);
    assert!(run(&home, &["onboard"]).0);
    assert_eq!(fs::read_to_string(home.join("workspace/USER.md")).unwrap(), "mine");
    assert_eq!(config(&home), before);
}

#[test]
fn a_model_is_added_with_its_key_where_only_the_owner_sees_it() {
    let home = empty();
    let (ok, said) =
        feed(&home, &["onboard", "--model", "openai/gpt-test", "--key-file", "-"], "sk-secret-0123\n");
    assert!(ok && !said.contains("sk-secret"), "{said}");
    assert_eq!(config(&home)["agents"]["defaults"]["model_name"], "gpt-test");
    assert!(!fs::read_to_string(home.join("config.json")).unwrap().contains("sk-secret"));
    let secrets = home.join(".security.yml");
    assert_eq!(fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    let (_, listed) = run(&home, &["model", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let model = listed.as_array().unwrap().iter().find(|model| model["name"] == "gpt-test").unwrap().clone();
    assert_eq!((model["keys"].clone(), model["default"].clone()), (json!(1), json!(true)));
    assert!(run(&home, &["model", "echo"]).0);
    assert_eq!(config(&home)["agents"]["defaults"]["model_name"], "echo");
    let (ok, said) = run(&home, &["model", "nobody"]);
    assert!(!ok && said.contains("nothing was changed") && said.contains("nobody"), "{said}");
    assert_eq!(config(&home)["agents"]["defaults"]["model_name"], "echo");
}

#[test]
fn keys_are_encrypted_with_a_passphrase_and_an_ssh_key() {
    let home = empty();
    let (ok, said) = run(&home, &["onboard", "--enc"]);
    assert!(!ok && said.contains("PICOCLAW_KEY_PASSPHRASE"), "{said}");
    let user = tempfile::tempdir().unwrap();
    let enc = |arguments: &[&str], passphrase: &str, input: &str| {
        let mut command = picoclaw(home.path());
        command.env("HOME", user.path()).env("PICOCLAW_KEY_PASSPHRASE", passphrase);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    fs::write(home.join(".security.yml"), "# mine\nweb:\n  brave:\n    api_keys: [brave-key-0001]\n")
        .unwrap();
    let onboard = ["onboard", "--enc", "--model", "openai/gpt-test", "--key-file", "-"];
    let (ok, said) = enc(&onboard, "correct horse", "sk-secret-0123\n");
    assert!(ok && !said.contains("sk-secret"), "{said}");
    let secrets = fs::read_to_string(home.join(".security.yml")).unwrap();
    assert_eq!(secrets.matches("enc://").count(), 2, "{secrets}");
    assert!(
        secrets.starts_with("# mine\n") && !secrets.contains("-0001") && !secrets.contains("-0123"),
        "{secrets}"
    );
    assert!(user.path().join(".ssh/picoclaw_ed25519.key").exists());
    let (ok, said) = enc(&["auth", "status"], "correct horse", "");
    assert!(ok && said.contains("openai: one key"), "{said}");
    let (ok, said) = enc(&["auth", "status"], "wrong horse", "");
    assert!(!ok && said.contains("another passphrase"), "{said}");
}

#[test]
fn skills_come_with_the_gateway() {
    let home = Home::new(json!({}));
    assert!(run(&home, &["skills", "list-builtin"]).1.contains("weather: The weather"));
    let (ok, said) = run(&home, &["skills", "install-builtin", "weather"]);
    assert!(ok && said.contains("Installed the skill weather"), "{said}");
    fs::write(home.join("workspace/skills/weather/SKILL.md"), "mine").unwrap();
    let (ok, said) = run(&home, &["skills", "install-builtin"]);
    assert!(ok && said.contains("weather is there already"), "{said}");
    assert_eq!(fs::read_to_string(home.join("workspace/skills/weather/SKILL.md")).unwrap(), "mine");
    assert!(home.join("workspace/skills/summarize/SKILL.md").exists());
    assert!(run(&home, &["skills", "list-builtin"]).1.contains(", installed"));
    let (ok, said) = run(&home, &["skills", "install-builtin", "nothing"]);
    assert!(!ok && said.contains("list-builtin"), "{said}");
}

#[test]
fn mcp_servers_come_and_go_and_the_rest_of_the_file_keeps_its_form() {
    let home = empty();
    let text = "{\n   \"_comment\": \"mine\",\n   \"version\": 3,\n   \"theirs\":  [1,2]\n}\n";
    fs::write(home.join("config.json"), text).unwrap();
    let (ok, said) = run(&home, &["mcp", "add", "-e", "TOKEN=hunter2", "files", "npx", "server", "/data"]);
    assert!(ok, "{said}");
    let after = fs::read_to_string(home.join("config.json")).unwrap();
    assert!(after.starts_with(text.trim_end().trim_end_matches('}').trim_end()), "{after}");
    assert_eq!(fs::read_to_string(home.join("config.json.bak")).unwrap(), text);
    let (_, shown) = run(&home, &["mcp", "show", "files"]);
    assert!(shown.contains("npx") && !shown.contains("hunter2"), "{shown}");
    assert!(run(&home, &["mcp", "list"]).1.contains("files: npx server /data"));
    assert!(!run(&home, &["mcp", "add", "files", "other"]).0, "the name is taken");
    assert!(run(&home, &["mcp", "remove", "files"]).0);
    let (ok, said) = run(&home, &["mcp", "remove", "files"]);
    assert!(!ok && said.contains("there is no MCP server \"files\""), "{said}");
}

#[test]
fn an_older_layout_is_rewritten_and_kept() {
    let home = empty();
    let old = r#"{"version":2,"agents":{"defaults":{"model":"m"}},"model_list":[{"model_name":"m","model":"echo/echo"}],"theirs":1}"#;
    fs::write(home.join("config.json"), old).unwrap();
    let (ok, said) = run(&home, &["migrate"]);
    assert!(ok && said.contains("from version 2"), "{said}");
    let now = config(&home);
    assert_eq!(
        (now["version"].clone(), now["agents"]["defaults"]["model_name"].clone(), now["theirs"].clone()),
        (json!(3), json!("m"), json!(1))
    );
    let kept: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .flatten()
        .filter(|file| file.file_name().to_string_lossy().ends_with(".bak"))
        .collect();
    assert_eq!(fs::read_to_string(kept[0].path()).unwrap(), old);
    assert!(run(&home, &["migrate"]).1.contains("the present layout already"));
    assert!(!run(&home, &["config", "reset"]).0, "not without -f");
    assert!(run(&home, &["config", "reset", "-f"]).0);
    assert_eq!(config(&home)["agents"]["defaults"]["model_name"], "echo");
}

#[test]
fn skills_are_installed_from_a_folder() {
    let home = Home::new(json!({}));
    let folder = home.join("weather");
    fs::create_dir(&folder).unwrap();
    assert!(!run(&home, &["skills", "install", folder.to_str().unwrap()]).0, "it has no SKILL.md");
    fs::write(
        folder.join("SKILL.md"),
        "---\nname: weather\ndescription: Tells the weather.\n---\nAsk wttr.in.\n",
    )
    .unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    assert!(run(&home, &["skills", "install", folder.to_str().unwrap()]).0);
    assert!(!home.join("workspace/skills/weather/link").exists());
    assert!(run(&home, &["skills", "list"]).1.contains("weather: Tells the weather."));
    assert!(run(&home, &["skills", "show", "weather"]).1.contains("Ask wttr.in."));
    assert!(!run(&home, &["skills", "remove", "../weather"]).0);
    assert!(run(&home, &["skills", "remove", "weather"]).0);
    assert!(run(&home, &["skills", "list", "--json"]).1.contains("[]"));
}

#[test]
fn status_is_there_for_programs() {
    let unused = json!({ "devices": { "enabled": true }, "voice": { "enabled": true } });
    let gateway = Gateway::start(unused);
    let said = "accepted, but not used by this version: devices, voice";
    let named = |line: &&Value| line["message"].as_str().is_some_and(|text| text.contains(said));
    wait_for("the log", || (gateway.home.log().iter().filter(named).count() == 1).then_some(()));
    assert!(run(&gateway.home, &["status"]).1.contains(said));
    let (ok, text) = run(&gateway.home, &["status", "--json"]);
    let status: Value = serde_json::from_str(&text).unwrap();
    assert!(ok && status["gateway"]["health"]["status"] == "healthy", "{text}");
    assert_eq!(status["models"][0]["name"], "echo");
    let home = gateway.stop();
    fs::write(home.join("config.json"), "{").unwrap();
    let (ok, text) = run(&home, &["status", "--json"]);
    let status: Value = serde_json::from_str(&text).unwrap();
    assert!(!ok && status["problems"][0].is_string() && status["gateway"]["running"] == false, "{text}");
}

#[test]
fn what_is_not_offered_says_so() {
    let home = Home::new(json!({}));
    for command in [&["auth", "login", "--provider", "x"][..], &["update"]] {
        let (ok, said) = run(&home, command);
        assert!(!ok && said.contains("not offered"), "{said}");
    }
    assert!(run(&home, &["completions", "bash"]).1.contains("picoclaw"));
    assert!(run(&home, &["man"]).1.contains(".TH"));
}
