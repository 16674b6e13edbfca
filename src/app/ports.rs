//! Why a port cannot be had, in words that help: who holds it, or which right is missing.

use std::io;
use std::net::SocketAddr;

/// Explains a failed bind for the setting `listen.NAME`.
pub fn explain(error: &io::Error, address: SocketAddr, name: &str) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder(port).map(|process| format!(" by {process}")).unwrap_or_default();
            format!("port {port} is in use{holder}; stop it, or set listen.{name}")
        }
        io::ErrorKind::PermissionDenied => format!(
            "port {port} is for root only; give the program the right (AmbientCapabilities=\
             CAP_NET_BIND_SERVICE in the systemd unit), or set listen.{name}"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is not an address of this machine; correct listen.{name}", address.ip())
        }
        _ => format!("cannot listen on {address}: {error}; correct listen.{name}"),
    }
}

/// The process that listens on a TCP port, such as `process 812 (postfix)`. Linux only, and
/// only as far as this user may look.
fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&std::fs::read_to_string(table).ok()?, port))?;
    let wanted = format!("socket:[{inode}]");
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(entry.path().join("fd")) else { continue };
        let mut links = descriptors.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
        if links.any(|link| link.as_os_str() == wanted.as_str()) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({})", name.trim()));
        }
    }
    None
}

/// The inode of the listening socket of a port in a table of proc_net_tcp(5).
fn listening_inode(table: &str, port: u16) -> Option<String> {
    /// `TCP_LISTEN` of the kernel.
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&wanted) && *state == LISTEN).then(|| (*inode).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let error = std::net::TcpListener::bind(address).unwrap_err();
        let text = explain(&error, address, "imap");
        assert!(text.starts_with(&format!("port {} is in use", address.port())), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.ends_with("or set listen.imap"), "{text}");
    }
}
