//! Skills of registries: installed whole and checked, from where the operator allows, and never over what is there.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Gateway, Home, free_ports, picoclaw, wait_for};

/// Both registries, as files behind a server for files.
struct Registry {
    _directory: tempfile::TempDir,
    server: Child,
    url: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const PACK: &str = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as archive:
    for path in sys.argv[2:]:
        archive.writestr(path, '---\\nname: x\\ndescription: Tells the weather.\\n---\\nAsk the sky.')
";

fn pack(path: &Path, files: &[&str]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let status = Command::new("python3").args(["-c", PACK]).arg(path).args(files).status().unwrap();
    assert!(status.success());
}

fn start() -> Registry {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    pack(&at("o/r/archive/HEAD.zip"), &["r-1/skills/weather/SKILL.md", "r-1/skills/weather/scripts/a.sh"]);
    pack(&at("o/evil/archive/HEAD.zip"), &["r-1/SKILL.md", "r-1/../../../../../../../evil"]);
    pack(&at("api/v1/download"), &["SKILL.md"]);
    fs::create_dir_all(at("api/v1/skills")).unwrap();
    let about = |bad: bool| {
        json!({ "latestVersion": { "version": "1.2" }, "moderation": { "isMalwareBlocked": bad } })
            .to_string()
    };
    fs::write(at("api/v1/skills/sky"), about(false)).unwrap();
    fs::write(at("api/v1/skills/bad"), about(true)).unwrap();
    let found =
        json!({ "results": [{ "slug": "sky", "summary": "Looks up" }, { "slug": "../x", "summary": "y" }] });
    fs::write(at("api/v1/search"), found.to_string()).unwrap();
    let [port] = free_ports();
    let mut server = Command::new("python3");
    server.args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "-d"]).arg(directory.path());
    let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the registry", || TcpStream::connect(("127.0.0.1", port)).ok());
    Registry { _directory: directory, server, url: format!("http://127.0.0.1:{port}") }
}

fn config(registry: &Registry, allowed: &[&str]) -> Value {
    let place = json!({ "base_url": registry.url });
    json!({ "tools": {
        "web": { "private_host_whitelist": allowed },
        "skills": { "registries": { "github": place, "clawhub": place } },
    } })
}

#[test]
fn a_model_finds_and_installs_skills() {
    let registry = start();
    let gateway = Gateway::start(config(&registry, &["127.0.0.1"]));
    let call = |tool: &str, arguments: Value| gateway.chat("s", &format!("!tool {tool} {arguments}"));
    let found = call("find_skills", json!({"query": "look up"}));
    assert!(found.contains("no installed skill fits") && found.contains("clawhub: sky: Looks up"), "{found}");
    let weather = json!({"slug": "o/r/skills/weather"});
    let installed = call("install_skill", weather.clone());
    assert!(installed.contains("Tells the weather.\nRead skills/weather/SKILL.md"), "{installed}");
    let directory = gateway.home.join("workspace/skills/weather");
    assert!(directory.join("scripts/a.sh").is_file());
    let origin: Value =
        serde_json::from_slice(&fs::read(directory.join(".skill-origin.json")).unwrap()).unwrap();
    assert_eq!((&origin["registry"], &origin["slug"]), (&json!("github"), &json!("o/r/skills/weather")));
    assert!(call("install_skill", weather).contains("there is a skill weather already"));
    assert!(call("install_skill", json!({"slug": "o/r", "force": true})).contains("Installed o/r (HEAD)"));
    assert!(call("install_skill", json!({"slug": "o/evil"})).contains("no path of a file within it"));
    assert!(call("install_skill", json!({"slug": "o/none"})).contains("there is no o/none at HEAD"));
    assert!(call("install_skill", json!({"slug": "sky", "registry": "clawhub"})).contains("sky (1.2)"));
    assert!(call("install_skill", json!({"slug": "bad", "registry": "clawhub"})).contains("is malicious"));
    let skills = fs::read_dir(gateway.home.join("workspace/skills")).unwrap().flatten();
    let mut names: Vec<_> = skills.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["r", "sky", "weather"]);
    let scrape = gateway.scrape();
    let results = |status: &str| {
        scrape.get(&format!(r#"picoclaw_tool_results_total{{tool="install_skill",status="{status}"}}"#))
    };
    assert_eq!((results("success"), results("error")), (3.0, 4.0));
}

#[test]
fn only_what_an_operator_allows_is_asked_without_tls() {
    let registry = start();
    let gateway = Gateway::start(config(&registry, &[]));
    let refused = gateway.chat("s", r#"!tool install_skill {"slug":"o/r"}"#);
    assert!(refused.contains("it is not reached over https"), "{refused}");
    let mut off = config(&registry, &["127.0.0.1"]);
    off["tools"]["skills"]["registries"]["github"]["enabled"] = json!(false);
    gateway.home.configure(off);
    assert_eq!(gateway.reload().status, 200);
    let refused = gateway.chat("s", r#"!tool install_skill {"slug":"o/r"}"#);
    assert!(refused.contains("there is no registry") && refused.contains("there are: clawhub"), "{refused}");
}

#[test]
fn an_operator_installs_skills_of_registries() {
    let registry = start();
    let home = Home::new(config(&registry, &["127.0.0.0/8"]));
    let run = |words: &[&str]| {
        let output = picoclaw(home.path()).arg("skills").args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (ok, said) = run(&["search", "look", "up"]);
    assert!(ok && said.contains("sky: Looks up") && !said.contains("../x"), "{said}");
    let (ok, said) = run(&["install", "--registry", "clawhub", "sky"]);
    assert!(ok && said.contains("Installed the skill sky: Tells the weather."), "{said}");
    let address = format!("{}/o/r/tree/HEAD/skills/weather", registry.url);
    let (ok, said) = run(&["install", &address]);
    assert!(ok && said.contains("Installed the skill weather"), "{said}");
    let (ok, said) = run(&["install", &address]);
    assert!(!ok && said.contains("--force replaces it"), "{said}");
    assert!(run(&["install", "--force", "o/r/skills/weather"]).0);
    assert!(!run(&["install", "o/none"]).0 && !run(&["install", "nothing"]).0);
    assert!(run(&["list"]).1.contains("sky: Tells the weather."));
}
