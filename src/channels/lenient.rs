//! What networks tell, read without taking offence: most of them write `null` where a field may as well be missing, and
//! a message with a surprise in it must not stop those that come after it.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The value as a `T`, taking `null` for a field that is missing; `None` when it is none even so.
pub(super) fn read<T: DeserializeOwned>(mut value: Value) -> Option<T> {
    drop_nulls(&mut value);
    serde_json::from_value(value).ok()
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Named {
        name: String,
        inner: Vec<Named>,
    }

    #[test]
    fn null_is_nothing() {
        let inner = vec![Named::default()];
        let expected = Named { name: String::new(), inner };
        assert_eq!(
            read(json!({ "name": null, "inner": [null, { "name": null, "inner": null }] })),
            Some(expected)
        );
        assert_eq!(read::<Named>(json!({ "name": 5 })), None);
    }
}
