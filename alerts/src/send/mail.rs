//! Mails by SMTP.

use std::{
    fmt::Display,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use easytier_probe::AddressPolicy;
use lettre::{
    Address,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::AsyncSmtpConnection,
        commands::{Data, Mail as MailCommand, Quit, Rcpt},
        extension::ClientId,
    },
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    addresses::permitted,
    link::Link,
    proxy,
    reply::{root_cause, verdict},
    starttls,
};
use crate::{
    Channel, Outcome,
    channel::{Mail, Security},
};

pub(super) struct MailSender {
    pub address_policy: AddressPolicy,
    pub connect_timeout: Duration,
    pub tls: Arc<ClientConfig>,
}

impl MailSender {
    pub(super) async fn send(&self, channel: &Channel, mail: &Mail) -> Outcome {
        self.deliver(channel, mail).await.unwrap_or_else(|outcome| outcome)
    }

    async fn deliver(&self, channel: &Channel, mail: &Mail) -> Result<Outcome, Outcome> {
        let connect = timeout(self.connect_timeout, self.connect(channel, mail));
        let stream = connect.await.map_err(|_| Outcome::retry("no connection in time"))??;
        let hello = hello(&stream);
        let link = self.encrypted(stream, mail, &hello).await?;
        let mut smtp = AsyncSmtpConnection::connect_with_transport(Box::new(link), &hello)
            .await
            .map_err(|error| before(&error))?;
        if let Some((user, password)) = &mail.login {
            let credentials = Credentials::new(user.clone(), password.clone());
            smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| before(&error))?;
        }
        submit(&mut smtp, mail).await
    }

    async fn connect(&self, channel: &Channel, mail: &Mail) -> Result<TcpStream, Outcome> {
        let (host, port) = (mail.host.as_str(), mail.port);
        if channel.is_confined() {
            return connected(&permitted(host, port, self.address_policy).await?).await;
        }
        match channel.proxy() {
            Some(proxy) => proxy::through(proxy, host, port).await,
            None => connected(&permitted(host, port, AddressPolicy::ANY).await?).await,
        }
    }

    async fn encrypted(&self, mut stream: TcpStream, mail: &Mail, hello: &ClientId) -> Result<Link, Outcome> {
        let lost = |error: io::Error| Outcome::retry(format!("the connection broke: {error}"));
        if mail.security == Security::None {
            return Link::plain(stream).map_err(lost);
        }
        if mail.security == Security::StartTls {
            // A server that is encrypted from the start waits for this side.
            let request = timeout(self.connect_timeout, starttls::request(&mut stream, &hello.to_string())).await;
            request.map_err(|_| Outcome::retry("no greeting in time; is security set as the port needs it?"))??;
        }
        let name = ServerName::try_from(mail.host.clone())
            .map_err(|_| Outcome::refused("the name of the server is no name of a host"))?;
        let handshake = TlsConnector::from(self.tls.clone()).connect(name, stream);
        let stream = timeout(self.connect_timeout, handshake)
            .await
            .map_err(|_| Outcome::retry("no TLS in time; is security set as the port needs it?"))?
            .map_err(|error| Outcome::retry(format!("no TLS: {}", root_cause(&error))))?;
        let link = Link::encrypted(stream).map_err(lost)?;
        Ok(if mail.security == Security::StartTls { link.greeted() } else { link })
    }
}

/// A connection to the first of the addresses that answers.
async fn connected(addresses: &[SocketAddr]) -> Result<TcpStream, Outcome> {
    TcpStream::connect(addresses).await.map_err(|error| Outcome::retry(format!("no connection: {error}")))
}

/// What this machine is called: its address, because its name may mean nothing elsewhere.
fn hello(stream: &TcpStream) -> ClientId {
    match stream.local_addr().map(|address| address.ip()) {
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::Domain("localhost".to_owned()),
    }
}

/// Hands the mail over. It goes to the recipients that the server takes, if there is one.
async fn submit(smtp: &mut AsyncSmtpConnection, mail: &Mail) -> Result<Outcome, Outcome> {
    // Addresses and text are ASCII, so no extension is asked for.
    command(smtp, MailCommand::new(mail.envelope.from().cloned(), Vec::new())).await?;
    let mut refusals: Vec<(&Address, Outcome)> = Vec::new();
    for recipient in mail.envelope.to() {
        if let Err(refusal) = command(smtp, Rcpt::new(recipient.clone(), Vec::new())).await {
            refusals.push((recipient, refusal));
        }
    }
    let none_taken = refusals.len() == mail.envelope.to().len();
    for (recipient, refusal) in refusals {
        if none_taken {
            return Err(refusal);
        }
        tracing::warn!(%recipient, ?refusal, "a mail server does not take a recipient of an alert");
    }
    command(smtp, Data).await?;
    let outcome = match smtp.message(&mail.content).await {
        Ok(_) => Outcome::Delivered,
        Err(error) => after(&error),
    };
    // What the server says to this changes nothing, and is not waited for.
    drop(timeout(Duration::from_millis(500), smtp.command(Quit)).await);
    Ok(outcome)
}

async fn command(smtp: &mut AsyncSmtpConnection, command: impl Display) -> Result<(), Outcome> {
    smtp.command(command).await.map(drop).map_err(|error| before(&error))
}

/// What an error means before the text of the mail was sent.
fn before(error: &SmtpError) -> Outcome {
    answered(error).unwrap_or_else(|| Outcome::retry(format!("the connection broke: {}", root_cause(error))))
}

/// What an error means after that.
fn after(error: &SmtpError) -> Outcome {
    answered(error).unwrap_or_else(|| Outcome::unclear(format!("the connection broke: {}", root_cause(error))))
}

fn answered(error: &SmtpError) -> Option<Outcome> {
    let code = u16::from(error.status()?);
    Some(verdict(code, &root_cause(error)))
}
