//! Tables for the terminal.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};

/// A table without lines, which stays readable in a log and in a mail.
pub(super) fn table<C: Into<comfy_table::Cell>>(header: &[&str], rows: Vec<Vec<C>>) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table
}
