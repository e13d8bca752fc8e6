//! The tools by which a model has others work.

use std::fmt::Write as _;

use picoclaw_telemetry::{Bus, Dimension, Label};
use serde_json::{Value, json};

use crate::chat::ToolSpec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Subagent,
    Spawn,
    Delegate,
    Status,
}

/// Which of the tools are wanted.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct CrewWish {
    pub subagent: bool,
    pub spawn: bool,
    pub delegate: bool,
    pub spawn_status: bool,
}

/// Another agent, to which tasks may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fellow {
    /// Its id.
    pub id: String,
    /// What it calls itself; may be empty.
    pub name: String,
}

/// The tools that are on.
#[derive(Clone, Debug, Default)]
pub struct CrewTools {
    on: Vec<(Kind, Label)>,
    fellows: Vec<Fellow>,
}

impl CrewTools {
    /// Those that are wanted, for an agent that may give tasks to these others. Without any there is no `delegate`.
    pub fn new(bus: &Bus, wish: CrewWish, fellows: Vec<Fellow>) -> Self {
        let wanted = [
            (Kind::Spawn, wish.spawn),
            (Kind::Status, wish.spawn_status),
            (Kind::Subagent, wish.subagent),
            (Kind::Delegate, wish.delegate && !fellows.is_empty()),
        ];
        let on = wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(kind, _)| kind);
        let on = on.map(|kind| (kind, bus.vocabulary().declare(Dimension::Tool, kind.name()))).collect();
        Self { on, fellows }
    }

    /// What is offered to models.
    pub(in super::super) fn specs(&self) -> impl Iterator<Item = ToolSpec> {
        self.on.iter().map(|(kind, _)| kind.spec(&self.fellows))
    }

    /// The labels, for declaring their series.
    pub(in super::super) fn labels(&self) -> impl Iterator<Item = Label> {
        self.on.iter().map(|(_, label)| *label)
    }

    pub(super) fn get(&self, name: &str) -> Option<(Kind, Label)> {
        self.on.iter().copied().find(|(kind, _)| kind.name() == name)
    }

    pub(super) fn fellows(&self) -> &[Fellow] {
        &self.fellows
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Subagent => "subagent",
            Self::Spawn => "spawn",
            Self::Delegate => "delegate",
            Self::Status => "spawn_status",
        }
    }

    fn spec(self, fellows: &[Fellow]) -> ToolSpec {
        let task = text("What is to be done, with all that must be known for it");
        let label = text("A few words by which the task is told from others");
        let agent = text(&format!("Which agent: {}", list(fellows)));
        let (description, parameters) = match self {
            Self::Subagent => (
                "Has a sub-agent do a task and waits for its result.",
                object(&json!({ "task": task, "label": label }), &["task"]),
            ),
            Self::Spawn => {
                let mut properties = json!({ "task": task, "label": label });
                if !fellows.is_empty() {
                    properties["agent_id"] = agent;
                }
                (
                    "Has a sub-agent, or another agent, do a task beside the conversation. Its result is told to you \
                     when it is done.",
                    object(&properties, &["task"]),
                )
            }
            Self::Delegate => (
                "Has another agent do a task, with its own model, tools and files, and waits for its result.",
                object(&json!({ "agent_id": agent, "task": task }), &["agent_id", "task"]),
            ),
            Self::Status => (
                "Tells how spawned tasks go.",
                object(&json!({ "task_id": text("Which task, such as task-3; all without it") }), &[]),
            ),
        };
        ToolSpec { name: self.name().to_owned(), description: description.to_owned(), parameters }
    }
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The agents with their names, for a model or a person.
pub(super) fn list(fellows: &[Fellow]) -> String {
    let mut text = String::new();
    for Fellow { id, name } in fellows {
        let gap = if text.is_empty() { "" } else { ", " };
        let _ = match name.as_str() {
            "" => write!(text, "{gap}{id}"),
            name => write!(text, "{gap}{id} ({name})"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_offered_only_when_there_are_some() {
        let bus = Bus::new(64);
        let wish = CrewWish { subagent: true, spawn: true, delegate: true, spawn_status: false };
        let names = |tools: &CrewTools| tools.specs().map(|spec| spec.name).collect::<Vec<_>>();
        let alone = CrewTools::new(&bus, wish, Vec::new());
        assert_eq!(names(&alone), ["spawn", "subagent"]);
        assert!(alone.specs().all(|spec| spec.parameters["properties"]["agent_id"].is_null()));
        let fellow = |id: &str, name: &str| Fellow { id: id.to_owned(), name: name.to_owned() };
        let two = CrewTools::new(&bus, wish, vec![fellow("support", "Support Desk"), fellow("sales", "")]);
        assert_eq!(names(&two), ["spawn", "subagent", "delegate"]);
        let delegate = two.specs().last().unwrap().parameters;
        let agent = delegate["properties"]["agent_id"]["description"].as_str().unwrap();
        assert_eq!(agent, "Which agent: support (Support Desk), sales");
    }
}
