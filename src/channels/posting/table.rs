//! Tables in Markdown, which neither network shows as such.

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Anything else.
    Text(String),
    /// The cells of a table, row by row; the first row is its head.
    Table(Vec<Vec<String>>),
}

/// The text and the tables in it, without what is blank. What stands in a block of code is no table.
pub(super) fn parts(markdown: &str) -> Vec<Part> {
    let lines: Vec<&str> = markdown.lines().collect();
    let mut parts = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    let mut in_code = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let head = cells(line).filter(|_| !in_code && lines.get(at + 1).is_some_and(|next| is_rule(next)));
        let Some(head) = head else {
            text.push(line);
            at += 1;
            continue;
        };
        flush(&mut text, &mut parts);
        let rows = lines[at + 2..].iter().map_while(|line| cells(line));
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        at += rows.len() + 1;
        parts.push(Part::Table(rows));
    }
    flush(&mut text, &mut parts);
    parts
}

fn flush(text: &mut Vec<&str>, parts: &mut Vec<Part>) {
    let joined = text.join("\n");
    text.clear();
    if !joined.trim().is_empty() {
        parts.push(Part::Text(joined.trim_matches('\n').to_owned()));
    }
}

/// The cells of a row; `None` when the line is none.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// Whether a line stands below the head of a table.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('|') && line.contains('-') && line.chars().all(|c| "|-: ".contains(c))
}

/// A table that is larger than this with its columns below one another, in letters, is shown without that: one long cell
/// would make every row as long, and the message more than the network takes.
const MOST_ALIGNED: usize = 20_000;

/// The table with its columns below one another, for a font whose letters are equally wide.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    if widths.iter().map(|width| width + 3).sum::<usize>() * rows.len() > MOST_ALIGNED {
        return plain(rows);
    }
    let line = |row: &Vec<String>| {
        let cells = widths.iter().enumerate().map(|(column, width)| {
            let cell = row.get(column).map_or("", String::as_str);
            format!("{cell}{}", " ".repeat(width - cell.chars().count()))
        });
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    lines.insert(1.min(lines.len()), rule.join("-|-"));
    lines.join("\n")
}

/// The table row by row, no longer than it has to be.
pub(super) fn plain(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tables_are_found_between_text_and_not_in_code() {
        let table = "| a | b |\n|---|:-:|\n| 1 | 22 |";
        let found = parts(&format!("Before\n\n{table}\nAfter"));
        let rows = Part::Table(vec![row(&["a", "b"]), row(&["1", "22"])]);
        assert_eq!(found, [Part::Text("Before".into()), rows, Part::Text("After".into())]);
        let code = format!("```\n{table}\n```");
        assert_eq!(parts(&code), [Part::Text(code.clone())]);
        assert_eq!(parts("| no table |\ntext"), [Part::Text("| no table |\ntext".into())]);
        assert_eq!(parts("| a |\n|--|"), [Part::Table(vec![row(&["a"])])]);
        assert_eq!(parts(" \n"), []);
    }

    #[test]
    fn columns_stand_below_one_another() {
        let rows = [row(&["é", "b"]), row(&["1", "22", "more"]), row(&["333"])];
        assert_eq!(aligned(&rows), "é   | b  |\n----|----|-----\n1   | 22 | more\n333 |    |");
    }

    #[test]
    fn one_long_cell_does_not_make_every_row_long() {
        let mut rows = vec![row(&["1", "2"]); 200];
        rows.push(row(&[&"x".repeat(1000), "y"]));
        assert!(aligned(&rows).len() < 3000 && aligned(&rows).starts_with("1 | 2\n1 | 2"));
    }
}
