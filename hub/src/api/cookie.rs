//! Cookies of a request.

use axum::http::{HeaderMap, header};

/// The value of the cookie called `name`.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let of = |text: &str| {
            let headers = HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]);
            cookie(&headers, "wanted").map(str::to_owned)
        };
        assert_eq!(of("a=b; wanted=x.y.z;c=d").as_deref(), Some("x.y.z"));
        assert_eq!(of("un_wanted=x"), None);
    }
}
