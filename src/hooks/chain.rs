//! All hooks, asked one after the other; each sees what the one before it made of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::words::HookStage;
use picoclaw_telemetry::{Bus, Dimension, Event};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answers::{self, Decision};
use super::hook::Hook;
use super::observer::{Interest, observe};
use super::process::Program;
use picoclaw::agent::hooks::{Abort, At, BeforeTool, Hooks, LlmAsk, Stage};
use picoclaw::chat::ToolCall;
use picoclaw::config::{HookProcess, HooksConfig, Intercept};
use picoclaw::providers::Completion;
use picoclaw::tools::ToolOutput;

/// All hooks. Dropping it ends them.
pub struct Chain {
    links: Vec<Link>,
    patience: Duration,
    approval: Duration,
    _stop: DropGuard,
}

struct Link {
    hook: Arc<Hook>,
    intercepts: Vec<Intercept>,
}

impl Chain {
    /// Starts the configured hooks; `None` when there are none. Must be called within a runtime.
    pub fn start(config: &HooksConfig, workspace: &Path, bus: &Bus) -> Option<Arc<Self>> {
        let active = config.active();
        if active.is_empty() {
            return None;
        }
        let stop = CancellationToken::new();
        let observer_patience = Duration::from_millis(config.defaults.observer_timeout_ms);
        let mut links = Vec::new();
        for (name, process) in active {
            let label = bus.vocabulary().declare(Dimension::Hook, name);
            bus.emit(Event::Declared([Declaration::Hook(label)].into()));
            let hook = Arc::new(Hook::start(name, label, program(process, workspace), modes(process), bus));
            if !process.observe.is_empty() {
                let interest = Interest::new(&process.observe);
                let events = bus.subscribe();
                tokio::spawn(observe(Arc::clone(&hook), interest, events, observer_patience, stop.clone()));
            }
            links.push(Link { hook, intercepts: process.intercept.clone() });
        }
        Some(Arc::new(Self {
            links,
            patience: Duration::from_millis(config.defaults.interceptor_timeout_ms),
            approval: Duration::from_millis(config.defaults.approval_timeout_ms),
            _stop: stop.drop_guard(),
        }))
    }

    /// Says on the bus that these hooks go, but for those of the same name that come in their place.
    pub fn retire(&self, successor: Option<&Self>, bus: &Bus) {
        let stays =
            |label| successor.is_some_and(|new| new.links.iter().any(|link| link.hook.label == label));
        for hook in self.links.iter().map(|link| link.hook.label).filter(|label| !stays(*label)) {
            bus.emit(Event::HookStopped { hook });
        }
    }

    /// The hooks that are asked here.
    fn at(&self, point: Intercept) -> impl Iterator<Item = &Hook> {
        self.links.iter().filter(move |link| link.intercepts.contains(&point)).map(|link| link.hook.as_ref())
    }

    /// Asks one hook. Whoever fails or is not understood has nothing to say, which the log explains.
    async fn ask(&self, hook: &Hook, stage: HookStage, params: &Value) -> Option<(Decision, Value)> {
        let answer = hook.call(stage, params, self.patience).await.ok()?;
        match answers::decision(&answer) {
            Ok(decision) => Some((decision, answer)),
            Err(error) => {
                misunderstood(hook, stage, &error);
                None
            }
        }
    }
}

#[async_trait]
impl Hooks for Chain {
    fn want(&self, stage: Stage) -> bool {
        self.at(point(stage)).next().is_some()
    }

    async fn before_llm(&self, at: At<'_>, mut ask: LlmAsk) -> Result<LlmAsk, Abort> {
        for hook in self.at(Intercept::BeforeLlm) {
            let params = answers::ask(at, &ask);
            match self.ask(hook, HookStage::BeforeLlm, &params).await {
                Some((Decision::Abort(reason), _)) => return Err(abort(hook, &reason)),
                Some((Decision::Modify, answer)) => match answers::changed_ask(&answer, ask.clone()) {
                    Ok(changed) => ask = changed,
                    Err(error) => misunderstood(hook, HookStage::BeforeLlm, &error),
                },
                _ => {}
            }
        }
        Ok(ask)
    }

    async fn after_llm(&self, at: At<'_>, model: &str, mut answer: Completion) -> Result<Completion, Abort> {
        for hook in self.at(Intercept::AfterLlm) {
            let params = answers::completion(at, model, &answer);
            match self.ask(hook, HookStage::AfterLlm, &params).await {
                Some((Decision::Abort(reason), _)) => return Err(abort(hook, &reason)),
                Some((Decision::Modify, said)) => match answers::changed_completion(&said, answer.clone()) {
                    Ok(changed) => answer = changed,
                    Err(error) => misunderstood(hook, HookStage::AfterLlm, &error),
                },
                _ => {}
            }
        }
        Ok(answer)
    }

    async fn before_tool(&self, at: At<'_>, mut call: ToolCall) -> Result<BeforeTool, Abort> {
        for hook in self.at(Intercept::BeforeTool) {
            let params = answers::tool_call(at, &call);
            let wrong = |error: String| misunderstood(hook, HookStage::BeforeTool, &error);
            match self.ask(hook, HookStage::BeforeTool, &params).await {
                Some((Decision::Abort(reason), _)) => return Err(abort(hook, &reason)),
                Some((Decision::Deny(reason), _)) => {
                    return Ok(BeforeTool::Outcome(ToolOutput::denied(denied(hook, &reason))));
                }
                Some((Decision::Respond, answer)) => match answers::output(&answer) {
                    Ok(output) => return Ok(BeforeTool::Outcome(output)),
                    Err(error) => wrong(error),
                },
                Some((Decision::Modify, answer)) => match answers::changed_call(&answer, call.clone()) {
                    Ok(changed) => call = changed,
                    Err(error) => wrong(error),
                },
                Some((Decision::Continue, _)) | None => {}
            }
        }
        Ok(BeforeTool::Call(call))
    }

    async fn approve_tool(&self, at: At<'_>, call: &ToolCall) -> Result<(), String> {
        for hook in self.at(Intercept::ApproveTool) {
            let params = answers::tool_call(at, call);
            let answer = hook.call(HookStage::ApproveTool, &params, self.approval).await;
            let answer = answer.map_err(|error| denied(hook, &format!("no approval: {error}")))?;
            if answer["approved"] != Value::Bool(true) {
                return Err(denied(hook, answer["reason"].as_str().unwrap_or_default()));
            }
        }
        Ok(())
    }

    async fn after_tool(
        &self,
        at: At<'_>,
        call: &ToolCall,
        mut output: ToolOutput,
        took: Duration,
    ) -> Result<ToolOutput, Abort> {
        for hook in self.at(Intercept::AfterTool) {
            let params = answers::outcome(at, call, &output, took);
            match self.ask(hook, HookStage::AfterTool, &params).await {
                Some((Decision::Abort(reason), _)) => return Err(abort(hook, &reason)),
                Some((Decision::Modify, answer)) => match answers::output(&answer) {
                    Ok(changed) => output = changed,
                    Err(error) => misunderstood(hook, HookStage::AfterTool, &error),
                },
                _ => {}
            }
        }
        Ok(output)
    }
}

fn program(process: &HookProcess, workspace: &Path) -> Program {
    Program {
        command: process.command.clone(),
        directory: workspace.join(&process.dir),
        environment: process
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect(),
    }
}

/// What a hook is for, as it is told.
fn modes(process: &HookProcess) -> Vec<&'static str> {
    let any = |points: &[Intercept]| points.iter().any(|point| process.intercept.contains(point));
    let modes = [
        ("observe", !process.observe.is_empty()),
        ("llm", any(&[Intercept::BeforeLlm, Intercept::AfterLlm])),
        ("tool", any(&[Intercept::BeforeTool, Intercept::AfterTool])),
        ("approve", any(&[Intercept::ApproveTool])),
    ];
    modes.into_iter().filter(|(_, wanted)| *wanted).map(|(mode, _)| mode).collect()
}

fn point(stage: Stage) -> Intercept {
    match stage {
        Stage::BeforeLlm => Intercept::BeforeLlm,
        Stage::AfterLlm => Intercept::AfterLlm,
        Stage::BeforeTool => Intercept::BeforeTool,
        Stage::ApproveTool => Intercept::ApproveTool,
        Stage::AfterTool => Intercept::AfterTool,
    }
}

fn abort(hook: &Hook, reason: &str) -> Abort {
    Abort(with_reason(format!("the hook {} ended the turn", hook.name), reason))
}

fn denied(hook: &Hook, reason: &str) -> String {
    with_reason(format!("the hook {} denied the call", hook.name), reason)
}

fn with_reason(what: String, reason: &str) -> String {
    if reason.is_empty() { what } else { format!("{what}: {reason}") }
}

fn misunderstood(hook: &Hook, stage: HookStage, error: &str) {
    tracing::warn!(target: "picoclaw::hooks", hook = &*hook.name, stage = stage.as_str(), error, "A hook's answer is not understood, and ignored.");
}
