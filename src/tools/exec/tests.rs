use std::fs;
use std::path::Path;

use picoclaw_telemetry::words::ToolStatus::{self, Denied, Error, Success, Timeout};

use super::*;
use crate::{Patterns, Reach};

struct Fixture {
    home: tempfile::TempDir,
    options: ExecOptions,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("workspace/sub")).unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        Self { home, options: ExecOptions::default() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.home.path().join("workspace").canonicalize().unwrap()
    }

    fn tool(&self) -> Exec {
        let workspace = Workspace::new(&self.path(), &[self.path().join("sessions")]);
        Exec::new(workspace, self.options.clone())
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.tool().call(arguments).await
    }

    async fn run(&self, command: &str) -> ToolOutput {
        self.call(json!({"action": "run", "command": command})).await
    }

    /// Runs it in the background; its name.
    async fn start(&self, mut arguments: Value) -> String {
        arguments["background"] = true.into();
        let answer: Value = serde_json::from_str(&ok(self.call(arguments).await)).unwrap();
        answer["sessionId"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, action: &str, id: &str) -> Value {
        serde_json::from_str(&ok(self.call(json!({"action": action, "sessionId": id})).await)).unwrap()
    }

    /// Reads until this was written.
    async fn read_until(&self, id: &str, expected: &str) -> String {
        let mut all = String::new();
        while !all.contains(expected) {
            all.push_str(self.ask("read", id).await["output"].as_str().unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        all
    }
}

fn ok(output: ToolOutput) -> String {
    assert_eq!(output.status, Success, "{}", output.text);
    output.text
}

#[track_caller]
fn not(output: &ToolOutput, status: ToolStatus, says: &str) {
    assert_eq!(output.status, status, "{}", output.text);
    assert!(output.text.contains(says), "{}", output.text);
}

fn lives(pid: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the condition comes true");
}

#[tokio::test]
async fn a_command_runs_in_the_workspace_and_its_output_comes_in_order() {
    let f = Fixture::new();
    assert_eq!(
        ok(f.run("echo one; echo two >&2; echo three; pwd").await),
        format!("one\ntwo\nthree\n{}\n", f.path().display())
    );
    assert_eq!(ok(f.run("true").await), "(no output)");
    not(&f.run("echo no; exit 3").await, Error, "no\n\n[exit status: 3]");
    let below = f.call(json!({"command": "pwd", "cwd": "sub"})).await;
    assert!(ok(below).trim().ends_with("workspace/sub"));
    not(&f.call(json!({"command": "pwd", "cwd": "none"})).await, Error, "does not exist");
    assert_eq!(ok(f.run("cat").await), "(no output)", "there is no input to wait for");
}

#[tokio::test]
async fn commands_see_few_variables() {
    let f = Fixture::new();
    let text = ok(f.run("env").await);
    assert!(text.contains("PATH=") && text.contains("TERM=dumb"), "{text}");
    assert!(!text.contains("CARGO"), "{text}");
    let passed = environment(&["CARGO_MANIFEST_DIR".to_owned()]);
    assert!(passed.iter().any(|(name, _)| name == "CARGO_MANIFEST_DIR"));
}

#[tokio::test]
async fn long_output_keeps_its_beginning_and_its_end() {
    let f = Fixture::new();
    let text = ok(f.run("echo begin; yes | head -c 200000; echo end").await);
    assert!(text.len() < 70_000, "{}", text.len());
    assert!(text.starts_with("begin\n") && text.ends_with("end\n") && text.contains("bytes left out"));
}

#[tokio::test]
async fn what_takes_too_long_ends_with_everything_that_it_started() {
    let f = Fixture::new();
    let command =
        "sleep 600 & echo $! > a; setsid sleep 600 & echo $! > b; trap '' TERM; echo begun; sleep 600";
    let output = f.call(json!({"command": command, "timeout": 1})).await;
    not(&output, Timeout, "begun\n\n[stopped after 1 s");
    for file in ["a", "b"] {
        let pid = fs::read_to_string(f.path().join(file)).unwrap();
        until(|| !lives(&pid)).await;
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_leaves_nothing_behind() {
    let f = Fixture::new();
    let tool = f.tool();
    let call = tokio::spawn(async move { tool.call(json!({"command": "echo $$ > pid; sleep 600"})).await });
    let pid = || fs::read_to_string(f.path().join("pid")).unwrap_or_default();
    until(|| pid().ends_with('\n')).await;
    assert!(lives(&pid()));
    call.abort();
    until(|| !lives(&pid())).await;
}

#[tokio::test]
async fn what_a_command_leaves_running_does_not_hold_its_call() {
    let f = Fixture::new();
    assert_eq!(ok(f.run("sleep 600 & echo $! > pid; echo done").await), "done\n");
    let pid = fs::read_to_string(f.path().join("pid")).unwrap();
    until(|| !lives(&pid)).await;
}

#[tokio::test]
async fn commands_go_on_in_the_background() {
    let f = Fixture::new();
    let id = f.start(json!({"command": "echo ready; read line; echo got $line; exit 7"})).await;
    assert_eq!(f.read_until(&id, "ready\n").await, "ready\n");
    assert_eq!(f.ask("poll", &id).await["status"], "running");
    let write = json!({"action": "write", "sessionId": id, "data": "hello\n"});
    ok(f.call(write.clone()).await);
    assert_eq!(f.read_until(&id, "got").await, "got hello\n");
    while f.ask("poll", &id).await["status"] == "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(f.ask("poll", &id).await["exitCode"], 7);
    not(&f.call(write).await, Error, "takes no input");
    let list: Value = serde_json::from_str(&ok(f.call(json!({"action": "list"})).await)).unwrap();
    assert_eq!(list["sessions"][0]["sessionId"], id.as_str());
    assert_eq!(list["sessions"][0]["status"], "done");
}

#[tokio::test]
async fn a_terminal_is_one() {
    let f = Fixture::new();
    let text = ok(f.call(json!({"command": "tty; stty size; echo $TERM", "pty": true})).await);
    assert!(text.contains("/dev/pts/") && text.contains("24 120") && text.contains("xterm"), "{text}");
    let id = f.start(json!({"command": "echo up; cat", "pty": true})).await;
    f.read_until(&id, "up").await;
    ok(f.call(json!({"action": "send-keys", "sessionId": id, "keys": "a,b,enter"})).await);
    f.read_until(&id, "ab\r\nab").await;
    ok(f.call(json!({"action": "send-keys", "sessionId": id, "keys": "ctrl-c"})).await);
    while f.ask("poll", &id).await["status"] == "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(f.ask("poll", &id).await["exitCode"], 130);
}

#[tokio::test]
async fn a_background_command_is_killed_when_asked_and_with_the_gateway() {
    let f = Fixture::new();
    let id = f.start(json!({"command": "sleep 600 & echo $!; wait"})).await;
    let pid = f.read_until(&id, "\n").await;
    assert_eq!(f.ask("kill", &id).await["status"], "killed");
    until(|| !lives(&pid)).await;
    let id = f.start(json!({"command": "echo $$; sleep 600"})).await;
    let pid = f.read_until(&id, "\n").await;
    drop(f);
    until(|| !lives(&pid)).await;
}

#[tokio::test]
async fn background_commands_are_bounded_and_belong_to_their_conversation() {
    let f = Fixture::new();
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(f.start(json!({"command": "sleep 600"})).await);
    }
    let another = json!({"command": "true", "background": true});
    not(&f.call(another.clone()).await, Error, "too many commands");
    let stranger = Caller { channel: "telegram", chat: "9" };
    let kill = json!({"action": "kill", "sessionId": ids[0]});
    not(&f.tool().call_for(stranger, kill.clone()).await, Error, "there is no background command");
    assert_eq!(ok(f.tool().call_for(stranger, json!({"action": "list"})).await), r#"{"sessions":[]}"#);
    ok(f.call(kill).await);
    ok(f.call(another).await);
    not(
        &f.call(json!({"action": "poll", "sessionId": ids[0]})).await,
        Error,
        "there is no background command",
    );
}

#[tokio::test]
async fn what_is_not_allowed_does_not_run() {
    let mut f = Fixture::new();
    let secret = f.home.path().join("secret");
    not(&f.run("touch made; sudo ls").await, Denied, "rights of another user");
    for command in [
        "cat ../secret".to_owned(),
        "cat sub/../../secret".to_owned(),
        "cd ..".to_owned(),
        "cat ~/.ssh/id_rsa".to_owned(),
        "cat $HOME/x".to_owned(),
        format!("cat '{}'", secret.display()),
        format!("grep --file={} x", secret.display()),
    ] {
        not(&f.run(&command).await, Denied, "out of the workspace");
    }
    not(&f.run("cat sessions/someone.jsonl").await, Denied, "may not touch");
    not(&f.call(json!({"command": "ls", "cwd": ".."})).await, Denied, "out of the workspace");
    assert!(!f.path().join("made").exists());
    ok(f.run(&format!("ls {} 2>/dev/null", f.path().display())).await);

    let workspace = Workspace::new(&f.path(), &[]);
    let reach = Reach { read: Patterns::new([format!("^{}$", secret.display())]), ..Reach::default() };
    let reaching = Exec::new(workspace.reaching(reach), f.options.clone());
    assert_eq!(ok(reaching.call(json!({"command": format!("cat {}", secret.display())})).await), "secret");

    f.options.allow_remote = false;
    let remote = Caller { channel: "telegram", chat: "1" };
    not(&f.tool().call_for(remote, json!({"command": "ls"})).await, Denied, "allow_remote");
    ok(f.run("ls").await);
}
