//! Starts, reloads and stops the channels of `channel_list`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::{Bus, Dimension, Event, Label};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::kinds::{self, Surroundings};
use super::last_chat::LastChat;
use super::life::{self, GOODBYE};
use super::link::Link;
use super::outbound;
use picoclaw::agent::Assistant;
use picoclaw::chat::courier::{Courier, DeliveryError, Outgoing, Receipt};
use picoclaw::config::ChannelConfig;
use picoclaw::http::inlets::{Inlet, Inlets};

/// The channels. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Channels(Arc<Inner>);

struct Inner {
    bus: Bus,
    inlets: Inlets,
    last_chat: LastChat,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    config: ChannelConfig,
    link: Arc<Link>,
    inlet: Option<(String, Arc<dyn Inlet>)>,
    life: JoinHandle<()>,
}

impl Channels {
    /// No channels yet. Those that will be reached over the gateway's own HTTP server are served through `inlets`;
    /// where somebody last wrote is kept in `last_chat`.
    pub fn new(bus: Bus, inlets: Inlets, last_chat: LastChat) -> Self {
        Self(Arc::new(Inner { bus, inlets, last_chat, running: Mutex::default() }))
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs exactly the channels of this configuration that are enabled and of a supported type. Those whose settings
    /// are unchanged go on undisturbed.
    pub async fn apply(
        &self,
        configs: &BTreeMap<String, ChannelConfig>,
        assistant: &Arc<dyn Assistant>,
        around: &Surroundings,
    ) {
        let gone: Vec<Running> = {
            let mut running = self.running();
            let stays = |name: &String, old: &mut Running| {
                configs.get(name).is_some_and(|config| config.runs(name) && *config == old.config)
            };
            running.extract_if(.., |name, old| !stays(name, old)).map(|(_, old)| old).collect()
        };
        let removed =
            gone.iter().filter(|old| !configs.get(old.link.name()).is_some_and(|c| c.runs(old.link.name())));
        let removed: Vec<Label> = removed.map(|old| old.link.label()).collect();
        // The old one is gone before the new one comes: a network lets a bot in once.
        stop(gone).await;
        for channel in removed {
            self.0.bus.emit(Event::ChannelRemoved { channel });
        }
        for (name, config) in configs.iter().filter(|(name, config)| config.runs(name)) {
            if self.running().contains_key(name) {
                continue;
            }
            if let Some(new) = self.start(name, config, assistant, around) {
                self.running().insert(name.clone(), new);
            }
        }
        let inlets = self.running().values().filter_map(|running| running.inlet.clone()).collect();
        self.0.inlets.replace(inlets);
    }

    fn start(
        &self,
        name: &str,
        config: &ChannelConfig,
        assistant: &Arc<dyn Assistant>,
        around: &Surroundings,
    ) -> Option<Running> {
        let bus = &self.0.bus;
        let label = bus.vocabulary().declare(Dimension::Channel, name);
        bus.emit(Event::Declared(Arc::new([Declaration::Channel(label)])));
        let channel = match kinds::build(name, config, around) {
            Ok(channel) => channel?,
            // The configuration was checked for this.
            Err(error) => {
                let error = format!("channel_list.{name}.{error}").into();
                bus.emit(Event::ChannelFailed { channel: label, error });
                return None;
            }
        };
        let (post, out) = outbound::queue(lasting(label, name), label, bus.clone());
        let assistant = Arc::clone(assistant);
        let last_chat = self.0.last_chat.clone();
        let speaker = Arc::clone(&assistant);
        let link = Link::new(lasting(label, name), label, bus.clone(), assistant, post, last_chat);
        let link = Arc::new(link);
        let inlet = channel.inlet();
        let sending = tokio::spawn(outbound::work(Arc::clone(&channel), speaker, out));
        let living = life::live(channel, Arc::clone(&link));
        let life = tokio::spawn(async move {
            living.await;
            // What is still queued is given up, and counted so.
            sending.abort();
            let _ = sending.await;
        });
        Some(Running { config: config.clone(), link, inlet, life })
    }

    /// Stops all channels, politely and within a few seconds.
    pub async fn stop(&self) {
        let all = std::mem::take(&mut *self.running());
        stop(all.into_values().collect()).await;
        self.0.inlets.replace(BTreeMap::new());
    }

    fn link(&self, name: &str) -> Option<Arc<Link>> {
        self.running().get(name).map(|running| Arc::clone(&running.link))
    }
}

async fn stop(channels: Vec<Running>) {
    for channel in &channels {
        channel.link.stop.cancel();
    }
    let _ = timeout(3 * GOODBYE, join_all(channels.into_iter().map(|channel| channel.life))).await;
}

/// A name that lasts as long as the process. Beyond the vocabulary it is leaked, once per start of such a channel: the
/// operator's names are few and short.
fn lasting(label: Label, name: &str) -> &'static str {
    if label.as_str() == name { label.as_str() } else { Box::leak(name.into()) }
}

#[async_trait]
impl Courier for Channels {
    async fn deliver(&self, channel: &str, chat: &str, message: Outgoing) -> Result<Receipt, DeliveryError> {
        let Some(link) = self.link(channel) else {
            return Err(DeliveryError::UnknownChannel {
                channel: channel.to_owned(),
                known: self.destinations().join(", "),
            });
        };
        link.deliver(chat, message, None).await
    }

    fn destinations(&self) -> Vec<String> {
        self.running().keys().cloned().collect()
    }
}
