//! The numbers as a JSON document.

use serde_json::{Map, Value, json};

use super::view::{Look, Reading, Row};

/// Metrics by name, each with its series.
pub(super) fn render(look: &Look<'_>) -> Value {
    let metric = |(family, rows): (&super::Family, Vec<Row<'_>>)| {
        let series: Vec<Value> = rows.iter().map(series).collect();
        let metric = json!({ "type": family.kind, "help": family.help, "series": series });
        (family.name.clone(), metric)
    };
    Value::Object(look.rows().into_iter().map(metric).collect())
}

fn series(row: &Row<'_>) -> Value {
    let labels: Map<String, Value> =
        row.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut series = Map::from_iter([("labels".to_owned(), Value::Object(labels))]);
    let mut put = |key: &str, value: f64| drop(series.insert(key.to_owned(), json!(value)));
    match &row.reading {
        Reading::Number(value) => put("value", *value),
        Reading::Histogram { count, sizes } => {
            put("count", *count);
            if let Some(sizes) = sizes {
                put("sizes_count", sizes.count);
                put("sum", sizes.sum);
                put("mean", sizes.mean);
                put("p50", sizes.p50);
                put("p95", sizes.p95);
                put("p99", sizes.p99);
            }
        }
    }
    if let Some(rate) = row.rate {
        put("per_second", rate);
    }
    Value::Object(series)
}
