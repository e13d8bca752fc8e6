//! Keys that stand twice in one JSON object, of which only the last one counts.
//!
//! Somebody pastes a second `"telemetry": {...}` into the file, and the first one is silently gone.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::tree::KeyPath;

/// The paths of keys that stand more than once in a text that is JSON, each once. Comments, which begin with `_`, may.
pub(super) fn keys(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let seed = Look { at: KeyPath::default(), found: &mut found };
    // A text that is no JSON is told of by who reads it.
    let _ = seed.deserialize(&mut serde_json::Deserializer::from_str(text));
    found
}

struct Look<'a> {
    at: KeyPath,
    found: &'a mut BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let at = self.at.key(&key);
            if !key.starts_with('_') && !seen.insert(key) {
                self.found.insert(at.to_string());
            }
            map.next_value_seed(Look { at, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let mut index = 0;
        while list.next_element_seed(Look { at: self.at.index(index), found: &mut *self.found })?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_stand_twice_are_found_wherever_they_are() {
        let text = r#"{"a": 1, "b": {"a": 2, "c": [{"d": 1, "d": {"e": null, "e": true, "e": 1.5}}]}, "a": "x",
                       "_comment": 1, "_comment": 2}"#;
        assert_eq!(keys(text).into_iter().collect::<Vec<_>>(), ["a", "b.c[0].d", "b.c[0].d.e"]);
        for text in ["", "{", "[1, {}]", r#"{"a": {"a": 1}, "b": {"a": 1}}"#] {
            assert!(keys(text).is_empty(), "{text}");
        }
    }
}
