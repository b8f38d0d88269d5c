//! The proxy of the machine, through which `hub peer import` reads a list.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::{folder_of_hub, printed, run_with};

const LIST: &str = "tcp://192.0.2.7:11010\n";

/// Answers one client as a proxy of SOCKS5, and then as the server that it asks for.
fn serve(mut client: TcpStream) -> std::io::Result<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting)?;
    client.read_exact(&mut vec![0; greeting[1].into()])?;
    client.write_all(&[5, 0])?;
    // A request to connect to a name, which ends with the port.
    let mut request = [0; 5];
    client.read_exact(&mut request)?;
    assert_eq!(request[..4], [5, 1, 0, 3], "the name is left to the proxy");
    client.read_exact(&mut vec![0; usize::from(request[4]) + 2])?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    write!(client, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{LIST}", LIST.len())
}

#[test]
fn a_list_is_read_through_a_socks_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("socks5h://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || serve(listener.accept().unwrap().0));
    let folder = folder_of_hub();
    let import = ["hub", "peer", "import", "http://site.example/nodes.txt"];
    let said = printed(&run_with(folder.path(), &import, &[("ALL_PROXY", &proxy), ("NO_PROXY", "")], ""));
    assert_eq!(said, "imported 1 peer; 0 listed already\n");
    server.join().unwrap().unwrap();
}
