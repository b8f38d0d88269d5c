//! A bad line: it delays packets, and loses some.
//!
//! The line sends every packet back to this machine, with source and destination swapped. So a node that listens here is
//! reached over the line at each address behind it. `tc netem` delays and drops packets; where the kernel has no netem, a
//! thread of the test does.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io::{Read, Write},
    net::Ipv4Addr,
    os::fd::AsRawFd,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::namespace::system;

const NAME: &str = "wire";
const DELAY: Duration = Duration::from_millis(300);
const LOSS: f64 = 0.1;

/// The address at which nodes listen.
pub const HERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// An address at which nodes are reached over the line.
pub fn over_the_line(nth: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, 2 + nth)
}

/// Sets up the line in the network namespace of the test, for the lifetime of the process.
pub fn set_up() {
    let device = open();
    system("ip", &["addr", "add", &format!("{HERE}/24"), "dev", NAME]);
    system("ip", &["link", "set", NAME, "up"]);
    let netem = format!("root netem delay {}ms loss {}%", DELAY.as_millis(), LOSS * 100.0);
    let netem = Command::new("tc").args(["qdisc", "add", "dev", NAME]).args(netem.split(' ')).output();
    let (delay, loss) = match netem.expect("tc is there; tools/setup installs it").status.success() {
        true => (Duration::ZERO, 0.0),
        false => (DELAY, LOSS),
    };
    let (send, arrive) = mpsc::channel::<(Instant, Vec<u8>)>();
    let mut into = device.try_clone().unwrap();
    thread::spawn(move || {
        let mut device = device;
        let mut luck = StdRng::seed_from_u64(4711);
        let mut packet = [0; 2048];
        while let Ok(length) = device.read(&mut packet) {
            if !luck.random_bool(loss) {
                let _ = send.send((Instant::now() + delay, packet[..length].to_vec()));
            }
        }
    });
    thread::spawn(move || {
        for (at, mut packet) in arrive {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if packet[0] >> 4 == 4 {
                swap_addresses(&mut packet);
                let _ = into.write_all(&packet);
            }
        }
    });
}

/// Cuts the line: there is no route to its addresses any more.
pub fn cut() {
    system("ip", &["link", "set", NAME, "down"]);
}

/// Swaps the addresses of an IPv4 packet. All checksums stay valid, because they are sums.
fn swap_addresses(packet: &mut [u8]) {
    let (from, to) = packet[12..20].split_at_mut(4);
    from.swap_with_slice(to);
}

/// Makes a network device whose packets this process reads and writes.
fn open() -> File {
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("the kernel has tun devices");
    let name = CString::new(NAME).unwrap();
    // SAFETY: the request is all zeros except for a name that fits with its NUL, and the flags; the call only reads it.
    let outcome = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        std::ptr::copy_nonoverlapping(name.as_ptr(), request.ifr_name.as_mut_ptr(), name.as_bytes_with_nul().len());
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &request)
    };
    assert_eq!(outcome, 0, "no device: {}", std::io::Error::last_os_error());
    device
}
