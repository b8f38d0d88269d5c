//! Cells of tables that spreadsheets open.
//!
//! A spreadsheet takes a cell that begins with one of [`FORMULA`] for a formula and runs it. Strangers choose names and
//! contacts, so such a cell is written with a `'` before it, which a spreadsheet shows as text and a reader removes.

/// With these a spreadsheet begins a formula, also in their full-width forms; line breaks and tabs may hide them.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether a text begins like a formula, after any number of `'`.
fn begins_like_a_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// A text as a cell that is no formula.
pub fn as_text(text: &str) -> String {
    if begins_like_a_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// The text of a cell that [`as_text`] or a spreadsheet wrote.
pub(super) fn text_of(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if begins_like_a_formula(text) => text,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_a_formula_and_all_are_read_as_they_were() {
        for text in
            ["=1+1", "+1", "-x", "@sum", "\tx", "\rx", "\nx", "'=x", "''-x", "＝x", "'", "it's", "'quoted'", "a=b", ""]
        {
            let cell = as_text(text);
            assert!(!cell.starts_with(FORMULA), "{cell:?}");
            assert_eq!(text_of(&cell), text);
        }
        assert_eq!((as_text("a=b"), as_text("'quoted'")), ("a=b".to_owned(), "'quoted'".to_owned()));
    }
}
