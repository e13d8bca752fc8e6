//! The object that a request's body is.

use serde::Serialize;
use serde_json::{Map, Value};

/// A JSON object that is written field by field, and leaves the configured fields to the end.
pub(in crate::providers) struct Fields<'a> {
    out: Vec<u8>,
    winners: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// An object of about so many bytes, in which these fields win over the gateway's own.
    pub(in crate::providers) fn new(bytes: usize, winners: &'a Map<String, Value>) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        Self { out, winners }
    }

    /// Adds a field of the gateway's own.
    pub(in crate::providers) fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.put_with(name, |out| write(out, value));
    }

    /// The same, with a value that is written by hand.
    pub(in crate::providers) fn put_with(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        if !self.winners.contains_key(name) {
            self.name(name);
            value(&mut self.out);
        }
    }

    /// Adds the configured fields. What comes out is the whole object.
    pub(in crate::providers) fn end(mut self) -> Vec<u8> {
        for (name, value) in self.winners {
            self.name(name);
            write(&mut self.out, value);
        }
        self.out.push(b'}');
        self.out
    }

    fn name(&mut self, name: &str) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        write(&mut self.out, name);
        self.out.push(b':');
    }
}

/// Appends a value as JSON.
pub(in crate::providers) fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("strings and JSON values always serialise");
}
