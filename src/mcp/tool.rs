//! A tool of a server.

use std::sync::Arc;

use crate::protocol::CallError;
use crate::protocol::model::{CallToolRequestParams, Tool as McpTool};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::answer::Answer;
use super::artifacts::Artifacts;
use super::keeper::Server;
use super::name::tool_name;
use picoclaw_chat::ToolSpec;
use picoclaw_tools::{Tool, ToolOutput};

/// Longest description that goes to a model, in bytes: each request pays for it.
const MAX_DESCRIPTION: usize = 4 << 10;

/// A tool of a server.
pub(super) struct ServerTool {
    server: Arc<Server>,
    name: String,
    spec: ToolSpec,
    artifacts: Artifacts,
    deferred: bool,
}

impl ServerTool {
    pub(super) fn new(server: Arc<Server>, tool: &McpTool, artifacts: Artifacts, deferred: bool) -> Self {
        let mut description = tool.description.clone().unwrap_or_default().into_owned();
        description.truncate(description.floor_char_boundary(MAX_DESCRIPTION));
        let spec = ToolSpec {
            name: tool_name(&server.spec.name, &tool.name),
            description,
            parameters: parameters(tool),
        };
        Self { name: tool.name.to_string(), spec, server, artifacts, deferred }
    }
}

/// The schema as models take it: of an object, with properties.
fn parameters(tool: &McpTool) -> Value {
    let mut schema = (*tool.input_schema).clone();
    schema.insert("type".to_owned(), "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.remove("$schema");
    Value::Object(schema)
}

#[async_trait]
impl Tool for ServerTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn deferred(&self) -> Option<&str> {
        self.deferred.then_some(self.server.spec.name.as_str())
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let server = &self.server.spec.name;
        let Some(arguments) = arguments.as_object().cloned() else {
            return ToolOutput::error("the arguments are no JSON object; give one");
        };
        let peer = match self.server.peer() {
            Ok(peer) => peer,
            Err(trouble) => {
                return ToolOutput::error(format!(
                    "the MCP server {server} is not connected ({trouble}); try again later, or without it"
                ));
            }
        };
        let params = CallToolRequestParams::new(self.name.clone()).with_arguments(arguments);
        match crate::protocol::call(&peer, params).await {
            Ok(result) => {
                let answer = Answer::of(result);
                self.artifacts.keep(&self.spec.name, answer, self.server.spec.max_inline_chars).await
            }
            Err(CallError::McpError(error)) => ToolOutput::error(error.message.into_owned()),
            Err(error) => {
                self.server.suspicion.notify_one();
                ToolOutput::error(format!(
                    "the MCP server {server} did not finish the call: {}; whether it did something is not known",
                    self.server.spec.way.explain(&error)
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_become_what_models_take() {
        let tool = |schema: Value| McpTool::new("a", "b", schema.as_object().cloned().unwrap_or_default());
        assert_eq!(parameters(&tool(json!({}))), json!({"type": "object", "properties": {}}));
        let schema = json!({"$schema": "x", "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        assert_eq!(
            parameters(&tool(schema)),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
        );
    }
}
