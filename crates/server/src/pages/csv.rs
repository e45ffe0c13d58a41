//! A list as a file for a spreadsheet.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::fmt::{self, Display, Write};

/// Bytes of a row, roughly: what is set aside at once for many.
const ROW: usize = 160;

/// A file of `N` columns (RFC 4180, every cell in quotes), written row by row.
pub struct Csv<const N: usize> {
    text: String,
}

impl<const N: usize> Csv<N> {
    /// Begins with the names of the columns; about so many `rows` follow.
    pub fn new(head: [&str; N], rows: usize) -> Self {
        let mut file = Self {
            text: String::with_capacity(ROW.saturating_mul(rows.saturating_add(1))),
        };
        file.row(head.each_ref().map(|name| name as &dyn Display));
        file
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [&dyn Display; N]) {
        for (n, cell) in cells.into_iter().enumerate() {
            self.text.push_str(if n > 0 { ",\"" } else { "\"" });
            let mut inside = Cell {
                text: &mut self.text,
                begun: false,
            };
            // A string takes everything, and nothing shown here fails by itself.
            let _ = write!(inside, "{cell}");
            self.text.push('"');
        }
        self.text.push_str("\r\n");
    }

    /// The file, to be saved as `name.csv`.
    pub fn answer(self, name: &str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_string()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}.csv\""),
            ),
        ];
        (headers, self.text).into_response()
    }
}

/// Writes inside of a cell's quotes.
struct Cell<'a> {
    text: &'a mut String,
    begun: bool,
}

impl Write for Cell<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        // A spreadsheet must not take what somebody typed for a formula.
        if !self.begun && part.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            self.text.push('\'');
        }
        self.begun |= !part.is_empty();
        for (n, part) in part.split('"').enumerate() {
            self.text.push_str(if n > 0 { "\"\"" } else { "" });
            self.text.push_str(part);
        }
        Ok(())
    }
}

/// A cell that stays empty where the value is not known.
pub struct Known<T>(pub Option<T>);

impl<T: Display> Display for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => Ok(()),
        }
    }
}

/// A figure with three decimals, as `{:.3}` gives it, by whole numbers, which are printed faster: files have thousands.
pub struct Thousandths(pub f64);

impl Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 1000.0).round();
        if !(0.0..1e15).contains(&rounded) {
            return write!(f, "{:.3}", self.0);
        }
        let whole = rounded as u64;
        write!(f, "{}.{:03}", whole / 1000, whole % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_written_as_usual() {
        for value in [
            0.0, 0.0004, 0.0006, 0.25, 1.0, 1.9996, 3.2499, 31.998, 1e18, -0.25,
        ] {
            assert_eq!(Thousandths(value).to_string(), format!("{value:.3}"));
        }
    }

    #[test]
    fn quotes_are_doubled_what_is_unknown_is_empty_and_no_cell_is_a_formula() {
        let mut file = Csv::new(["name", "vms"], 1);
        file.row([&"=SUM(A1)", &Known(Some(2))]);
        file.row([&"a \"b\",\nc", &Known::<u8>(None)]);
        file.row([&format_args!("{}{}", "", "-1"), &'@']);
        assert_eq!(
            file.text,
            "\"name\",\"vms\"\r\n\"'=SUM(A1)\",\"2\"\r\n\"a \"\"b\"\",\nc\",\"\"\r\n\"'-1\",\"'@\"\r\n"
        );
    }
}
