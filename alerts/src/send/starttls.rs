//! The few words with a mail server before its connection is encrypted.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::reply::verdict;
use crate::Outcome;

/// The longest line of an answer, in bytes.
const LONGEST_LINE: usize = 1024;

/// How many lines an answer may have.
const MOST_LINES: usize = 100;

/// Asks for encryption. After this the next bytes are those of TLS.
pub(super) async fn request(stream: &mut TcpStream, hello: &str) -> Result<(), Outcome> {
    expect(stream, 220).await?;
    send(stream, &format!("EHLO {hello}\r\n")).await?;
    let offers = expect(stream, 250).await?;
    if !offers.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(Outcome::refused(
            "the server does not offer STARTTLS; set security to tls if it is encrypted from the start",
        ));
    }
    send(stream, "STARTTLS\r\n").await?;
    expect(stream, 220).await?;
    Ok(())
}

async fn send(stream: &mut TcpStream, command: &str) -> Result<(), Outcome> {
    stream.write_all(command.as_bytes()).await.map_err(|error| broken(&error))
}

/// The texts of the lines of an answer, if it has this code.
async fn expect(stream: &mut TcpStream, code: u16) -> Result<Vec<String>, Outcome> {
    let mut texts = Vec::new();
    while texts.len() < MOST_LINES {
        let line = line(stream).await.map_err(|error| broken(&error))?;
        let answered = line.get(..3).and_then(|digits| digits.parse::<u16>().ok());
        let Some(answered) = answered else { return Err(Outcome::refused("it is no SMTP server")) };
        let text = line.get(4..).unwrap_or_default().to_owned();
        if answered != code {
            return Err(verdict(answered, &text));
        }
        texts.push(text);
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(texts);
        }
    }
    Err(Outcome::retry("the server says too much"))
}

/// The next line, read byte by byte: what follows it may be TLS already, and nothing that came in clear may count after it.
async fn line(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            byte if line.len() < LONGEST_LINE => line.push(byte),
            _ => return Err(io::Error::other("the server says too much")),
        }
    }
}

fn broken(error: &io::Error) -> Outcome {
    Outcome::retry(format!("the connection broke: {error}"))
}
