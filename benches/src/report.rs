//! Tables and goals, for people or as one JSON document.

use serde_json::{Map, Value, json};

/// What was measured so far. People see it at once, programs when all is done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    json: bool,
    tables: Vec<Value>,
    goals: Vec<Value>,
    missed: usize,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, ..Self::default() }
    }

    /// A table; the first column names the row.
    pub(crate) fn table(&mut self, title: &str, head: &[&str], rows: &[(&str, Vec<f64>)]) {
        self.say(&format!("\n{title}\n"));
        self.say(&format!("| {} |", head.join(" | ")));
        self.say(&format!("|{}", "---|".repeat(head.len())));
        let mut told = Vec::new();
        for (name, numbers) in rows {
            let cells: Vec<String> = numbers.iter().map(|number| cell(*number)).collect();
            self.say(&format!("| {name} | {} |", cells.join(" | ")));
            let columns = head.iter().skip(1).zip(numbers).map(|(key, n)| ((*key).to_owned(), json!(n)));
            let mut row: Map<String, Value> = columns.collect();
            row.insert(head[0].to_owned(), json!(name));
            told.push(Value::Object(row));
        }
        self.say("");
        self.tables.push(json!({ "title": title, "rows": told }));
    }

    /// A goal that is better the smaller it is.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, floor: f64, stretch: f64) {
        self.goal(what, value, floor, stretch, "at most", value <= floor, value <= stretch);
    }

    /// A goal that is better the larger it is.
    #[allow(dead_code)] // One of the two programs that share this file has no such goal.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, floor: f64, stretch: f64) {
        self.goal(what, value, floor, stretch, "at least", value >= floor, value >= stretch);
    }

    #[allow(clippy::too_many_arguments)]
    fn goal(
        &mut self,
        what: &str,
        value: f64,
        floor: f64,
        stretch: f64,
        word: &str,
        kept: bool,
        beaten: bool,
    ) {
        let verdict = match (kept, beaten) {
            (_, true) => "ok, better than the stretch goal",
            (true, false) => "ok",
            (false, false) => "MISSED",
        };
        self.missed += usize::from(!kept);
        let [floor_text, stretch_text] = [floor, stretch].map(cell);
        self.say(&format!(
            "{what}: {} ({word} {floor_text}, stretch {stretch_text}): {verdict}",
            cell(value)
        ));
        self.goals.push(json!({
            "what": what, "value": value, "goal": word, "floor": floor, "stretch": stretch,
            "kept": kept, "stretch_kept": beaten,
        }));
    }

    /// The end: how many goals were missed, or the whole document.
    #[allow(clippy::print_stdout)]
    pub(crate) fn finish(self) {
        if self.json {
            println!("{:#}", json!({ "tables": self.tables, "goals": self.goals, "missed": self.missed }));
        } else {
            println!("\n{} of {} goals missed", self.missed, self.goals.len());
        }
    }

    #[allow(clippy::print_stdout)]
    fn say(&self, line: &str) {
        if !self.json {
            println!("{line}");
        }
    }
}

/// The value in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// As many decimals as say something.
fn cell(number: f64) -> String {
    match number.abs() {
        n if n >= 1000.0 => format!("{number:.0}"),
        n if n >= 20.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
