//! A tracker's API on loopback, for tests that go all the way to "running".

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Answers health checks, and gives figures for this token; gives its port. Ends with the test's process.
pub fn start(token: &'static str) -> u16 {
    start_with(move || token.to_owned())
}

/// The same for a token that may change.
pub fn start_with(token: impl Fn() -> String + Send + Sync + 'static) -> u16 {
    let token = std::sync::Arc::new(token);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let token = token.clone();
            std::thread::spawn(move || answer(stream, &token()));
        }
    });
    port
}

fn answer(mut stream: TcpStream, token: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    // The headers have to be read before the connection closes, or the client sees a reset.
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let bearer = format!("authorization: bearer {token}").to_lowercase();
    let (status, body) = if request.contains("health_check") {
        ("200 OK", r#"{"status":"Ok"}"#)
    } else if headers.iter().any(|header| header.to_lowercase() == bearer) {
        ("200 OK", r#"{"torrents":0}"#)
    } else {
        ("500 Internal Server Error", "unauthorized")
    };
    let length = body.len();
    let _ =
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}
