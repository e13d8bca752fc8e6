//! From the sources to a checked configuration.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::inspect::inspect;
use super::paths::Paths;
use super::problem::{ConfigErrors, Problem, Source, Warning};
use super::sections::Config;
use super::shape::Schema;
use super::tree::{KeyPath, Tree};
use super::validate::{self, Checked};
use super::{older, overrides, salvage, secret_values, security, sources, unused};

/// A configuration that the gateway can start with.
#[derive(Clone)]
pub struct Loaded {
    /// What was configured, with defaults for the rest.
    pub config: Config,
    /// Where things are on disk.
    pub paths: Paths,
    /// What an operator should know about it.
    pub warnings: Vec<Warning>,
    /// Every secret in it, for masking in logs.
    pub secrets: Vec<String>,
}

/// Secrets are left out.
impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .field("paths", &self.paths)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Reads and checks the configuration.
///
/// A missing file means defaults. Unknown keys and older layouts are warnings; everything that would make the gateway do
/// something else than was written is a problem, and all problems are reported together.
pub fn load(environment: &Environment, known_sink_types: &[&str]) -> Result<Loaded, ConfigErrors> {
    load_with(environment, known_sink_types, &|_| Checked::default())
}

/// The same with checks of somebody who knows more. They see what is left of the settings when some are wrong.
pub fn load_with(
    environment: &Environment,
    known_sink_types: &[&str],
    further: &dyn Fn(&Loaded) -> Checked,
) -> Result<Loaded, ConfigErrors> {
    let Some(paths) = Paths::find(environment) else {
        let source = Source::Variable("PICOCLAW_HOME".into());
        let message =
            "not set, and the user has no home directory: set it to a directory for PicoClaw's files";
        return Err(ConfigErrors::new(
            "config.json".as_ref(),
            vec![Problem::new(&source, "", message)],
            Vec::new(),
        ));
    };
    let mut reader = Reader { environment, paths, problems: Vec::new(), warnings: Vec::new() };
    let schema = Schema::load();
    let mut tree = reader.overlaid(&schema);
    let all_was_read = reader.problems.is_empty();
    let mut secrets = BTreeSet::new();
    secret_values::collect(&tree, &mut secrets);
    reader.warnings.extend(unused::take(&mut tree));
    reader.problems.extend(secret_values::resolve(&mut tree, reader.paths.config_dir(), environment));
    secret_values::collect(&tree, &mut secrets);

    let findings = inspect(&tree, &schema);
    reader.problems.extend(findings.problems);
    reader.warnings.extend(findings.warnings);
    let Reader { paths, mut problems, mut warnings, .. } = reader;
    // Without a file, what others say about its settings would only look wrong.
    if !all_was_read {
        return Err(ConfigErrors::new(&paths.config_file, problems, warnings));
    }
    if !problems.is_empty() {
        tree.root = salvage::sound_part(&tree.root, &schema);
    }
    drop(schema);
    let config = match decode(&tree) {
        Ok(config) => config,
        Err(problem) => {
            problems.push(problem);
            return Err(ConfigErrors::new(&paths.config_file, problems, warnings));
        }
    };
    let paths = paths.with_workspace(&config, environment);
    let checked = validate::validate(&config, &paths, known_sink_types);
    note(checked, &tree, &mut problems, &mut warnings);
    let mut loaded = Loaded { config, paths, warnings, secrets: secrets.into_iter().collect() };
    let checked = further(&loaded);
    note(checked, &tree, &mut problems, &mut loaded.warnings);
    if problems.is_empty() {
        return Ok(loaded);
    }
    Err(ConfigErrors::new(&loaded.paths.config_file, problems, loaded.warnings))
}

/// Adds what was found, but for what only follows from a problem that is known.
fn note(checked: Checked, tree: &Tree, problems: &mut Vec<Problem>, warnings: &mut Vec<Warning>) {
    let locate = |path: &str| tree.source_of_text(path).clone();
    let known: Vec<String> = problems.iter().map(|problem| problem.path.clone()).collect();
    let is_new = |path: &str| !known.iter().any(|known| follows_from(path, known));
    for (path, message) in checked.problems.into_iter().filter(|(path, _)| is_new(path)) {
        problems.push(Problem::new(&locate(&path), path, message));
    }
    for (path, message) in checked.warnings.into_iter().filter(|(path, _)| is_new(path)) {
        warnings.push(Warning::new(&locate(&path), path, message));
    }
}

/// Whether a finding at `path` may come from a problem at `known` alone: it is about the same setting or one inside, or
/// about names of which the others are not known.
fn follows_from(path: &str, known: &str) -> bool {
    let inside = path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let names_models = known == "model_list"
        || known.starts_with("model_list[")
            && (known.ends_with(']') && !known.contains('.')
                || known.ends_with(".model_name")
                || known.ends_with(".enabled"));
    let speaks_of_models = path == "agents.defaults.model_name" || path.contains("fallbacks[");
    let name_of_that_sink = known
        .strip_suffix(".type")
        .is_some_and(|sink| path.strip_prefix(sink).is_some_and(|rest| rest == ".name"));
    inside || (names_models && speaks_of_models) || name_of_that_sink
}

struct Reader<'a> {
    environment: &'a Environment,
    paths: Paths,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    /// Every source laid over the one before.
    fn overlaid(&mut self, schema: &Schema) -> Tree {
        let source = Source::File(self.paths.config_file.clone());
        let mut base = match sources::read_json_noting(&self.paths.config_file, &mut self.warnings) {
            Ok(Some(Value::Null)) => {
                self.warnings.push(Warning::new(&source, "", "the file is empty: using the defaults"));
                Value::Object(Map::new())
            }
            Ok(Some(base)) => base,
            Ok(None) => {
                if self.environment.get("PICOCLAW_CONFIG").is_some() {
                    let message = format!(
                        "there is no file {}: using the defaults; create it, or unset the variable",
                        self.paths.config_file.display()
                    );
                    let variable = Source::Variable("PICOCLAW_CONFIG".into());
                    self.warnings.push(Warning::grave(&variable, "", message));
                }
                Value::Object(Map::new())
            }
            Err(problem) => {
                self.problems.push(problem);
                Value::Object(Map::new())
            }
        };
        sources::clean(&mut base);
        self.warnings.extend(older::upgrade(&mut base, &source));
        let mut tree = Tree::new(base, source);
        self.add_sidecar(&mut tree);
        self.add_secrets(&mut tree);
        self.warnings.extend(overrides::overlay(&mut tree, self.environment, schema));
        tree
    }

    /// The sidecar exists because another program that reads `config.json` may refuse telemetry settings in it.
    fn add_sidecar(&mut self, tree: &mut Tree) {
        const SECTIONS: [&str; 3] = ["telemetry", "gateway", "logging"];
        let source = Source::File(self.paths.telemetry_file.clone());
        let mut sidecar = match sources::read_json_noting(&self.paths.telemetry_file, &mut self.warnings) {
            Ok(Some(Value::Null)) => {
                return self.warnings.push(Warning::new(&source, "", "the file is empty, ignored"));
            }
            Ok(Some(sidecar)) => sidecar,
            Ok(None) => {
                if self.environment.get("PICOCLAW_TELEMETRY_CONFIG").is_some() {
                    let source = Source::Variable("PICOCLAW_TELEMETRY_CONFIG".into());
                    let message = format!("there is no file {}", self.paths.telemetry_file.display());
                    self.problems.push(Problem::new(&source, "", message));
                }
                return;
            }
            Err(problem) => return self.problems.push(problem),
        };
        sources::clean(&mut sidecar);
        if !SECTIONS.iter().any(|section| sidecar.get(section).is_some()) {
            return tree.merge(&KeyPath::of_keys(["telemetry"]), sidecar, &source);
        }
        let Value::Object(sections) = sidecar else { return };
        for (section, value) in sections {
            let mut ignored = |path: String| {
                let message = "this file holds only telemetry, logging, gateway.metrics and gateway.health_check: ignored";
                self.warnings.push(Warning::new(&source, path, message));
            };
            match (section.as_str(), value) {
                ("gateway", Value::Object(members)) => {
                    for (key, value) in members {
                        match key.as_str() {
                            "metrics" | "health_check" => {
                                tree.merge(&KeyPath::of_keys(["gateway", &key]), value, &source);
                            }
                            _ => ignored(format!("gateway.{key}")),
                        }
                    }
                }
                ("telemetry" | "logging", value) => {
                    tree.merge(&KeyPath::of_keys([section.as_str()]), value, &source);
                }
                _ if section == "$schema" => {}
                _ => ignored(section),
            }
        }
    }

    fn add_secrets(&mut self, tree: &mut Tree) {
        match sources::read_yaml(&self.paths.security_file) {
            Ok(Some(mut secrets)) => {
                sources::clean(&mut secrets);
                let source = Source::File(self.paths.security_file.clone());
                self.warnings.extend(security::overlay(tree, secrets, &source));
            }
            Ok(None) => {}
            Err(problem) => self.problems.push(problem),
        }
    }
}

/// The settings as a value. The comparison with the schema has found what is wrong already; this is the last word, and
/// names the section only: to keep account of places would double the code that reads all settings.
fn decode(tree: &Tree) -> Result<Config, Problem> {
    let mut config = Config::deserialize(&tree.root).map_err(|error| {
        let alone = |(key, value): (&String, &Value)| {
            Config::deserialize(&json!({ key: value })).is_err().then(|| key.clone())
        };
        let section = tree.root.as_object().into_iter().flatten().find_map(alone).unwrap_or_default();
        Problem::new(tree.source_of_text(&section), section, error.to_string())
    })?;
    config.name_providers();
    config.add_built_in();
    Ok(config)
}
