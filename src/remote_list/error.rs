//! Why a list cannot be fetched.

use reqwest::StatusCode;
use url::Url;

use crate::{peer_list::ListProblem, text::without_secrets};

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
