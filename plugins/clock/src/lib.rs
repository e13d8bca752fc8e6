//! Tools for the agent: what time it is, which a model cannot know, and how many days lie between two dates, which models
//! often get wrong.
//!
//! ```json
//! { "tools": { "plugins": { "clock": { "path": "/usr/lib/picoclaw/libpicoclaw_plugin_clock.so" } } } }
//! ```

mod civil;

use std::time::{SystemTime, UNIX_EPOCH};

use picoclaw_plugin::{Failure, Host, Plugin, ToolSpec, Tools};
use serde::Deserialize;
use serde_json::json;

use civil::Date;

/// What `current_time` is asked.
#[derive(Debug, Deserialize)]
struct Now {
    #[serde(default)]
    utc_offset_minutes: i64,
}

/// What `days_between` is asked.
#[derive(Debug, Deserialize)]
struct Between {
    from: String,
    to: String,
}

/// The plugin needs no state.
struct Clock;

impl Plugin for Clock {
    fn create(_host: Host, _config: &str) -> Result<Self, Failure> {
        Ok(Self)
    }
}

impl Tools for Clock {
    fn tools(&self) -> Vec<ToolSpec> {
        let date = |what: &str| json!({ "type": "string", "description": format!("{what}, as YYYY-MM-DD") });
        let offset =
            json!({ "type": "integer", "description": "Minutes east of UTC, such as 120; 0 without" });
        vec![
            ToolSpec {
                name: "current_time".to_owned(),
                description: "Tells the date, the day of the week and the time now.".to_owned(),
                parameters: json!({
                    "type": "object", "properties": { "utc_offset_minutes": offset }, "required": [],
                })
                .to_string(),
            },
            ToolSpec {
                name: "days_between".to_owned(),
                description: "Counts the days from one date to another; negative when the second is earlier."
                    .to_owned(),
                parameters: json!({
                    "type": "object", "required": ["from", "to"],
                    "properties": { "from": date("The first date"), "to": date("The second date") },
                })
                .to_string(),
            },
        ]
    }

    fn call(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        let wrong = |error: serde_json::Error| Failure::Lost(format!("the arguments are wrong: {error}"));
        match name {
            "current_time" => now(&serde_json::from_str(arguments).map_err(wrong)?),
            "days_between" => between(&serde_json::from_str(arguments).map_err(wrong)?),
            other => Err(Failure::Lost(format!("there is no tool {other}"))),
        }
    }
}

fn now(asked: &Now) -> Result<String, Failure> {
    let offset = asked.utc_offset_minutes;
    if offset.abs() > 24 * 60 {
        return Err(Failure::Lost("utc_offset_minutes: between -1440 and 1440".to_owned()));
    }
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(moment(i64::try_from(unix).unwrap_or(0) + 60 * offset, offset))
}

/// A moment in a place, for people and models.
fn moment(seconds: i64, offset: i64) -> String {
    let date = Date::from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let sign = if offset < 0 { '-' } else { '+' };
    format!(
        "{}, {date} {:02}:{:02}:{:02} UTC{sign}{:02}:{:02}",
        date.weekday(),
        second / 3600,
        second / 60 % 60,
        second % 60,
        offset.abs() / 60,
        offset.abs() % 60
    )
}

fn between(asked: &Between) -> Result<String, Failure> {
    let read = |key: &str, text: &str| {
        Date::parse(text).ok_or_else(|| Failure::Lost(format!("{key}: \"{text}\" is no date as YYYY-MM-DD")))
    };
    let days = read("to", &asked.to)?.days() - read("from", &asked.from)?.days();
    Ok(days.to_string())
}

picoclaw_plugin::export!(Clock, tools);

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> Result<String, String> {
        Clock.call(name, arguments).map_err(|failure| failure.to_string())
    }

    #[test]
    fn days_are_counted() {
        let days =
            |from: &str, to: &str| call("days_between", &json!({ "from": from, "to": to }).to_string());
        assert_eq!(days("2024-02-28", "2024-03-01").as_deref(), Ok("2"));
        assert_eq!(days("2000-01-01", "1999-12-31").as_deref(), Ok("-1"));
        assert!(days("2023-02-29", "2024-01-01").unwrap_err().starts_with("from: \"2023-02-29\""));
        assert!(call("days_between", "{}").unwrap_err().contains("missing field"));
        assert!(call("nothing", "{}").is_err());
    }

    #[test]
    fn the_time_is_told_with_its_place() {
        assert_eq!(moment(0, 0), "Thursday, 1970-01-01 00:00:00 UTC+00:00");
        assert_eq!(moment(1_709_210_096 - 90 * 60, -90), "Thursday, 2024-02-29 11:04:56 UTC-01:30");
        assert!(call("current_time", "{}").unwrap().ends_with("UTC+00:00"));
        assert!(call("current_time", r#"{"utc_offset_minutes":9999}"#).is_err());
    }
}
