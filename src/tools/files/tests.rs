use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use picoclaw_telemetry::words::ToolStatus::{self, Denied, Error, Success};
use serde_json::{Value, json};

use super::*;
use crate::{Patterns, Tool, ToolOutput};

struct Fixture {
    home: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        fs::create_dir(home.path().join("workspace")).unwrap();
        Self { home }
    }

    fn path(&self) -> std::path::PathBuf {
        self.home.path().join("workspace")
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    /// As if the gateway lived in the workspace.
    fn workspace(&self) -> Workspace {
        Workspace::new(&self.path(), &["sessions", ".picoclaw.pid"].map(|name| self.path().join(name)))
    }

    async fn read(&self, arguments: Value) -> ToolOutput {
        ReadFile::new(self.workspace(), ReadFileOptions::default()).call(arguments).await
    }

    async fn write(&self, arguments: Value) -> ToolOutput {
        WriteFile::new(self.workspace()).call(arguments).await
    }

    async fn list(&self, path: &str) -> ToolOutput {
        ListDir::new(self.workspace()).call(json!({"path": path})).await
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

#[tokio::test]
async fn the_workspace_is_created_on_first_use() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b");
    let output = ListDir::new(Workspace::new(&path, &[])).call(json!({"path": "."})).await;
    assert_eq!((ok(output).as_str(), path.is_dir()), ("(empty)\n", true));
}

#[tokio::test]
async fn what_was_written_is_read_and_listed() {
    let f = Fixture::new();
    ok(f.write(json!({"path": "notes/today.txt", "content": "hé\n"})).await);
    assert_eq!(ok(f.read(json!({"path": "notes/today.txt"})).await), "hé\n");
    let absolute = f.path().join("notes/today.txt");
    assert_eq!(ok(f.read(json!({"path": absolute})).await), "hé\n");
    assert_eq!(ok(f.list("notes").await), "today.txt (4 bytes)\n");
    assert_eq!(ok(f.list("").await), "notes/\n");
    assert_eq!(fs::read_dir(f.path().join("notes")).unwrap().count(), 1, "no temporary file remains");
}

#[tokio::test]
async fn an_existing_file_is_replaced_only_when_asked() {
    let f = Fixture::new();
    f.put("a", "old");
    not(&f.write(json!({"path": "a", "content": "new"})).await, Error, "set `overwrite` to true");
    assert_eq!(fs::read(f.path().join("a")).unwrap(), b"old");
    ok(f.write(json!({"path": "a", "content": "new", "overwrite": true})).await);
    assert_eq!(fs::read(f.path().join("a")).unwrap(), b"new");
}

#[tokio::test]
async fn no_path_leads_out_of_the_workspace() {
    let f = Fixture::new();
    symlink(f.home.path(), f.path().join("out")).unwrap();
    symlink("../secret", f.path().join("link")).unwrap();
    fs::create_dir(f.path().join("sub")).unwrap();
    let secret = f.home.path().join("secret");
    let paths =
        ["../secret", "sub/../../secret", "link", "out/secret", "/etc/passwd", secret.to_str().unwrap()];
    for path in paths {
        not(&f.read(json!({"path": path})).await, Denied, "out of the workspace");
        not(
            &f.write(json!({"path": path, "content": "x", "overwrite": true})).await,
            Denied,
            "out of the workspace",
        );
    }
    not(&f.write(json!({"path": "out/new", "content": "x"})).await, Denied, "out of the workspace");
    not(&f.write(json!({"path": "../new/file", "content": "x"})).await, Denied, "out of the workspace");
    not(&f.list("..").await, Denied, "out of the workspace");
    not(&f.list("out").await, Denied, "out of the workspace");
    assert_eq!(fs::read(f.home.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(f.home.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn what_is_the_gateways_own_is_out_of_reach() {
    let f = Fixture::new();
    fs::create_dir(f.path().join("sessions")).unwrap();
    f.put("sessions/someone.jsonl", "private");
    f.put(".picoclaw.pid", "token");
    symlink("sessions", f.path().join("link")).unwrap();
    let absolute = f.path().join("sessions/someone.jsonl");
    for path in [
        "sessions/someone.jsonl",
        "x/../sessions/new",
        "link/someone.jsonl",
        ".picoclaw.pid",
        absolute.to_str().unwrap(),
    ] {
        not(&f.read(json!({"path": path})).await, Denied, "may not touch");
        let write = f.write(json!({"path": path, "content": "x", "overwrite": true})).await;
        not(&write, Denied, "may not touch");
    }
    for path in ["sessions", "link"] {
        not(&f.list(path).await, Denied, "may not touch");
    }
    assert_eq!(fs::read(absolute).unwrap(), b"private");
    assert!(!f.path().join("x").exists());
    ok(f.write(json!({"path": "sessions.md", "content": "x"})).await);
}

#[tokio::test]
async fn links_within_the_workspace_work() {
    let f = Fixture::new();
    f.put("a", "old");
    symlink("a", f.path().join("link")).unwrap();
    assert_eq!(ok(f.read(json!({"path": "link"})).await), "old");
    ok(f.write(json!({"path": "link", "content": "new", "overwrite": true})).await);
    assert_eq!(fs::read(f.path().join("a")).unwrap(), b"new");
    assert!(f.path().join("link").is_symlink());
}

#[tokio::test]
async fn pipes_and_devices_are_refused_at_once() {
    let f = Fixture::new();
    let made = std::process::Command::new("mkfifo").arg(f.path().join("pipe")).status().unwrap();
    assert!(made.success());
    not(&f.read(json!({"path": "pipe"})).await, Denied, "not a regular file");
    not(
        &f.write(json!({"path": "pipe", "content": "x", "overwrite": true})).await,
        Denied,
        "not a regular file",
    );
    assert_eq!(ok(f.list(".").await), "pipe (special)\n");
}

#[tokio::test]
async fn a_long_file_is_read_in_pieces_that_fit_together() {
    let f = Fixture::new();
    let content = "é".repeat(50_000);
    f.put("long", format!("a{content}"));
    let mut found = String::new();
    let mut offset = 0;
    loop {
        let text = ok(f.read(json!({"path": "long", "offset": offset})).await);
        let Some((piece, note)) = text.split_once("\n[truncated: ") else {
            found.push_str(&text);
            break;
        };
        found.push_str(piece);
        offset = note.trim_end_matches(']').rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        assert_eq!(offset, 65_535);
    }
    assert!(found == format!("a{content}"));
}

#[tokio::test]
async fn lines_are_counted_from_one() {
    let f = Fixture::new();
    f.put("a", "one\ntwo\nthree\nfour");
    let text = ok(f.read(json!({"path": "a", "start_line": 2, "max_lines": 2})).await);
    assert_eq!(text, "two\nthree\n\n[truncated: 14 of 18 bytes, continue at offset 14]");
    assert_eq!(ok(f.read(json!({"path": "a", "start_line": "4", "offset": 0})).await), "four");
    not(&f.read(json!({"path": "a", "start_line": 6})).await, Error, "has fewer lines");
    not(&f.read(json!({"path": "a", "start_line": 1, "length": 5})).await, Error, "give one pair");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let f = Fixture::new();
    f.put("binary", b"a\0b");
    f.put("a", "a");
    not(&f.read(json!({"path": "binary"})).await, Error, "binary file of 3 bytes");
    not(&f.read(json!({"path": "none"})).await, Error, "list_dir");
    not(&f.read(json!({"path": "."})).await, Error, "use list_dir");
    not(&f.read(json!({"path": "a", "offset": 9})).await, Error, "has 1 bytes");
    not(&f.read(json!({})).await, Error, "argument `path` is missing");
    not(&f.read(json!({"path": "a\0b"})).await, Error, "NUL");
    not(&f.list("a").await, Error, "use read_file");
    not(&f.write(json!({"path": ".", "content": ""})).await, Error, "is a directory");
    not(&f.write(json!({"path": "a/b", "content": ""})).await, Error, "a file, not a directory");
    not(
        &f.write(json!({"path": "b", "content": "x".repeat((1 << 20) + 1)})).await,
        Error,
        "the limit is 1048576",
    );
}

#[tokio::test]
async fn a_long_directory_is_cut() {
    let f = Fixture::new();
    for n in 0..1_005 {
        f.put(&format!("{n:04}"), "");
    }
    let text = ok(f.list(".").await);
    assert!(
        text.starts_with("0000 (0 bytes)\n")
            && text.ends_with("0999 (0 bytes)\n[truncated: 5 more entries]\n")
    );
    assert!(Path::new(&f.path()).is_dir());
}

#[tokio::test]
async fn one_place_is_edited_exactly() {
    let f = Fixture::new();
    f.put("a", "one\ntwo\ntwo and a half\n");
    let edit = async |path: &str, old: &str, new: &str| {
        let arguments = json!({"path": path, "old_text": old, "new_text": new});
        EditFile::new(f.workspace()).call(arguments).await
    };
    assert_eq!(ok(edit("a", "two\ntwo", "2\ntwo").await), "edited a at line 2");
    assert_eq!(fs::read(f.path().join("a")).unwrap(), b"one\n2\ntwo and a half\n");
    ok(edit("a", "one\n", "").await);
    not(&edit("a", "two\nand", "x").await, Error, "does not stand in a");
    not(&edit("a", "a", "x").await, Error, "stands in a 3 times");
    not(&edit("a", "", "x").await, Error, "is empty");
    not(&edit("none", "a", "x").await, Error, "does not exist");
    not(&edit("sessions/a", "a", "x").await, Denied, "may not touch");
    not(&edit("../secret", "s", "x").await, Denied, "out of the workspace");
    f.put("binary", b"\xff");
    not(&edit("binary", "a", "x").await, Error, "no UTF-8");
    assert_eq!(fs::read(f.path().join("a")).unwrap(), b"2\ntwo and a half\n");
}

#[tokio::test]
async fn text_is_appended_as_it_is() {
    let f = Fixture::new();
    let append = async |path: &str, content: &str| {
        AppendFile::new(f.workspace()).call(json!({"path": path, "content": content})).await
    };
    ok(append("new/a", "one").await);
    assert_eq!(ok(append("new/a", " é\n").await), "appended 4 bytes to new/a, which has 7 now");
    assert_eq!(fs::read_to_string(f.path().join("new/a")).unwrap(), "one é\n");
    not(&append("new", "x").await, Error, "is a directory");
    not(&append("../secret", "x").await, Denied, "out of the workspace");
    not(&append("a", &"x".repeat((1 << 20) + 1)).await, Error, "the limit is");
}

#[tokio::test]
async fn an_operator_can_allow_more() {
    let f = Fixture::new();
    let home = f.home.path().canonicalize().unwrap();
    fs::create_dir(home.join("logs")).unwrap();
    fs::write(home.join("logs/a.log"), "line").unwrap();
    symlink(home.join("logs"), f.path().join("link")).unwrap();
    symlink(home.join("secret"), home.join("logs/sly")).unwrap();
    let pattern = || Patterns::new([format!("^{}/", home.join("logs").display())]);
    let log = home.join("logs/a.log");
    let read = async |reach: Reach, path: &Path| {
        ReadFile::new(f.workspace().reaching(reach), ReadFileOptions::default())
            .call(json!({"path": path}))
            .await
    };
    let reach = || Reach { read: pattern(), ..Reach::default() };
    assert_eq!(ok(read(reach(), &log).await), "line");
    assert_eq!(ok(read(reach(), Path::new("link/a.log")).await), "line");
    assert_eq!(ok(read(reach(), Path::new("../logs/a.log")).await), "line");
    for path in ["logs/sly", "secret", "logs/../secret"] {
        not(&read(reach(), &home.join(path)).await, Denied, "beyond what the operator has allowed");
    }
    let write = async |reach: Reach, path: &Path| {
        let arguments = json!({"path": path, "content": "x", "overwrite": true});
        WriteFile::new(f.workspace().reaching(reach)).call(arguments).await
    };
    not(&write(reach(), &log).await, Denied, "out of the workspace");
    ok(write(Reach { write: pattern(), ..Reach::default() }, &home.join("logs/new/b.log")).await);
    assert_eq!(fs::read(home.join("logs/new/b.log")).unwrap(), b"x");
    let everything = || Reach { everywhere: true, ..Reach::default() };
    assert_eq!(ok(read(everything(), &home.join("secret")).await), "secret");
    not(&read(everything(), &f.path().join(".picoclaw.pid")).await, Denied, "may not touch");
}

#[tokio::test]
async fn an_operator_says_how_much_is_read_at_once_and_how() {
    let f = Fixture::new();
    fs::write(f.workspace().path().join("a.txt"), "one\ntwo\nthree\n").unwrap();
    let tool = ReadFile::new(f.workspace(), ReadFileOptions { most: 6, lines_only: true });
    let read = tool.call(json!({"path": "a.txt"})).await.text;
    assert!(read.starts_with("one\ntw\n[truncated: 6 of 14 bytes"), "{read}");
    let properties = tool.spec().parameters["properties"].clone();
    assert!(properties["offset"].is_null() && properties["start_line"].is_object(), "{properties}");
    // Conversations of before may still hold the other arguments.
    assert!(tool.call(json!({"path": "a.txt", "offset": 4})).await.text.starts_with("two\nth"));
}
