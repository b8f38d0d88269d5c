//! The client's side of the upgrade from HTTP/1.1 to a WebSocket (RFC 6455, section 4.1).
//!
//! tokio-websockets has one too, but that accepts 25 headers at most, and buffers a response of any size.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use crate::PeerUrl;

/// The maximum size of the response, in bytes. The status line and the headers of a CDN take 1 to 2 KiB.
const MAX_RESPONSE_SIZE: usize = 16 * 1024;
/// The maximum number of headers in the response, as in EasyTier's clients since August 2026; older ones accept 25.
const MAX_HEADERS: usize = 128;
/// The largest read from the stream, in bytes. Most responses fit.
const READ_SIZE: usize = 2048;
/// What a server appends to the key before it hashes that (RFC 6455, section 1.3).
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const SWITCHING_PROTOCOLS: u16 = 101;

/// Why a server did not upgrade to a WebSocket.
#[derive(Debug)]
pub(super) enum UpgradeError {
    /// The connection ended.
    Io(io::Error),
    /// It answered with this HTTP status.
    Status(u16),
    /// It sent something else, or too much.
    NotWebSocket,
}

impl From<io::Error> for UpgradeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Requests the upgrade of `stream` for `url`, and returns the stream after the response. It still has what the server
/// sent early.
///
/// As EasyTier's clients do, this checks the status and the accept key, and no other header.
///
/// # Errors
///
/// When the stream ends, or the server does not upgrade.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &PeerUrl,
) -> Result<BufReader<S>, UpgradeError> {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let mut stream = BufReader::with_capacity(READ_SIZE, stream);
    stream.write_all(request(url, &key).as_bytes()).await?;
    stream.flush().await?;

    let accept = accept_key(&key);
    let mut response = Vec::new();
    loop {
        let received = stream.fill_buf().await?;
        let before = response.len();
        let taken = received.len().min(MAX_RESPONSE_SIZE - before);
        match (received.is_empty(), taken) {
            (true, _) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            (false, 0) => return Err(UpgradeError::NotWebSocket),
            (false, _) => response.extend_from_slice(&received[..taken]),
        }
        if let Some(length) = response_length(&response, &accept)? {
            stream.consume(length - before);
            return Ok(stream);
        }
        stream.consume(taken);
    }
}

fn request(url: &PeerUrl, key: &str) -> String {
    let path = if url.path().is_empty() { "/" } else { url.path() };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n",
        // An IPv6 address is in brackets here.
        host = url.host().map(ToString::to_string).unwrap_or_default(),
    )
}

/// The accept key that belongs to `key`.
fn accept_key(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{ACCEPT_SUFFIX}").as_bytes()))
}

/// The length of the response that `bytes` begins with; `None` when it is not complete yet.
///
/// # Errors
///
/// When it is complete and does not upgrade with the key `accept`, or cannot become such a response.
fn response_length(bytes: &[u8], accept: &str) -> Result<Option<usize>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|_| UpgradeError::NotWebSocket)?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    match response.code {
        Some(SWITCHING_PROTOCOLS) => {}
        Some(status) => return Err(UpgradeError::Status(status)),
        None => return Err(UpgradeError::NotWebSocket),
    }
    let mut keys = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("sec-websocket-accept"));
    match keys.next() {
        Some(key) if key.value == accept.as_bytes() => Ok(Some(length)),
        _ => Err(UpgradeError::NotWebSocket),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// The example of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn the_accept_key_is_that_of_the_standard() {
        assert_eq!(accept_key(KEY), ACCEPT);
    }

    #[test]
    fn the_request_has_the_path_the_query_and_the_host_of_the_url() {
        let cases = [
            ("ws://node.example.net", "GET / HTTP/1.1\r\nHost: node.example.net:80\r\n"),
            ("wss://[2001:db8::1]:444/et?a=b", "GET /et?a=b HTTP/1.1\r\nHost: [2001:db8::1]:444\r\n"),
        ];
        for (url, start) in cases {
            let request = request(&url.parse().unwrap(), KEY);
            assert!(request.starts_with(start), "{request}");
            assert!(request.contains(&format!("\r\nSec-WebSocket-Key: {KEY}\r\n")), "{request}");
            assert!(request.ends_with("\r\n\r\n"), "{request}");
        }
    }

    /// A response with these other headers around the accept key.
    fn response(accept: &str, before: &[(String, String)], after: &[(String, String)]) -> String {
        let lines = |headers: &[(String, String)]| -> String {
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
        };
        let (before, after) = (lines(before), lines(after));
        format!("HTTP/1.1 101 Switching Protocols\r\n{before}sec-websocket-accept: {accept}\r\n{after}\r\n")
    }

    fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
        vec(("x-[a-z]{1,12}", "[ -~]{0,40}"), 0..=(MAX_HEADERS - 1) / 2)
    }

    proptest! {
        #[test]
        fn a_response_ends_where_its_headers_end(before in headers(), after in headers(), more in vec(any::<u8>(), 0..64)) {
            let head = response(ACCEPT, &before, &after).into_bytes();
            for length in 0..head.len() {
                prop_assert!(matches!(response_length(&head[..length], ACCEPT), Ok(None)), "at {length}");
            }
            let whole = [head.clone(), more].concat();
            prop_assert_eq!(response_length(&whole, ACCEPT).unwrap(), Some(head.len()));
        }

        #[test]
        fn no_other_key_is_accepted(key in "[ -~]{0,64}") {
            prop_assume!(key.trim() != ACCEPT);
            let response = response(&key, &[], &[]);
            prop_assert!(matches!(response_length(response.as_bytes(), ACCEPT), Err(UpgradeError::NotWebSocket)));
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..512)) {
            let _ = response_length(&bytes, ACCEPT);
            let _ = response_length(&[b"HTTP/1.1 101 \r\n", &bytes[..]].concat(), ACCEPT);
        }
    }
}
