//! Tables for a terminal: aligned columns that fit its width. In a pipe nothing is cut.

use std::io::{self, IsTerminal};

use super::terminal::harmless;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A column. Names that strangers choose are in columns that shrink.
pub struct Column {
    title: &'static str,
    align: Align,
    /// The least width it may be cut to; `None`: it is never cut.
    least: Option<usize>,
}

impl Column {
    pub const fn text(title: &'static str) -> Self {
        Self { title, align: Align::Left, least: None }
    }

    pub const fn number(title: &'static str) -> Self {
        Self { title, align: Align::Right, least: None }
    }

    /// A text that is cut to this width if the terminal is narrow.
    pub const fn shrinking(title: &'static str, least: usize) -> Self {
        Self { title, align: Align::Left, least: Some(least) }
    }
}

pub struct TextTable {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

const GAP: &str = "  ";
/// In the place of what is cut.
const ELLIPSIS: char = '…';

impl TextTable {
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// As many cells as there are columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| harmless(&cell)).collect();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// For standard output.
    pub fn render(&self) -> String {
        self.render_within(terminal_width())
    }

    /// `None`: any width.
    fn render_within(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let titles = self.columns.iter().map(|column| column.title);
        let mut out = self.line(titles, &widths);
        for row in &self.rows {
            out += &self.line(row.iter().map(String::as_str), &widths);
        }
        out
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        let widest = |index: usize, column: &Column| {
            let cells = self.rows.iter().map(|row| row[index].chars().count());
            cells.chain([column.title.chars().count()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = columns.map(|(index, column)| widest(index, column)).collect();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let Some(width) = width else { return widths };
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        while excess > 0 {
            // The widest gives one character.
            let shrinking = self.columns.iter().zip(&mut widths);
            let shrinking = shrinking
                .filter(|(column, width)| column.least.is_some_and(|least| **width > least));
            let Some((_, widest)) = shrinking.max_by_key(|(_, width)| **width) else { break };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let cells = self.columns.iter().zip(widths).zip(cells);
        let padded = cells.map(|((column, &width), cell)| {
            let cell = cut(cell, width);
            match column.align {
                Align::Left => format!("{cell:width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        let line = padded.collect::<Vec<_>>().join(GAP);
        format!("{}\n", line.trim_end())
    }
}

/// At most `width` characters.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain([ELLIPSIS]).collect()
}

/// `None` if standard output is no terminal.
pub fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    const USUAL: usize = 80;
    let size = rustix::termios::tcgetwinsize(&stdout).ok();
    Some(size.map_or(USUAL, |size| usize::from(size.ws_col)).max(USUAL / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let columns =
            [Column::shrinking("CHANNEL", 8), Column::text("KIND"), Column::number("SUBSCRIBERS")];
        let mut table = TextTable::new(columns);
        table.row(["private-encrypted-orders-eu".into(), "encrypted".into(), "4,211".into()]);
        table.row(["é\u{1b}[2J".into(), "public".into(), "1".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_is_cut_in_a_pipe() {
        let wanted = "CHANNEL                      KIND       SUBSCRIBERS\n\
                      private-encrypted-orders-eu  encrypted        4,211\n\
                      é\\u{1b}[2J                   public               1\n";
        assert_eq!(table().render_within(None), wanted);
        assert_eq!(table().render_within(Some(80)), wanted);
    }

    #[test]
    fn narrow_terminals_cut_what_may_be_cut() {
        for (width, first) in [(40, "private-encrypt…"), (10, "private…")] {
            let text = table().render_within(Some(width));
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[1].starts_with(first), "{text}");
            let widest = lines.iter().map(|line| line.chars().count()).max();
            assert!(width < 32 || widest <= Some(width), "{text}");
            assert!(lines.iter().all(|line| !line.ends_with(' ')));
        }
    }
}
