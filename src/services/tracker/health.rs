//! What the tracker reports of its listeners. Its container is healthy as soon as the health-check API answers, whatever
//! the answer says: the report has to be read.

use super::{NAME, from_inside};
use crate::config::Config;
use crate::services::HostCheck;
use crate::tools::ssh::sh_quote;

/// The name of the check.
pub const LISTENERS: &str = "tracker: its own report of its listeners";

/// Reads the report on the host.
const READ: &str = include_str!("listeners.py");

/// The report is asked in the container's network, where the API may listen on loopback; no program of the image is used.
#[must_use]
pub fn check(config: &Config) -> HostCheck {
    let url = format!("http://{}/health_check", from_inside(config.tracker.health_check_api.bind_address));
    let labels = ["project.working_dir=/opt/torrust", &format!("service={NAME}")]
        .map(|label| format!("--filter label=com.docker.compose.{label}"));
    let command = format!(
        "tracker=$(docker ps --quiet --no-trunc {}) && [ -n \"$tracker\" ] || {{ echo 'the tracker does not run'; exit 1; }}; \
         pid=$(docker inspect --format '{{{{.State.Pid}}}}' \"$tracker\") \
         && exec nsenter --target \"$pid\" --net python3 -c {} {url}",
        labels.join(" "),
        sh_quote(READ)
    );
    HostCheck { name: LISTENERS.into(), command, awaited: false, quick: true }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The script's exit code and what it says, of a server on loopback that answers this.
    fn read(answer: &'static str) -> (Option<i32>, String) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health_check", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            stream.write_all((head + answer).as_bytes()).unwrap();
        });
        let ran = Command::new("python3").args(["-c", READ, &url]).output().unwrap();
        server.join().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap();
        (ran.status.code(), said.trim().to_owned())
    }

    #[test]
    fn report_of_200_is_read_for_each_listener() {
        let of_3_0_0 = r#"{"status":"Ok","message":"","details":[{"binding":"0.0.0.0:6969","info":"i","result":{"Ok":"Connected"}},
            {"binding":"[::]:6969","info":"i","result":{"Ok":"Connected"}}]}"#;
        assert_eq!(read(of_3_0_0), (Some(0), "all 2 work".into()));
        let failed = r#"{"status":"Error","message":"health check failed","details":[
            {"service_binding":"udp://0.0.0.0:6969","binding":"0.0.0.0:6969","service_type":"udp_tracker","info":"i","result":{"Err":"Timeout"}},
            {"binding":"0.0.0.0:7070","info":"i","result":{"Ok":"200 OK"}},
            {"binding":"0.0.0.0:7071","info":"i","result":{"Err":"refused"}}]}"#;
        assert_eq!(read(failed), (Some(1), "udp://0.0.0.0:6969: Timeout; 0.0.0.0:7071: refused".into()));
        let none = r#"{"status":"None","message":"","details":[]}"#;
        assert_eq!(read(none), (Some(1), "the tracker reports no listener at all".into()));
        let bare = r#"{"status":"Error","message":"","details":[]}"#;
        assert!(read(bare).1.contains("the status Error"));
        assert!(read("<html>").1.contains("gives no report"));
    }
}
