//! The local LXD, asked over its socket: <https://documentation.ubuntu.com/lxd/latest/rest-api/>.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// A daemon that was started by this very question needs some of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where the two ways to install it put the socket.
const SOCKETS: [&str; 2] = ["/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket"];

/// The socket, or where it was looked for.
pub fn find_socket() -> Result<PathBuf, String> {
    let named = std::env::var_os("LXD_SOCKET").map(PathBuf::from);
    let named = named.or_else(|| Some(Path::new(&std::env::var_os("LXD_DIR")?).join("unix.socket")));
    let places = named.map_or_else(|| SOCKETS.map(PathBuf::from).to_vec(), |named| vec![named]);
    // A folder that may not be entered has one that may not be used, which is told apart later.
    let there = |path: &&PathBuf| !matches!(path.try_exists(), Ok(false));
    let found = places.iter().find(there).cloned();
    found.ok_or_else(|| places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "))
}

/// One request. HTTP/1.0, so that the body ends with the connection.
///
/// # Errors
/// Nothing answers there, or no JSON.
pub fn get(socket: &Path, path: &str) -> std::io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: lxd\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    Ok(serde_json::from_str(body)?)
}
