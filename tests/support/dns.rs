//! A name server for tests.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, SRV, TXT},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

pub fn a(octets: [u8; 4]) -> RData {
    RData::A(A(Ipv4Addr::from(octets)))
}

pub fn aaaa(address: &str) -> RData {
    RData::AAAA(AAAA(address.parse::<Ipv6Addr>().unwrap()))
}

pub fn txt(strings: &[&str]) -> RData {
    RData::TXT(TXT::new(strings.iter().map(ToString::to_string).collect()))
}

pub fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, fqdn(target)))
}

pub fn fqdn(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

/// The records of a name server, and the questions that it was asked.
#[derive(Clone, Default)]
pub struct Zone(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    records: Vec<Record>,
    questions: Vec<(String, RecordType)>,
    fails: bool,
    is_silent: bool,
}

impl Zone {
    /// Replaces all records. Answers may be kept for `ttl` seconds.
    pub fn set<'a>(&self, ttl: u32, records: impl IntoIterator<Item = (&'a str, RData)>) {
        let mut contents = self.0.lock().unwrap();
        contents.records = records.into_iter().map(|(name, data)| Record::from_rdata(fqdn(name), ttl, data)).collect();
        contents.fails = false;
    }

    /// Answers every question with a server failure from now on.
    pub fn fail(&self) {
        self.0.lock().unwrap().fails = true;
    }

    /// Answers no question from now on.
    pub fn be_silent(&self) {
        self.0.lock().unwrap().is_silent = true;
    }

    /// Answers as at first.
    pub fn recover(&self) {
        let mut contents = self.0.lock().unwrap();
        (contents.fails, contents.is_silent) = (false, false);
    }

    fn is_silent(&self) -> bool {
        self.0.lock().unwrap().is_silent
    }

    /// For how many names in this domain it was asked.
    pub fn names_asked_for_in(&self, domain: &str) -> usize {
        let contents = self.0.lock().unwrap();
        let names = contents.questions.iter().map(|(name, _)| name);
        names.filter(|name| name.ends_with(&format!(".{domain}."))).collect::<HashSet<_>>().len()
    }

    /// How often it was asked for records of this type at this name.
    pub fn asked_for(&self, name: &str, record_type: RecordType) -> usize {
        let question = (fqdn(name).to_string(), record_type);
        self.0.lock().unwrap().questions.iter().filter(|asked| **asked == question).count()
    }
}

/// A name server on a free port, over UDP and TCP, that runs as long as the test. It answers for names in `broken.test`
/// with a server failure, not at all for those in `silent.test`, and refuses to answer for those in `refused.test`.
pub async fn name_server<'a>(records: impl IntoIterator<Item = (&'a str, RData)>) -> SocketAddr {
    let zone = Zone::default();
    zone.set(60, records);
    name_server_of("127.0.0.1:0", zone).await
}

/// A name server at `address` whose records may change.
pub async fn name_server_of(address: &str, zone: Zone) -> SocketAddr {
    // The kernel chooses a free UDP port. The same TCP port is probably free too, but not certainly.
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind(address).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();

    let udp_zone = zone.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            // A node may still send packets to an earlier user of this port.
            let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
            let mut reply = answer(&udp_zone, &query);
            if is_silent(&query) || udp_zone.is_silent() {
                continue;
            }
            if reply.to_vec().unwrap().len() > 512 {
                reply = reply.truncate();
            }
            udp.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            tokio::spawn(answer_over_tcp(stream, zone.clone()));
        }
    });
    address
}

async fn answer_over_tcp(mut stream: TcpStream, zone: Zone) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; length.into()];
        stream.read_exact(&mut query).await.unwrap();
        let reply = answer(&zone, &Message::from_vec(&query).unwrap()).to_vec().unwrap();
        stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&reply).await.unwrap();
    }
}

fn is_silent(query: &Message) -> bool {
    fqdn("silent.test").zone_of(query.queries[0].name())
}

fn answer(zone: &Zone, query: &Message) -> Message {
    let question = query.queries[0].clone();
    let mut zone = zone.0.lock().unwrap();
    zone.questions.push((question.name().to_string(), question.query_type()));
    let of_name = || zone.records.iter().filter(|record| record.name == *question.name());
    let of_type = of_name().filter(|record| [record.record_type(), RecordType::ANY].contains(&question.query_type()));

    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.add_answers(of_type.cloned());
    if zone.fails || fqdn("broken.test").zone_of(question.name()) {
        reply = Message::error_msg(query.metadata.id, OpCode::Query, ResponseCode::ServFail);
    } else if fqdn("refused.test").zone_of(question.name()) {
        reply = Message::error_msg(query.metadata.id, OpCode::Query, ResponseCode::Refused);
    } else if of_name().next().is_none() {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    reply.add_query(question);
    reply
}
