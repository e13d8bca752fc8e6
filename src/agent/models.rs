//! From a configured model name to the providers that can answer for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use picoclaw_telemetry::{Bus, Label};
use rustc_hash::FxHashMap;

use super::budget::Correction;
use super::inbound::ModelInfo;
use super::standing::{self, Resting, Standing};
use crate::providers::{Price, Provider};

/// A provider with a model of its own: one way to get an answer.
#[derive(Clone)]
pub struct Candidate {
    /// Who is asked.
    pub provider: Arc<dyn Provider>,
    /// The model's id on the wire.
    pub upstream_id: String,
    /// The configured name of the model.
    pub model_name: String,
    /// The label of the provider.
    pub provider_label: Label,
    /// The label of the configured model.
    pub model_label: Label,
    /// Whether it can stream.
    pub streaming: bool,
    /// What its answers cost; `None` when nobody said.
    pub price: Option<Price>,
    /// Whether it may be asked now.
    pub standing: Arc<Standing>,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("model_name", &self.model_name)
            .field("upstream_id", &self.upstream_id)
            .field("provider", &self.provider_label)
            .finish_non_exhaustive()
    }
}

/// All entries that share a name: they take turns.
#[derive(Debug)]
struct Named {
    candidates: Vec<Arc<Candidate>>,
    fallbacks: Vec<String>,
    next: AtomicUsize,
    correction: Correction,
}

/// The configured models.
#[derive(Debug, Default)]
pub struct ModelTable {
    // The names are those of the configuration, whoever asks for them.
    by_name: FxHashMap<String, Named>,
    order: Vec<String>,
}

/// Which model is asked when nobody names one, and which ones when that one fails, by their configured names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelChoice {
    /// The model.
    pub primary: String,
    /// Those that are tried in this order when it fails.
    pub fallbacks: Vec<String>,
}

/// The models as one agent sees them.
#[derive(Clone, Debug)]
pub(super) struct Models {
    table: Arc<ModelTable>,
    choice: ModelChoice,
}

impl ModelTable {
    /// Adds a way to get an answer for `candidate.model_name`; several with one name take turns.
    pub fn add(&mut self, candidate: Candidate, fallbacks: &[String]) {
        let name = candidate.model_name.clone();
        let named = self.by_name.entry(name.clone()).or_insert_with(|| {
            self.order.push(name);
            Named {
                candidates: Vec::new(),
                fallbacks: Vec::new(),
                next: AtomicUsize::new(0),
                correction: Correction::default(),
            }
        });
        named.candidates.push(Arc::new(candidate));
        named.fallbacks.extend_from_slice(fallbacks);
    }

    /// Lets entries that were configured in the same way before keep their standing.
    pub(super) fn inherit(&mut self, bus: &Bus, before: &Self) {
        let now = self.by_name.values_mut().flat_map(|named| &mut named.candidates);
        // Nobody else holds the candidates of a table that is not in use yet.
        let now = now.filter_map(Arc::get_mut).map(|candidate| &mut candidate.standing);
        standing::hand_over(bus, before.all().map(|candidate| &candidate.standing), now);
    }

    /// Ends the rests whose time is over.
    pub(super) fn tick(&self, bus: &Bus) {
        self.all().for_each(|candidate| candidate.standing.tick(bus));
    }

    /// Who is not asked for now.
    pub(super) fn resting(&self) -> Vec<Resting> {
        let resting = |named: &Named| {
            let of = named.candidates.len();
            let all = named.candidates.iter().filter_map(|candidate| candidate.standing.resting());
            all.map(|resting| Resting { of, ..resting }).collect::<Vec<_>>()
        };
        self.order.iter().flat_map(|name| resting(&self.by_name[name])).collect()
    }

    /// Every way to get an answer.
    pub fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.order.iter().flat_map(|name| &self.by_name[name].candidates).map(Arc::as_ref)
    }
}

impl Models {
    pub(super) fn new(table: Arc<ModelTable>, choice: ModelChoice) -> Self {
        Self { table, choice }
    }

    /// Whom to ask for a model, in order: its entries, beginning with the one whose turn it is, then those of its
    /// fallbacks. `None` stands for the default model. Returns `None` when the name is not configured.
    pub(super) fn candidates(&self, name: Option<&str>) -> Option<Vec<Arc<Candidate>>> {
        let name = name.unwrap_or(&self.choice.primary);
        let more = if name == self.choice.primary { self.choice.fallbacks.as_slice() } else { &[] };
        self.in_order(name, more)
    }

    /// The same for a choice of models.
    pub(super) fn chosen(&self, choice: &ModelChoice) -> Option<Vec<Arc<Candidate>>> {
        self.in_order(&choice.primary, &choice.fallbacks)
    }

    fn in_order(&self, name: &str, more: &[String]) -> Option<Vec<Arc<Candidate>>> {
        let by_name = &self.table.by_name;
        let named = by_name.get(name)?;
        let mut all = named.in_turn();
        for fallback in named.fallbacks.iter().chain(more) {
            if let Some(other) = by_name.get(fallback)
                && all.iter().all(|candidate| candidate.model_name != *fallback)
            {
                all.extend(other.in_turn());
            }
        }
        Some(all)
    }

    /// Whether the name is that of a configured model.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.table.by_name.contains_key(name)
    }

    /// The configured models, the default first.
    pub(super) fn list(&self) -> Vec<ModelInfo> {
        let is_default = |name: &&String| **name == self.choice.primary;
        let default = self.table.order.iter().filter(is_default);
        let others = self.table.order.iter().filter(|name| !is_default(name));
        let info = |name: &String| ModelInfo {
            name: name.clone(),
            provider: self.table.by_name[name].candidates[0].provider_label.as_str().to_owned(),
        };
        default.chain(others).map(info).collect()
    }

    /// How a model's count of tokens differs from the general rule.
    pub(super) fn correction(&self, candidate: &Candidate) -> &Correction {
        let named = self.table.by_name.get(&candidate.model_name);
        &named.expect("a candidate comes from the table").correction
    }
}

impl Named {
    fn in_turn(&self) -> Vec<Arc<Candidate>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.candidates.len();
        let (before, from) = self.candidates.split_at(first);
        from.iter().chain(before).cloned().collect()
    }
}
