//! The object that a request's body is.

use serde::ser::{Serialize, SerializeMap};
use serde_json::{Map, Value};

/// A JSON object under construction, which leaves the configured fields to the end.
pub(in crate::providers) struct Fields<'a, M> {
    map: M,
    winners: &'a Map<String, Value>,
}

impl<'a, M: SerializeMap> Fields<'a, M> {
    /// An object in which these fields win over the gateway's own.
    pub(in crate::providers) const fn new(map: M, winners: &'a Map<String, Value>) -> Self {
        Self { map, winners }
    }

    /// Adds a field of the gateway's own.
    pub(in crate::providers) fn put(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), M::Error> {
        if self.winners.contains_key(name) { Ok(()) } else { self.map.serialize_entry(name, value) }
    }

    /// Adds the configured fields.
    pub(in crate::providers) fn end(mut self) -> Result<M::Ok, M::Error> {
        for (name, value) in self.winners {
            self.map.serialize_entry(name, value)?;
        }
        self.map.end()
    }
}
