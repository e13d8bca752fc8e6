//! The agents of a configuration.

use std::sync::Arc;

use picoclaw_sinks::mask::Masker;
use picoclaw_telemetry::Bus;

use super::setup::{SetupError, limits, meant, models, pictures, tool_options, tool_search};
use super::supply::Supply;
use picoclaw::agent::{
    CrewTools, CrewWish, Dispatch, Fellow, Member, ModelChoice, Prompt, Redact, Rule, Team, When,
};
use picoclaw::config::{
    AgentConfig, AgentDefaults, AgentModel, Config, DispatchRule, Paths, agent_id, known_dimensions,
};
use picoclaw::sessions::{Recovery, SessionStore, StoreError, Stores};
use picoclaw::tools::{Reach, Toolbox};
use picoclaw_channels::MARKER;
use picoclaw_hooks::Chain;

/// The agents of a configuration, `supply` being tools beyond the built-in ones. The secrets that `masker` knows do not
/// reach a model through a tool's result. `hooks` may watch and change what they do. Their sessions are open already, see [`open_sessions`].
///
/// # Errors
/// When a model or a tool cannot be built; the error names the entry and the remedy.
pub fn team(
    bus: &Bus,
    config: &Config,
    paths: &Paths,
    masker: &Arc<Masker>,
    supply: &Supply,
    hooks: Option<&Arc<Chain>>,
) -> Result<Team, SetupError> {
    let redact: Redact = if config.tools.filter_sensitive_data {
        let masker = Arc::clone(masker);
        let shortest = config.tools.filter_min_length;
        Arc::new(
            move |text| if (text.len() as u64) < shortest { text } else { masker.mask(&text).into_owned() },
        )
    } else {
        Arc::new(|text| text)
    };
    let agents = config.agents();
    let member = |agent: &AgentConfig| {
        let own = paths.of_agent(&agent.id());
        let private = own.private().into_iter().chain(paths.private()).collect();
        let options = tool_options(config, &own, private, supply)?;
        let tools = supply.tools(config, &own);
        let toolbox = Toolbox::built_in(&options).with(tools).searchable(tool_search(config));
        let store =
            supply.stores.get(&own.sessions_dir).ok_or(SetupError::Closed(own.sessions_dir.clone()))?;
        Ok(Member {
            id: agent.id(),
            model: model_choice(config, &agent.model, Some(&config.agents.defaults)),
            subagent_model: (!agent.subagents.model.primary.is_empty())
                .then(|| model_choice(config, &agent.subagents.model, None)),
            toolbox,
            crew: crew(bus, config, agent, &agents),
            limits: limits(config),
            redact: Arc::clone(&redact),
            prompt: Prompt::with_rule_for_chats(
                opening(agent, &own, &options.reach),
                rule_for_chats(&config.agents.defaults),
                options.fenced(),
                agent.skills.clone(),
            ),
            pictures: Some(pictures(config, paths, &own)),
            store,
        })
    };
    let members = agents.iter().map(member).collect::<Result<_, SetupError>>()?;
    Ok(Team {
        models: models(bus, config)?,
        members,
        dispatch: dispatch(config, &agents),
        hooks: hooks.map(|hooks| Arc::clone(hooks) as _),
    })
}

/// Opens the sessions of all agents that are not open yet, and says what a crash has left there.
///
/// # Errors
/// When a directory cannot be opened.
pub async fn open_sessions(config: &Config, paths: &Paths, stores: &Stores) -> Result<(), StoreError> {
    let ids = config.agents().into_iter().map(|agent| agent.id());
    let directories: Vec<_> = ids.map(|id| paths.of_agent(&id).sessions_dir).collect();
    let stores = stores.clone();
    let open =
        move || directories.iter().map(|directory| stores.open(directory)).collect::<Result<Vec<_>, _>>();
    let opened = tokio::task::spawn_blocking(open).await.expect("opening a directory does not panic")?;
    opened.iter().flatten().for_each(tell_recovery);
    Ok(())
}

fn tell_recovery(store: &SessionStore) {
    let Recovery { restored, foreign } = store.recovery();
    if restored > 0 {
        tracing::warn!(restored, "Messages that a crash had cost were restored from the journal.");
    }
    if foreign > 0 {
        tracing::warn!(
            foreign,
            "Messages in the journal no longer fit their session, which somebody has changed."
        );
    }
}

/// How a conversation begins, whatever the workspace's files say.
fn opening(agent: &AgentConfig, paths: &Paths, reach: &Reach) -> String {
    let seen = if reach.is_nothing() {
        "file tools see nothing else"
    } else {
        "file tools take paths relative to it, and absolute paths where the operator allows them"
    };
    let name = if agent.name.trim().is_empty() { "PicoClaw" } else { agent.name.trim() };
    format!(
        "You are {name}, a helpful assistant. Answer in the language of the person. Your workspace is the directory \
         {}; {seen}.",
        paths.workspace.display()
    )
}

/// What holds in chats of networks alone.
fn rule_for_chats(defaults: &AgentDefaults) -> String {
    if !defaults.split_on_marker {
        return String::new();
    }
    format!(
        "## Several messages\n\nPeople read you in a chat. Write several short messages rather than one long one: put \
         {MARKER} between them, as in `First message{MARKER}Second message`. Each part is sent as a message of its own; \
         the mark itself is not shown."
    )
}

/// The tools by which an agent has others work: those to which it may give tasks.
fn crew(bus: &Bus, config: &Config, agent: &AgentConfig, agents: &[AgentConfig]) -> CrewTools {
    let allowed = &agent.subagents.allow_agents;
    let may = |other: &str| allowed.iter().any(|text| text.trim() == "*" || agent_id(text) == other);
    let others = agents.iter().filter(|other| other.id() != agent.id() && may(&other.id()));
    let fellows = others.map(|other| Fellow { id: other.id(), name: other.name.trim().to_owned() }).collect();
    let tools = &config.tools;
    let wish = CrewWish {
        subagent: tools.subagent.enabled,
        spawn: tools.spawn.enabled,
        delegate: tools.delegate.enabled,
        spawn_status: tools.spawn_status.enabled,
    };
    CrewTools::new(bus, wish, fellows)
}

/// The names of the models that a setting means. What is not said is as for every agent, if `defaults` say that.
fn model_choice(config: &Config, model: &AgentModel, defaults: Option<&AgentDefaults>) -> ModelChoice {
    let primary = match config.model_meant(&model.primary) {
        Some(model) => &model.model_name,
        None => config.default_model(),
    };
    let usual = defaults.map(|defaults| &defaults.model_fallbacks);
    let fallbacks = model.fallbacks.as_ref().or(usual).map(|texts| meant(config, texts));
    ModelChoice { primary: primary.to_owned(), fallbacks: fallbacks.unwrap_or_default() }
}

fn dispatch(config: &Config, agents: &[AgentConfig]) -> Dispatch {
    let default = Config::default_agent(agents);
    let lower = |text: &String| text.trim().to_lowercase();
    let rule = |rule: &DispatchRule| {
        let id = agent_id(&rule.agent);
        let when = &rule.when;
        let dimensions = known_dimensions(&rule.session_dimensions);
        Rule {
            agent: agents.iter().position(|agent| agent.id() == id).unwrap_or(default),
            when: When {
                channel: lower(&when.channel),
                account: lower(&when.account),
                space: lower(&when.space),
                chat: lower(&when.chat),
                topic: lower(&when.topic),
                sender: lower(&when.sender),
                mentioned: when.mentioned,
            },
            dimensions: (!dimensions.is_empty()).then_some(dimensions),
        }
    };
    let links = config.session.identity_links.iter();
    let links = links.flat_map(|(name, ids)| ids.iter().map(move |id| (lower(id), lower(name))));
    Dispatch {
        default,
        rules: config.agents.dispatch.rules.iter().map(rule).collect(),
        dimensions: config.session.dimensions(),
        links: links.filter(|(id, name)| !id.is_empty() && !name.is_empty()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw::tools::Patterns;

    #[test]
    fn the_opening_says_how_far_file_tools_reach() {
        let environment = picoclaw::config::Environment::new("/nowhere");
        let paths = Paths::find(&environment).unwrap();
        assert!(
            opening(&AgentConfig::default(), &paths, &Reach::default())
                .ends_with("; file tools see nothing else.")
        );
        let more = Reach { read: Patterns::new(["^/var/log/"]), ..Reach::default() };
        assert!(!opening(&AgentConfig::default(), &paths, &more).contains("nothing else"));
    }
}
