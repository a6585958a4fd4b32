//! Fake servers on loopback that misbehave on purpose, each on its own thread and bounded in time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(5);

/// A UDP server that answers each packet with what `answer` makes of its number (from 0) and bytes. It ends after
/// `packets` packets and gives them back.
pub fn udp(
    local: &str,
    packets: usize,
    answer: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind(local).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    let address = socket.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut seen = Vec::new();
        let mut buffer = [0; 2048];
        while seen.len() < packets
            && let Ok((length, from)) = socket.recv_from(&mut buffer)
        {
            for packet in answer(seen.len(), &buffer[..length]) {
                socket.send_to(&packet, from).unwrap();
            }
            seen.push(buffer[..length].to_vec());
        }
        seen
    });
    (address, server)
}

/// An HTTP server for one request: `answer` gets the stream after the request's head was read. Gives back the
/// request line.
pub fn http(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        answer(&mut stream);
        String::from_utf8(head).unwrap().lines().next().unwrap_or_default().to_owned()
    });
    (address, server)
}

/// An HTTP server that gives these whole answers, one to each connection. Gives back the requests' heads.
pub fn pages(answers: &'static [(&'static str, &'static str)]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |(status, body): &(&str, &str)| {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    };
    (address, thread::spawn(move || answers.iter().map(serve).collect()))
}

/// An HTTP server that gives one whole answer, and gives back the whole head of the request.
pub fn heard(body: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, server)
}

/// An HTTP server that gives one whole answer.
pub fn page(status: &'static str, body: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let body = body.into();
    http(move |stream| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        // The client may hang up early: that is what some tests are about.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    })
}
