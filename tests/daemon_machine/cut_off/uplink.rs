//! A probe in network and mount namespaces of its own, behind a link to the world, which is the namespace of the test.
//!
//! A second link, of which the probe's checks know nothing, leads to its monitoring API while the first one is cut.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    namespace::system,
    program::{Folder, PROGRAM},
};

/// The address of the probe's monitoring API.
pub const API: &str = "192.168.255.2";

/// The numbers of the world's network. They are those of hosts on the Internet, so that the probe takes them for such.
pub const HUB: &str = "11.254.0.1";
pub const NAME_SERVER: &str = "11.254.0.53";

const ROUTES: [&str; 2] = ["route replace default via 11.255.0.1", "-6 route replace default via 2a0b:ffff::1"];
const IPV6_ADDRESS: &str = "-6 addr replace 2a0b:ffff::2/64 dev uplink nodad";

/// The namespaces of the probe, and its links. They end with this process.
pub struct Uplink {
    inside: Child,
    _files: TempDir,
}

impl Uplink {
    /// Makes the namespaces and the links.
    pub fn set_up() -> Self {
        let files = tempfile::tempdir().unwrap();
        let [resolv_conf, hosts] = ["resolv.conf", "hosts"].map(|name| files.path().join(name));
        fs::write(&resolv_conf, format!("nameserver {NAME_SERVER}\n")).unwrap();
        fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
        let script = "mount --bind \"$0\" /etc/resolv.conf && mount --bind \"$1\" /etc/hosts && ip link set lo up \
                      && echo ready && exec cat";
        let mut inside = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", script])
            .args([&resolv_conf, &hosts])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(inside.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let uplink = Self { inside, _files: files };
        let namespace = uplink.process_id();
        for (here, there) in [("world", "uplink"), ("monitor", "api")] {
            let link = format!("link add {here} type veth peer name {there} netns {namespace}");
            system("ip", &link.split(' ').collect::<Vec<_>>());
        }
        ip(&[
            "addr add 11.255.0.1/24 dev world",
            "-6 addr add 2a0b:ffff::1/64 dev world nodad",
            "addr add 192.168.255.1/30 dev monitor",
            "link set world up",
            "link set monitor up",
            &format!("addr add {HUB}/32 dev world"),
            &format!("addr add {NAME_SERVER}/32 dev world"),
        ]);
        uplink.ip(&["addr add 11.255.0.2/24 dev uplink", "link set uplink up", IPV6_ADDRESS]);
        uplink.ip(&ROUTES);
        uplink.ip(&[&format!("addr add {API}/30 dev api"), "link set api up"]);
        uplink
    }

    /// The daemon in the namespaces of the probe.
    pub fn daemon(&self, folder: &Folder) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("nsenter");
        command.args(["--target", &self.process_id(), "--net", "--mount", "--"]);
        command.args(["sh", "-c", "cd \"$0\" && exec \"$1\" daemon"]).arg(folder.path()).arg(PROGRAM);
        command.env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// From now on all packets are lost, in both directions.
    pub fn lose_packets(&self) {
        system("tc", &["qdisc", "add", "dev", "world", "root", "blackhole"]);
        self.run(&["tc", "qdisc", "add", "dev", "uplink", "root", "blackhole"]);
    }

    pub fn pass_packets(&self) {
        system("tc", &["qdisc", "del", "dev", "world", "root"]);
        self.run(&["tc", "qdisc", "del", "dev", "uplink", "root"]);
    }

    /// Takes the link away, and with it all routes.
    pub fn take_down(&self) {
        self.ip(&["link set uplink down"]);
    }

    pub fn bring_up(&self) {
        self.ip(&["link set uplink up", IPV6_ADDRESS]);
        self.ip(&ROUTES);
    }

    pub fn disable_ipv6(&self) {
        self.run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"]);
    }

    pub fn enable_ipv6(&self) {
        self.run(&["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6"]);
        self.ip(&[IPV6_ADDRESS, ROUTES[1]]);
    }

    fn ip(&self, commands: &[&str]) {
        for command in commands {
            self.run(&[&["ip"], &*command.split(' ').collect::<Vec<_>>()].concat());
        }
    }

    /// Runs a command in the namespaces of the probe.
    fn run(&self, command: &[&str]) {
        let target = self.process_id();
        system("nsenter", &[&["--target", &target, "--net", "--mount", "--"], command].concat());
    }

    fn process_id(&self) -> String {
        self.inside.id().to_string()
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        let _ = self.inside.kill();
        let _ = self.inside.wait();
    }
}

/// Gives the world addresses at which nodes can listen. They are those of the link, because a node binds its sockets to the
/// device of their address.
pub fn add_addresses(addresses: impl IntoIterator<Item = IpAddr>) {
    let lines = addresses.into_iter().map(|address| match address.is_ipv4() {
        true => format!("addr add {address}/32 dev world\n"),
        false => format!("addr add {address}/128 dev world nodad\n"),
    });
    let lines: String = lines.collect();
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "{lines}");
}

fn ip(commands: &[&str]) {
    for command in commands {
        system("ip", &command.split(' ').collect::<Vec<_>>());
    }
}
