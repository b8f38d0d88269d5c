//! The schemas of texts of one line, in one of two languages at least.

use easytier_uptime_monitor::parameter;
use utoipa::openapi::{
    RefOr, Schema,
    schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder},
};

/// The pattern of a line, which may be empty.
pub const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// The pattern of a line with a visible character.
const VISIBLE_LINE: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

/// The schema of an object that also has a text in English or Chinese, of at most `max` characters.
pub fn in_one_language(fields: ObjectBuilder, max: usize) -> RefOr<Schema> {
    let line = || parameter::string().pattern(Some(VISIBLE_LINE)).max_length(Some(max));
    let one = |language: &str| ObjectBuilder::new().property(language, line()).required(language);
    let either = AnyOfBuilder::new().item(one("english")).item(one("chinese"));
    AllOfBuilder::new().item(fields).item(either).into()
}
