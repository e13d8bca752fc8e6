use std::fs;
use std::path::Path;

use super::*;

fn write(workspace: &Path, name: &str, text: &str) {
    let path = workspace.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// As if the last look were long ago.
fn forget(prompt: &Prompt) {
    prompt.0.lock().looked = None;
}

async fn text(prompt: &Prompt) -> String {
    prompt.message().await.content.clone()
}

#[tokio::test]
async fn without_files_there_is_the_opening_alone() {
    let home = tempfile::tempdir().unwrap();
    let prompt = Prompt::new("You are it.", Workspace::new(&home.path().join("missing"), &[]), Vec::new());
    assert_eq!(text(&prompt).await, "You are it.");
    // What is no file is passed over.
    fs::create_dir_all(home.path().join("AGENT.md")).unwrap();
    assert_eq!(
        text(&Prompt::new("You are it.", Workspace::new(home.path(), &[]), Vec::new())).await,
        "You are it."
    );
}

#[tokio::test]
async fn files_are_read_when_they_change() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "AGENTS.md", "Be brief.");
    write(home.path(), "USER.md", "  \n");
    write(home.path(), "memory/MEMORY.md", "Alice likes tea.");
    let prompt = Prompt::new("You are it.", Workspace::new(home.path(), &[]), Vec::new());
    let first = text(&prompt).await;
    assert!(first.starts_with("You are it.\n\n## How you work\n\nBe brief."), "{first}");
    assert!(first.contains("Alice likes tea.") && !first.contains("Whom"), "{first}");
    assert!(Arc::ptr_eq(&prompt.message().await, &prompt.message().await));

    write(home.path(), "AGENT.md", "Be polite.");
    assert_eq!(text(&prompt).await, first, "a look was just taken");
    forget(&prompt);
    let second = text(&prompt).await;
    assert!(second.contains("Be polite.") && !second.contains("Be brief."), "{second}");
    let known = prompt.message().await;
    forget(&prompt);
    assert!(Arc::ptr_eq(&prompt.message().await, &known), "nothing has changed");
}

#[tokio::test]
async fn long_files_are_cut() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "SOUL.md", &"x".repeat(100_000));
    let text = text(&Prompt::new("", Workspace::new(home.path(), &[]), Vec::new())).await;
    assert!(text.len() < 30_000 && text.contains("[cut here"), "{}", text.len());
}

#[tokio::test]
async fn skills_are_listed_with_what_they_are_for() {
    let home = tempfile::tempdir().unwrap();
    let front = "---\nname: weather\ndescription: >\n  Tells\n  the weather.\n---\n# Weather\nAsk the sky.";
    write(home.path(), "skills/weather/SKILL.md", front);
    write(home.path(), "skills/plain/SKILL.md", "no front matter");
    write(home.path(), "skills/broken/SKILL.md", "---\nname: [\n---\n");
    write(home.path(), "skills/note.txt", "no skill");
    let elsewhere = tempfile::tempdir().unwrap();
    write(elsewhere.path(), "SKILL.md", "of others");
    std::os::unix::fs::symlink(elsewhere.path(), home.path().join("skills/away")).unwrap();
    let all = Prompt::new("", Workspace::new(home.path(), &[]), Vec::new());
    let listed = text(&all).await;
    assert!(listed.contains("- weather (skills/weather/SKILL.md): Tells the weather."), "{listed}");
    assert!(
        listed.contains("- plain (skills/plain/SKILL.md)") && !listed.contains("Ask the sky"),
        "{listed}"
    );
    let names: Vec<_> = all.skills().await.iter().map(|skill| skill.name.clone()).collect();
    assert_eq!(names, ["broken", "plain", "weather"]);
    let one = Prompt::new("", Workspace::new(home.path(), &[]), vec!["plain".to_owned()]);
    assert_eq!(one.skills().await.len(), 1);
}
