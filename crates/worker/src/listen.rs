//! Health and metrics over HTTP: three pages to be read, each connection answered once and closed.
//!
//! A framework would be fourteen more crates for these pages, and would wait for slow clients without
//! a limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::observed::Observed;

/// Longest request that is read, in bytes.
const MOST_BYTES: usize = 8 * 1024;
/// Longest that a client may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most clients at once.
const MOST_CLIENTS: usize = 64;
/// Pause after the system could not give a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: &'static str,
    body: String,
}

/// Answers whoever comes, until dropped.
pub(crate) async fn serve(listener: TcpListener, observed: Arc<Observed>) {
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                let observed = Arc::clone(&observed);
                tokio::spawn(async move {
                    // A client that goes away or is too slow has no claim on an answer.
                    let _ = tokio::time::timeout(PATIENCE, converse(client, &observed)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "no connection for a client of the health pages");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(mut client: TcpStream, observed: &Observed) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    while !ends(&request) && request.len() < MOST_BYTES {
        if client.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    client.write_all(&reply(&request, |path| page(path, observed))).await?;
    client.shutdown().await
}

fn ends(request: &[u8]) -> bool {
    request.windows(4).any(|window| window == b"\r\n\r\n")
}

/// The whole reply to a request, head included.
fn reply(request: &[u8], page: impl FnOnce(&str) -> Option<Answer>) -> Vec<u8> {
    let line = request.split(|byte| *byte == b'\r').next().and_then(|line| str::from_utf8(line).ok());
    let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
    let (answer, has_body) = match words[..] {
        [method @ ("GET" | "HEAD"), target, version] if version.starts_with("HTTP/1.") && ends(request) => {
            let path = target.split('?').next().unwrap_or_default();
            let missing = || Answer {
                status: "404 Not Found",
                body: "there are /livez, /readyz and /metrics\n".to_owned(),
            };
            (page(path).unwrap_or_else(missing), method == "GET")
        }
        [_, _, version] if version.starts_with("HTTP/1.") && ends(request) => {
            let body = "pages can be read, nothing else\n".to_owned();
            (Answer { status: "405 Method Not Allowed\r\nAllow: GET, HEAD", body }, true)
        }
        _ => (Answer { status: "400 Bad Request", body: "this is no request\n".to_owned() }, true),
    };
    let Answer { status, body } = answer;
    let length = body.len();
    let mut reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    if has_body {
        reply.push_str(&body);
    }
    reply.into_bytes()
}

fn page(path: &str, observed: &Observed) -> Option<Answer> {
    match path {
        "/livez" => Some(verdict(observed.signs().and_then(|signs| signs.ailment()))),
        "/readyz" => Some(verdict(match observed.signs() {
            Some(signs) => signs.hindrance(),
            None => Some("it has no session yet".to_owned()),
        })),
        "/metrics" => Some(Answer { status: "200 OK", body: observed.numbers().text() }),
        _ => None,
    }
}

fn verdict(problem: Option<String>) -> Answer {
    match problem {
        None => Answer { status: "200 OK", body: "ok\n".to_owned() },
        Some(problem) => Answer { status: "503 Service Unavailable", body: format!("{problem}\n") },
    }
}

#[cfg(test)]
mod tests {
    use protocol::SemaphoreWidths;

    use super::*;
    use crate::activity::Activity;
    use crate::leaving::Leaving;
    use crate::semaphores::MachineSemaphores;

    fn replied(request: &str) -> String {
        let page = |path: &str| (path == "/livez").then(|| verdict(None));
        String::from_utf8(reply(request.as_bytes(), page)).unwrap()
    }

    #[test]
    fn known_pages_are_read_and_nothing_else_is_done() {
        for (request, status, body) in [
            ("GET /livez HTTP/1.1\r\nHost: here\r\n\r\n", "200 OK", "ok\n"),
            ("GET /livez?now HTTP/1.0\r\n\r\n", "200 OK", "ok\n"),
            ("HEAD /livez HTTP/1.1\r\n\r\n", "200 OK", ""),
            ("GET /other HTTP/1.1\r\n\r\n", "404 Not Found", "there are /livez, /readyz and /metrics\n"),
            ("POST /livez HTTP/1.1\r\n\r\n", "405 Method", "pages can be read, nothing else\n"),
            ("GET /livez\r\n\r\n", "400 Bad Request", "this is no request\n"),
            ("GET /livez HTTP/1.1\r\n", "400 Bad Request", "this is no request\n"),
            ("", "400 Bad Request", "this is no request\n"),
        ] {
            let reply = replied(request);
            let (head, found) = reply.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {head}");
            assert_eq!(found, body, "{request}");
        }
    }

    #[test]
    fn a_verdict_tells_the_reason() {
        let unwell = verdict(Some("it hangs".to_owned()));
        assert_eq!(unwell, Answer { status: "503 Service Unavailable", body: "it hangs\n".to_owned() });
    }

    fn observed() -> Arc<Observed> {
        let (activity, leaving) = (Arc::new(Activity::new(1)), Arc::new(Leaving::default()));
        let node = "here".to_owned();
        let semaphores = Arc::new(MachineSemaphores::new(SemaphoreWidths::default(), None));
        let lease = Duration::from_secs(30);
        Arc::new(Observed::new(node, Vec::new(), lease, activity, semaphores, leaving))
    }

    #[tokio::test]
    async fn before_its_first_session_a_worker_is_alive_but_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, observed()));
        for (path, status) in [("/livez", "200"), ("/readyz", "503"), ("/metrics", "200")] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
            let mut reply = String::new();
            let read = client.read_to_string(&mut reply);
            tokio::time::timeout(PATIENCE, read).await.expect("an answer comes").unwrap();
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {reply}");
        }
        serving.abort();
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, observed()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[b'x'; MOST_BYTES]).await.unwrap();
        let mut reply = String::new();
        let read = client.read_to_string(&mut reply);
        tokio::time::timeout(PATIENCE, read).await.expect("an answer comes").unwrap();
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
        serving.abort();
    }
}
