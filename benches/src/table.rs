//! Tables as people read them: aligned columns that are also Markdown, and CSV.
//!
//! 1. Every row has as many cells as the header: missing ones are empty, surplus ones are refused.
//! 2. A cell never breaks the table: `|` and line ends are replaced in Markdown, quoted in CSV.

/// Rows of text under a header.
#[derive(Debug, Clone)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

// === impl Table ===

impl Table {
    /// An empty table with these column names.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self {
            header: header.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it has more cells than the header.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert!(
            cells.len() <= self.header.len(),
            "a row has a cell for each column at most"
        );
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
    }

    /// The table in Markdown: the first column to the left, figures to the right.
    pub fn markdown(&self) -> String {
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| self.width(column))
            .collect();
        let mut text = line(&self.header, &widths);
        text.push('|');
        for (column, width) in widths.iter().enumerate() {
            let dashes = "-".repeat(*width);
            text.extend([" ", &dashes, if column == 0 { " |" } else { ":|" }]);
        }
        text.push('\n');
        for row in &self.rows {
            text.push_str(&line(row, &widths));
        }
        text
    }

    /// The table as comma separated values (RFC 4180, but with plain line feeds).
    pub fn csv(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let rows = std::iter::once(&self.header).chain(&self.rows);
        let cells = rows.filter_map(|row| row.get(column));
        cells
            .map(|cell| safe(cell).chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::from("|");
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let cell = safe(cell);
        let cell = if column == 0 {
            format!(" {cell:<width$} |")
        } else {
            format!(" {cell:>width$} |")
        };
        text.push_str(&cell);
    }
    text.push('\n');
    text
}

fn safe(cell: &str) -> String {
    cell.replace('|', "/").replace(['\r', '\n'], " ")
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(["row", "a", "other"]);
        table.row(["push 1 x 1 GiB", "447", "1,517 (1..2)"]);
        table.row(["pull", "2|3"]);
        table
    }

    #[test]
    fn markdown_is_aligned_and_complete() {
        let expected = "\
| row            |   a |        other |
| -------------- | ---:| ------------:|
| push 1 x 1 GiB | 447 | 1,517 (1..2) |
| pull           | 2/3 |              |
";
        assert_eq!(sample().markdown(), expected);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let mut table = sample();
        table.row(["a \"quoted\"\nname"]);
        let expected = "row,a,other\npush 1 x 1 GiB,447,\"1,517 (1..2)\"\npull,2|3,\n\
                        \"a \"\"quoted\"\"\nname\",,\n";
        assert_eq!(table.csv(), expected);
    }

    #[test]
    #[should_panic(expected = "a cell for each column")]
    fn a_row_wider_than_the_header_is_refused() {
        Table::new(["one"]).row(["1", "2"]);
    }
}
