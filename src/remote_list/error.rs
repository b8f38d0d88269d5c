//! Why a list cannot be fetched.

use std::{error::Error, io};

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    peer_list::ListProblem,
    text::{causes, root_cause, without_secrets},
};

/// The maximum number of pages, for sites that never reach a last one.
pub const MAX_PAGES: u64 = 10_000;

/// Why a list cannot be fetched. URLs in its texts lack their query, which may hold a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The text is no URL.
    #[error("'{url}' is not a URL: {cause}")]
    NotAUrl {
        /// The text.
        url: String,
        /// The error of the parser.
        cause: url::ParseError,
    },
    /// No web client can be made.
    #[error("no web client: {0}; install the CA certificates of your system")]
    NoClient(String),
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {cause}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What kind of failure it is.
        obstacle: Obstacle,
        /// Why.
        cause: String,
    },
    /// The response ended too early.
    #[error("the response of {url} was cut off: {cause}")]
    CutOff {
        /// The URL.
        url: String,
        /// Why.
        cause: String,
    },
    /// The server refused the request.
    #[error("{url} answered {status}{}", hint(*status))]
    Answered {
        /// The URL.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The responses are too long.
    #[error("the list at {url} is longer than {max_bytes} bytes")]
    TooLong {
        /// The URL.
        url: String,
        /// The maximum.
        max_bytes: usize,
    },
    /// There are too many pages.
    #[error("{0} has more than {MAX_PAGES} pages")]
    TooManyPages(String),
    /// The response is no list.
    #[error("the response of {url} is {problem}")]
    NotAList {
        /// The URL.
        url: String,
        /// Why.
        problem: ListProblem,
    },
    /// There are fewer peers than the site says.
    #[error("{url} has {announced} peers and gave only {given} of them; try again, or ask whoever runs it")]
    Incomplete {
        /// The URL.
        url: String,
        /// The number of peers that it gave.
        given: usize,
        /// The number of peers that it says it has.
        announced: u64,
    },
    /// There are more peers than the site gives.
    #[error("{url} says that there is more after the {given} peers that it gave, and does not give it")]
    NoNextPage {
        /// The URL.
        url: String,
        /// The number of peers that it gave.
        given: usize,
    },
}

/// What keeps a server from being reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Obstacle {
    /// Its name leads to no address.
    Name,
    /// Nothing listens on the port.
    Refused,
    /// It did not answer in time.
    Timeout,
    /// It is not trusted, or speaks no TLS.
    Tls,
    /// It redirects too often, or to where others could change the list.
    Redirect,
    /// Something else.
    Other,
}

impl Obstacle {
    fn of(error: &reqwest::Error) -> Self {
        let io_error = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
        match io_error {
            _ if causes(error).any(is_of_tls) => Self::Tls,
            _ if error.is_timeout() => Self::Timeout,
            _ if error.is_redirect() => Self::Redirect,
            // The web client has no type for it.
            _ if causes(error).any(|cause| cause.to_string() == "dns error") => Self::Name,
            Some(io_error) if io_error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// Whether an error, or one that it wraps without naming it as its source, is one of TLS.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|inner| is_of_tls(inner))
}

/// A URL as messages show it.
pub(super) fn shown(url: &Url) -> String {
    without_secrets(url.as_str())
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "; use the URL of the site, or of its list of nodes, such as https://HOST/api/nodes",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; only public lists can be read",
        _ => "",
    }
}

impl FetchError {
    pub(super) fn not_a_url(text: &str, cause: url::ParseError) -> Self {
        Self::NotAUrl { url: without_secrets(text), cause }
    }

    pub(super) fn unreachable(url: &Url, error: reqwest::Error) -> Self {
        // The error would print the URL with its query.
        let error = error.without_url();
        Self::Unreachable { url: shown(url), obstacle: Obstacle::of(&error), cause: root_cause(&error) }
    }

    pub(super) fn not_a_list(url: &Url, problem: ListProblem) -> Self {
        Self::NotAList { url: shown(url), problem }
    }

    /// Whether the server may refuse the size of the page.
    pub(super) fn refuses_size(&self) -> bool {
        let refused = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
        matches!(self, Self::Answered { status, .. } if refused.contains(status))
    }

    /// Whether the list may be at another place of the site.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Answered { status: StatusCode::NOT_FOUND, .. } | Self::NotAList { problem: ListProblem::WebPage, .. }
        )
    }
}
