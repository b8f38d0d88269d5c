//! Puts a message into the text that a channel shows: everything in it is escaped, and it fits.

mod clean;
mod compose;
mod labels;
mod markup;

pub use self::{
    clean::clean,
    compose::{body, cut, links, one_line, title, whole},
    markup::{DISCORD, HTML, HTML_WITH_LINES, MARKDOWN, Markup, PLAIN, characters, json_bytes},
};
