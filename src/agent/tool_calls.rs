//! The tool calls that a completion asks for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use picoclaw_telemetry::guard::ToolRun;
use picoclaw_telemetry::words::ToolStatus;
use picoclaw_telemetry::{Bus, Detail, Dimension, Event, Label};

use super::budget;
use crate::chat::{ToolCall, ToolSpec, ToolSpecs};
use crate::tools::{Caller, Tool, ToolOutput, Toolbox};

/// The tools with their labels, and how long a call may take.
pub(super) struct Tools {
    by_name: BTreeMap<String, (Arc<dyn Tool>, Label)>,
    /// Those that a model is always shown.
    specs: ToolSpecs,
    /// Those that it is shown when it has found them, by name.
    deferred: BTreeMap<String, ToolSpec>,
    /// What the specs weigh, in bytes that a model reads; known when a turn first asks.
    bytes: OnceLock<u64>,
    timeout: Duration,
    redact: Redact,
}

/// Takes secrets out of a text that a model will see.
pub type Redact = Arc<dyn Fn(String) -> String + Send + Sync>;

/// Which turn calls, and on whose behalf.
#[derive(Clone, Copy)]
pub(super) struct Calling<'a> {
    pub(super) bus: &'a Bus,
    pub(super) turn: u64,
    pub(super) session: &'a Detail,
    pub(super) caller: Caller<'a>,
}

impl Tools {
    /// Besides the toolbox the tools of these `specs` are offered, which others carry out.
    pub(super) fn new(
        toolbox: &Toolbox,
        specs: impl Iterator<Item = ToolSpec>,
        timeout: Duration,
        redact: Redact,
        bus: &Bus,
    ) -> Self {
        let by_name = toolbox
            .names()
            .filter_map(|name| {
                let tool = toolbox.get(name)?;
                let label = bus.vocabulary().declare(Dimension::Tool, name);
                Some((name.to_owned(), (Arc::clone(tool), label)))
            })
            .collect();
        let is_deferred =
            |spec: &ToolSpec| toolbox.get(&spec.name).is_some_and(|tool| tool.deferred().is_some());
        let (hidden, shown): (Vec<ToolSpec>, Vec<ToolSpec>) =
            toolbox.specs().iter().cloned().partition(is_deferred);
        let deferred = hidden.into_iter().map(|spec| (spec.name.clone(), spec)).collect();
        let specs: Vec<ToolSpec> = shown.into_iter().chain(specs).collect();
        Self { by_name, specs: specs.into(), deferred, bytes: OnceLock::new(), timeout, redact }
    }

    /// What every model is shown.
    pub(super) fn specs(&self) -> &ToolSpecs {
        &self.specs
    }

    /// What the offer weighs, in bytes that a model reads.
    pub(super) fn bytes(&self) -> u64 {
        *self.bytes.get_or_init(|| budget::weigh_tools(&self.specs))
    }

    /// Whether a model is only shown this tool when it has found it.
    pub(super) fn is_deferred(&self, name: &str) -> bool {
        self.deferred.contains_key(name)
    }

    /// Whether there are such tools.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// What a model is shown that has found these, at the end so that the beginning stays the same; and what that weighs.
    pub(super) fn with(&self, found: &[String]) -> (ToolSpecs, u64) {
        let more: Vec<ToolSpec> = found.iter().filter_map(|name| self.deferred.get(name).cloned()).collect();
        let bytes = self.bytes() + budget::weigh_tools(&more);
        (self.specs.iter().cloned().chain(more).collect::<Vec<_>>().into(), bytes)
    }

    /// The tool of this name.
    pub(super) fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.by_name.get(name).map(|(tool, _)| Arc::clone(tool))
    }

    /// The labels, for declaring their series.
    pub(super) fn labels(&self) -> impl Iterator<Item = Label> {
        self.by_name.values().map(|(_, label)| *label)
    }

    /// Does what a call asks for and returns what is for the model, which also learns what went wrong.
    pub(super) async fn call(&self, calling: Calling<'_>, call: &ToolCall) -> ToolOutput {
        let Calling { bus, turn, session, caller } = calling;
        let name = call.function.name.as_str();
        let Some((tool, label)) = self.by_name.get(name) else {
            bus.emit(Event::ToolSkipped { turn, name: Detail::new(name), session: session.clone() });
            let known: Vec<&str> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
            let known = known.join(", ");
            return ToolOutput::error(format!(
                "There is no tool named \"{name}\". Available tools: {known}."
            ));
        };
        let run = ToolRun::start(bus, turn, *label, session.clone());
        let mut output = self.run(tool.as_ref(), caller, &call.function.arguments).await;
        let text = (self.redact)(std::mem::take(&mut output.text));
        let error = (output.status != ToolStatus::Success).then(|| Detail::new(&text));
        run.finish(output.status, error);
        ToolOutput { text, ..output }
    }

    /// Counts a call whose outcome a hook has settled, whether or not there is such a tool.
    pub(super) fn settle(&self, calling: Calling<'_>, name: &str, mut output: ToolOutput) -> ToolOutput {
        let Calling { bus, turn, session, .. } = calling;
        let label = self.by_name.get(name).map(|(_, label)| *label);
        let label = label.unwrap_or_else(|| bus.vocabulary().resolve(Dimension::Tool, name));
        let run = ToolRun::start(bus, turn, label, session.clone());
        let text = (self.redact)(std::mem::take(&mut output.text));
        let error = (output.status != ToolStatus::Success).then(|| Detail::new(&text));
        run.finish(output.status, error);
        ToolOutput { text, ..output }
    }

    async fn run(&self, tool: &dyn Tool, caller: Caller<'_>, arguments: &str) -> ToolOutput {
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let arguments = match serde_json::from_str(text) {
            Ok(arguments) => arguments,
            Err(error) => return ToolOutput::error(format!("The arguments are not valid JSON: {error}.")),
        };
        let limit = tool.patience().unwrap_or(self.timeout);
        match tokio::time::timeout(limit, tool.call_for(caller, arguments)).await {
            Ok(output) => output,
            Err(_) => ToolOutput::timeout(format!(
                "The tool did not finish within {} s and was stopped.",
                limit.as_secs_f64()
            )),
        }
    }
}
