//! The baseline for a check: a TCP connection and four small round trips.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::nodes;

/// About the size of a handshake.
const MESSAGE: [u8; 64] = [7; 64];
const ROUND_TRIPS: usize = 4;

/// The role of a local echo server: prints its address and serves until it is killed.
pub fn serve(_: &[String]) {
    nodes::runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        nodes::say(listener.local_addr().expect("bound"));
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            tokio::spawn(async move {
                stream.set_nodelay(true).expect("open");
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

pub async fn connect_and_echo(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.expect("the echo server listens");
    stream.set_nodelay(true).expect("open");
    // Larger than the message: after a read that fills the buffer, tokio tries another one.
    let mut buffer = [0; 1024];
    for _ in 0..ROUND_TRIPS {
        stream.write_all(&MESSAGE).await.expect("open");
        assert_eq!(stream.read(&mut buffer).await.expect("open"), MESSAGE.len());
    }
}
