//! Models, tools and limits from the configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::{Bus, Dimension};

use super::supply::Supply;
use picoclaw::agent::{
    Candidate, ContextLimits, CrewLimits, Limits, ModelTable, Pictures, Routing, Standing, Terms,
    ToolFeedback,
};
use picoclaw::config::{
    Config, ECHO, ModelConfig, Paths, PriceConfig, ReadFileMode, SearchEngineConfig, SecretString,
    SkillRegistryConfig, SteeringMode, ThinkingLevel, ToolSchemaTransform,
};
use picoclaw::providers::{self, HttpClients, ModelSpec, Price, Thinking};
use picoclaw::sessions;
use picoclaw::skills::{Registries, Registry, RegistryOptions};
use picoclaw::tools::{
    AllowedHosts, Denials, ExecOptions, Messages, Patterns, Reach, ReadFileOptions, SearchEngine,
    SearchEngineKind, ToolSearchOptions, ToolboxOptions, WebFetchOptions, command_environment,
};

/// A configuration that names something that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A model entry.
    #[error(transparent)]
    Model(#[from] providers::BuildError),
    /// Conversations that nobody has opened.
    #[error("the conversations in {0} are not open: start the gateway again")]
    Closed(PathBuf),
    /// An entry of the list of private hosts.
    #[error("tools.web.private_host_whitelist: {0}")]
    Hosts(#[from] picoclaw::tools::InvalidHost),
}

/// How a model searches for tools that it is not shown.
pub(super) fn tool_search(config: &Config) -> ToolSearchOptions {
    let discovery = &config.tools.mcp.discovery;
    ToolSearchOptions {
        by_words: discovery.use_bm25,
        by_pattern: discovery.use_regex,
        most: discovery.most(),
    }
}

/// How sessions are kept.
pub fn session_options(config: &Config) -> sessions::Options {
    let persistence = match config.session.persistence {
        picoclaw::config::Persistence::Durable => sessions::Persistence::Durable,
        picoclaw::config::Persistence::Memory => sessions::Persistence::Memory,
    };
    sessions::Options { persistence, ..sessions::Options::default() }
}

/// The models that the agents share.
pub(super) fn models(bus: &Bus, config: &Config) -> Result<ModelTable, providers::BuildError> {
    let clients = HttpClients::new();
    let mut table = ModelTable::default();
    for model in config.models() {
        let keys: Vec<Option<&SecretString>> = match model.keys().map(Some).collect::<Vec<_>>() {
            none if none.is_empty() => vec![None],
            keys => keys,
        };
        let model_fallbacks = meant(config, &model.fallbacks);
        for key in keys {
            let spec = spec(model, key);
            let provider_label = bus.vocabulary().declare(Dimension::Provider, &spec.provider);
            let model_label = bus.vocabulary().declare(Dimension::Model, &spec.name);
            let terms = Terms {
                identity: spec.identity(),
                provider: provider_label,
                model: model_label,
                cools_down: !spec.provider.eq_ignore_ascii_case(ECHO),
            };
            table.add(
                Candidate {
                    provider: providers::build(&spec, &clients)?,
                    upstream_id: spec.model,
                    provider_label,
                    model_label,
                    price: price(model),
                    standing: Arc::new(Standing::new(terms, model.rpm)),
                    model_name: spec.name,
                    streaming: spec.streaming,
                },
                &model_fallbacks,
            );
        }
    }
    Ok(table)
}

/// The names of the models that these texts mean.
pub(super) fn meant(config: &Config, texts: &[String]) -> Vec<String> {
    texts.iter().filter_map(|text| Some(config.model_meant(text)?.model_name.clone())).collect()
}

/// What a provider needs to know of a model.
pub(super) fn spec(model: &ModelConfig, key: Option<&SecretString>) -> ModelSpec {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    ModelSpec {
        api_base: given(&model.api_base),
        api_key: key.map(|key| key.expose().to_owned()),
        request_timeout: model.timeout(),
        max_tokens_field: given(&model.max_tokens_field),
        extra_body: model.extra_body.clone(),
        custom_headers: model
            .custom_headers
            .iter()
            .map(|(k, v)| (k.clone(), v.expose().to_owned()))
            .collect(),
        streaming: model.streaming.enabled,
        user_agent: given(&model.user_agent),
        thinking: thinking(model.thinking_level),
        simple_tools: model.tool_schema_transform == ToolSchemaTransform::Simple,
        proxy: model.proxy.as_ref().map(|proxy| proxy.expose().to_owned()).filter(|proxy| !proxy.is_empty()),
        ..ModelSpec::new(&model.model_name, model.provider_name(), model.upstream_id())
    }
}

/// How models see images.
pub(super) fn pictures(config: &Config, paths: &Paths, own: &Paths) -> Pictures {
    let defaults = &config.agents.defaults;
    let special = Some(&defaults.image_model).filter(|name| !name.is_empty());
    let names = special.into_iter().chain(special.iter().flat_map(|_| &defaults.image_model_fallbacks));
    Pictures {
        workspace: paths.workspace.clone(),
        own: (own.workspace != paths.workspace).then(|| own.workspace.clone()),
        largest: defaults.max_media_size(),
        models: names.filter_map(|name| Some(config.model_meant(name)?.model_name.clone())).collect(),
    }
}

/// Without a light model that is there, all messages are for the usual one; the check of the configuration says so.
fn routing(config: &Config) -> Option<Routing> {
    let routing = &config.agents.defaults.routing;
    let light = config.model_meant(&routing.light_model).filter(|_| routing.enabled)?;
    Some(Routing { light_model: light.model_name.clone(), threshold: routing.threshold })
}

/// The built-in model costs nothing.
fn price(model: &ModelConfig) -> Option<Price> {
    let price = model
        .price
        .or_else(|| model.provider_name().eq_ignore_ascii_case(ECHO).then(PriceConfig::default))?;
    Some(Price::per_million(
        price.input_per_million,
        price.output_per_million,
        price.cached_input_per_million,
        price.cache_write_per_million,
    ))
}

const fn thinking(level: ThinkingLevel) -> Option<Thinking> {
    match level {
        ThinkingLevel::Off => None,
        ThinkingLevel::Low => Some(Thinking::Low),
        ThinkingLevel::Medium => Some(Thinking::Medium),
        ThinkingLevel::High => Some(Thinking::High),
        ThinkingLevel::XHigh => Some(Thinking::XHigh),
        ThinkingLevel::Adaptive => Some(Thinking::Adaptive),
    }
}

/// What bounds the turns of every agent.
pub(super) fn limits(config: &Config) -> Limits {
    let defaults = &config.agents.defaults;
    Limits {
        tool_iterations: defaults.tool_iterations(),
        llm_retries: defaults.max_llm_retries,
        llm_backoff: defaults.retry_backoff(),
        turn_timeout: defaults.turn_timeout(),
        tool_timeout: config.tools.timeout(),
        found_tools_turns: config.tools.mcp.discovery.turns(),
        max_tokens: defaults.max_tokens,
        temperature: defaults.temperature,
        steer_all: defaults.steering_mode == SteeringMode::All,
        routing: routing(config),
        tool_feedback: Some(&defaults.tool_feedback).filter(|feedback| feedback.enabled).map(|feedback| {
            ToolFeedback {
                max_args_length: feedback.max_args_length(),
                separate_messages: feedback.separate_messages,
            }
        }),
        split_answers: defaults.split_on_marker,
        crew: CrewLimits {
            depth: defaults.subturn.depth(),
            concurrent: defaults.subturn.concurrent(),
            timeout: defaults.subturn.timeout(),
            patience: defaults.subturn.patience(),
            token_budget: defaults.subturn.token_budget(),
        },
        context: ContextLimits {
            window: defaults.context_window(),
            summarize_messages: defaults.summarize_messages(),
            summarize_percent: defaults.summarize_percent(),
        },
    }
}

/// How far file tools reach beyond the workspace.
fn reach(config: &Config) -> Reach {
    Reach {
        everywhere: !config.agents.defaults.restrict_to_workspace,
        read_everywhere: config.agents.defaults.allow_read_outside_workspace,
        read: Patterns::new(&config.tools.allow_read_paths),
        write: Patterns::new(&config.tools.allow_write_paths),
    }
}

/// The search engines that are switched on, the chosen one first.
fn search_engines(config: &Config) -> Vec<SearchEngine> {
    use SearchEngineKind::{Baidu, Brave, DuckDuckGo, Gemini, Glm, Perplexity, SearXng, Tavily};
    let web = &config.tools.web;
    if !web.enabled {
        return Vec::new();
    }
    let engine = |kind, engine: &SearchEngineConfig| {
        let keys = engine.keys().map(|key| key.expose().to_owned()).collect();
        SearchEngine::new(kind, &engine.base_url, keys, engine.max_results)
            .filter(|_| engine.enabled)
            .map(|made| made.with_index(if kind == Gemini { &engine.model } else { &engine.search_engine }))
    };
    let mut engines: Vec<(&str, SearchEngine)> = [
        (Perplexity, &web.perplexity),
        (Brave, &web.brave),
        (SearXng, &web.searxng),
        (Tavily, &web.tavily),
        (DuckDuckGo, &web.duckduckgo),
        (Baidu, &web.baidu_search),
        (Glm, &web.glm_search),
        (Gemini, &web.gemini),
    ]
    .into_iter()
    .filter_map(|(kind, config)| Some((kind.name(), engine(kind, config)?)))
    .collect();
    // The others stay, for when that one does not answer.
    engines.sort_by_key(|(name, _)| *name != web.provider);
    engines.into_iter().map(|(_, engine)| engine).collect()
}

/// How commands are run.
fn exec(config: &Config, supply: &Supply) -> Option<ExecOptions> {
    let exec = &config.tools.exec;
    exec.enabled.then(|| ExecOptions {
        denials: Denials {
            enabled: exec.enable_deny_patterns,
            custom: Patterns::new(&exec.custom_deny_patterns),
            allowed: Patterns::new(&exec.custom_allow_patterns),
        },
        allow_remote: exec.allow_remote,
        timeout: Duration::from_secs(exec.timeout_seconds),
        environment: command_environment(&exec.pass_env),
        sessions: supply.background.clone(),
    })
}

/// Without a channel nothing can be sent, and the model need not read how.
fn messages(config: &Config, supply: &Supply) -> Option<Messages> {
    let channels = config.channel_list.iter().filter(|(name, channel)| channel.runs(name));
    let channels: Vec<String> = channels.map(|(name, _)| name.clone()).collect();
    let courier = supply.courier.clone().filter(|_| !channels.is_empty())?;
    let tools = &config.tools;
    Some(Messages {
        courier,
        channels,
        message: tools.message.enabled,
        files_in_messages: tools.message.media_enabled,
        send_file: tools.send_file.enabled,
    })
}

/// Where skills come from; `None` when every registry is switched off.
///
/// # Errors
/// When an entry of the list of private hosts is none.
pub fn registries(config: &Config) -> Result<Option<Registries>, picoclaw::tools::InvalidHost> {
    let configured = &config.tools.skills.registries;
    let registry = |config: &SkillRegistryConfig| {
        let token = config.auth_token.expose().to_owned();
        config.enabled.then(|| Registry { base_url: config.base_url.clone(), token })
    };
    let hosts = config.tools.web.private_host_whitelist.iter().map(String::as_str);
    let options = RegistryOptions {
        github: registry(&configured.github),
        clawhub: registry(&configured.clawhub),
        private_hosts: AllowedHosts::parse(hosts)?,
    };
    let any = options.github.is_some() || options.clawhub.is_some();
    Ok(any.then(|| Registries::new(options)))
}

/// What the tools of an agent may do that works at these paths.
pub(super) fn tool_options(
    config: &Config,
    paths: &Paths,
    private: Vec<PathBuf>,
    supply: &Supply,
) -> Result<ToolboxOptions, picoclaw::tools::InvalidHost> {
    let tools = &config.tools;
    let web_fetch = (tools.web_fetch.enabled && tools.web.enabled)
        .then(|| {
            let hosts = tools.web.private_host_whitelist.iter().map(String::as_str);
            let private_host_whitelist = AllowedHosts::parse(hosts)?;
            let most_bytes = tools.web.fetch_limit();
            Ok(WebFetchOptions { private_host_whitelist, most_bytes, ..WebFetchOptions::default() })
        })
        .transpose()?;
    Ok(ToolboxOptions {
        workspace: paths.workspace.clone(),
        private,
        reach: reach(config),
        read_file: tools.read_file.enabled.then(|| ReadFileOptions {
            most: tools.read_file.most(),
            lines_only: tools.read_file.mode == ReadFileMode::Lines,
        }),
        write_file: tools.write_file.enabled,
        edit_file: tools.edit_file.enabled,
        append_file: tools.append_file.enabled,
        list_dir: tools.list_dir.enabled,
        load_image: tools.load_image.enabled.then(|| config.agents.defaults.max_media_size()),
        exec: exec(config, supply),
        find_skills: tools.find_skills.enabled,
        registries: (tools.skills.enabled && tools.install_skill.enabled)
            .then(|| registries(config))
            .transpose()?
            .flatten(),
        messages: messages(config, supply),
        search: search_engines(config),
        search_proxy: tools.web.proxy.clone(),
        web_fetch,
    })
}
