use std::net::TcpListener;
use std::time::Duration;

use super::*;

#[test]
fn a_file_without_certificate_is_no_trust() {
    assert_eq!(Trust::of_pem("nothing").unwrap_err(), "there is no certificate in it");
}

#[test]
fn a_closed_port_and_a_silent_one_have_no_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ask = |millis| {
        let deadline = Deadline::after(Duration::from_millis(millis));
        certificate(address, "tracker.example.org", &Trust::System, deadline).unwrap_err()
    };
    let fault = ask(100);
    assert_eq!(fault.seen, "no answer in time");
    assert_eq!(fault.expected, format!("a good certificate for tracker.example.org from {address}"));
    drop(listener);
    assert_eq!(ask(5000).seen, "connection refused (nothing listens on the port)");
}
