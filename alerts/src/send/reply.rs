//! What answers of mail servers and errors mean.

use std::{error::Error, iter};

use crate::Outcome;

/// What an answer of a mail server means that is not the one which was hoped for.
pub(super) fn verdict(code: u16, text: &str) -> Outcome {
    let why = format!("the mail server answered {code}: {text}");
    match code {
        500..=599 => Outcome::refused(why),
        _ => Outcome::retry(why),
    }
}

/// The text of the root cause. The texts of the errors around it may show the URL.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    iter::successors(Some(error), |error| (**error).source()).last().map(ToString::to_string).unwrap_or_default()
}
