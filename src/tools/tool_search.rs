//! `tool_search_tool_bm25` and `tool_search_tool_regex`: finding tools that the model is not shown until it looks for them.

mod rank;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use regex_lite::RegexBuilder;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::output::ToolOutput;
use super::tool::Tool;
use picoclaw_chat::ToolSpec;

/// Longest pattern and longest query, in characters.
const MAX_PATTERN: usize = 200;
const MAX_QUERY: usize = 1_000;
/// What a compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 256 << 10;
/// Longest description in a result, in characters; the whole one is shown with the tool.
const MAX_DESCRIPTION: usize = 300;

/// Which searches there are for tools that are not shown, and how they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolSearchOptions {
    /// Whether there is the search by words.
    pub by_words: bool,
    /// Whether there is the search by a regular expression.
    pub by_pattern: bool,
    /// Most tools that one search finds.
    pub most: usize,
}

/// How a search compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Words,
    Pattern,
}

/// Finds tools among those that are not shown.
#[derive(Debug)]
pub struct ToolSearch {
    way: Way,
    most: usize,
    /// Name and description, by name in order.
    hidden: Arc<[(String, String)]>,
    /// Whose tools they are.
    groups: Arc<str>,
}

impl ToolSearch {
    /// The searches for these tools, each with the name of the group that it belongs to.
    pub(super) fn of(options: ToolSearchOptions, hidden: &[(String, ToolSpec)]) -> Vec<Self> {
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        hidden.iter().for_each(|(group, _)| *groups.entry(group).or_default() += 1);
        let groups: Vec<String> = groups.iter().map(|(group, count)| format!("{group} ({count})")).collect();
        let groups: Arc<str> = groups.join(", ").into();
        let mut hidden: Vec<_> =
            hidden.iter().map(|(_, spec)| (spec.name.clone(), spec.description.clone())).collect();
        hidden.sort_unstable();
        let hidden: Arc<[_]> = hidden.into();
        let ways = [(Way::Words, options.by_words), (Way::Pattern, options.by_pattern)];
        let make = |(way, _)| Self {
            way,
            most: options.most.max(1),
            hidden: Arc::clone(&hidden),
            groups: Arc::clone(&groups),
        };
        ways.into_iter().filter(|(_, wanted)| *wanted).map(make).collect()
    }

    fn search(&self, arguments: Value) -> Result<ToolOutput, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let (name, hint, longest) = match self.way {
            Way::Words => ("query", "what you want to do", MAX_QUERY),
            Way::Pattern => ("pattern", "a regular expression", MAX_PATTERN),
        };
        let text = arguments.text(name, hint)?.trim();
        if text.is_empty() {
            return Err(ToolOutput::error(format!("argument `{name}` is empty; give {hint}")));
        }
        if text.chars().count() > longest {
            return Err(ToolOutput::error(format!("argument `{name}` is longer than {longest} characters")));
        }
        let found = match self.way {
            Way::Words => rank::best(&self.hidden, text, self.most),
            Way::Pattern => self.matching(text)?,
        };
        if found.is_empty() {
            return Ok(ToolOutput::success(format!(
                "No tool fits. There are tools of: {}. Search with other words.",
                self.groups
            )));
        }
        let listed: Vec<Value> = found
            .iter()
            .map(|(name, what)| {
                let what: String = what.chars().take(MAX_DESCRIPTION).collect();
                json!({"name": name, "description": what})
            })
            .collect();
        let text = format!(
            "Found {} tools:\n{}\nFrom your next answer on you can call them like any other tool.",
            found.len(),
            Value::from(listed)
        );
        let found = found.iter().map(|(name, _)| name.clone()).collect();
        Ok(ToolOutput { found, ..ToolOutput::success(text) })
    }

    fn matching(&self, pattern: &str) -> Result<Vec<&(String, String)>, ToolOutput> {
        let pattern = RegexBuilder::new(pattern).case_insensitive(true).size_limit(MAX_COMPILED).build();
        let pattern = pattern.map_err(|error| {
            ToolOutput::error(format!("argument `pattern` is no regular expression: {error}; correct it"))
        })?;
        let matches = |tool: &&(String, String)| pattern.is_match(&tool.0) || pattern.is_match(&tool.1);
        Ok(self.hidden.iter().filter(matches).take(self.most).collect())
    }
}

#[async_trait]
impl Tool for ToolSearch {
    fn spec(&self) -> ToolSpec {
        let (name, how, argument, meaning) = match self.way {
            Way::Words => (
                "tool_search_tool_bm25",
                "words that say what you want to do",
                "query",
                "What you want to do.",
            ),
            Way::Pattern => (
                "tool_search_tool_regex",
                "a regular expression that their name or description matches",
                "pattern",
                "The regular expression; upper and lower case are the same.",
            ),
        };
        ToolSpec {
            name: name.to_owned(),
            description: format!(
                "Find tools that you are not shown yet, by {how}. You can call what is found afterwards. There are \
                 tools of: {}.",
                self.groups
            ),
            parameters: json!({
                "type": "object",
                "properties": {argument: {"type": "string", "description": meaning}},
                "required": [argument],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.search(arguments).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searches(options: ToolSearchOptions) -> Vec<ToolSearch> {
        let tool = |group: &str, name: &str, what: &str| {
            let spec = ToolSpec {
                name: name.to_owned(),
                description: what.to_owned(),
                parameters: json!({"type": "object", "properties": {}}),
            };
            (group.to_owned(), spec)
        };
        ToolSearch::of(
            options,
            &[
                tool("tracker", "mcp_tracker_create_issue", "Create an issue in a project."),
                tool("tracker", "mcp_tracker_list_issues", "List the issues of a project."),
                tool("sky", "mcp_sky_forecast", "Tells the weather of the next days."),
            ],
        )
    }

    const BOTH: ToolSearchOptions = ToolSearchOptions { by_words: true, by_pattern: true, most: 2 };

    #[tokio::test]
    async fn words_find_what_fits_best_first() {
        let search = &searches(BOTH)[0];
        let weather = search.call(json!({"query": "what is the WEATHER like"})).await;
        assert_eq!(weather.found[0], "mcp_sky_forecast");
        assert!(
            weather.text.starts_with("Found 2 tools:\n[{\"description\":\"Tells the weather"),
            "{weather:?}"
        );
        let issue = search.call(json!({"query": "create issue"})).await;
        assert_eq!(issue.found[0], "mcp_tracker_create_issue");
        assert_eq!(search.call(json!({"query": "project"})).await.found.len(), 2);
        let none = search.call(json!({"query": "bake bread"})).await;
        assert!(none.found.is_empty() && none.text.contains("sky (1), tracker (2)"), "{}", none.text);
    }

    #[tokio::test]
    async fn patterns_find_names_and_descriptions() {
        let search = &searches(BOTH)[1];
        let found = async |pattern: &str| search.call(json!({"pattern": pattern})).await;
        assert_eq!(found("FORECAST$").await.found, ["mcp_sky_forecast"]);
        assert_eq!(found("tells|create an").await.found, ["mcp_sky_forecast", "mcp_tracker_create_issue"]);
        assert_eq!(found(".").await.found.len(), 2, "no more than the limit");
        assert!(found("(").await.text.contains("no regular expression"));
        assert!(found(" ").await.text.contains("is empty"));
        assert!(found(&"a".repeat(201)).await.text.contains("longer than 200"));
        assert!(found("(?:a{900}){900}").await.text.contains("no regular expression"));
    }

    #[test]
    fn only_what_is_wanted_is_there() {
        let names = |by_words, by_pattern| -> Vec<String> {
            let options = ToolSearchOptions { by_words, by_pattern, most: 5 };
            searches(options).iter().map(|search| search.spec().name).collect()
        };
        assert_eq!(names(true, false), ["tool_search_tool_bm25"]);
        assert_eq!(names(false, true), ["tool_search_tool_regex"]);
        assert!(searches(BOTH)[0].spec().description.contains("tools of: sky (1), tracker (2)."));
    }
}
