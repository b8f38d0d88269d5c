//! Cookies of a request.

use axum::http::{HeaderMap, header};
use cookie::Cookie;

/// The value of the cookie called `name`.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = values.flat_map(Cookie::split_parse).flatten();
    cookies.find(|cookie| cookie.name() == name)?.value_raw()
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
