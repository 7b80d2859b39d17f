//! What a start passes on, and what is said when a program is missing, dies or stays silent.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testbed::{Child, StartError, free_port, wait_for_http};

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn arguments_environment_and_folder_reach_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            r#"printf '%s|' "$@"; echo "$WORD|${HOME-unset}|$(pwd)""#,
            "sh",
            "two words",
            "$HOME",
            "",
        ])
        .env("WORD", "it's \"quoted\"")
        .env_remove("HOME")
        .current_dir(folder.path());
    let mut child = Child::start("shell", command, &folder.path().join("log")).unwrap();
    wait_for_end(&mut child);
    let expected = format!(
        "two words|$HOME||it's \"quoted\"|unset|{}",
        folder.path().display()
    );
    assert_eq!(child.log_tail(10), expected);
}

#[test]
fn log_tail_gives_the_last_lines_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "for i in 1 2 3 4; do echo out $i; done; echo err >&2"]);
    let mut child = Child::start("shell", command, &folder.path().join("log")).unwrap();
    wait_for_end(&mut child);
    assert_eq!(child.log_tail(2), "out 4\nerr");
}

#[test]
fn a_missing_program_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for program in ["dailey-no-such-program", "./dailey-no-such-program"] {
        let error =
            Child::start("it", Command::new(program), &folder.path().join("log")).unwrap_err();
        assert_eq!(error.code(), "program_missing");
        assert!(
            error.to_string().contains(program) && error.to_string().contains("install it"),
            "{error}"
        );
    }
}

#[test]
fn a_log_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = Child::start(
        "it",
        Command::new("true"),
        &folder.path().join("no/such/log"),
    )
    .unwrap_err();
    assert_eq!(error.code(), "log_not_writable");
}

#[test]
fn waiting_ends_with_the_reason_when_the_program_dies() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo port 4000 is taken; exit 3"]);
    let mut child = Child::start("service", command, &folder.path().join("log")).unwrap();
    let url = format!("http://127.0.0.1:{}/health", free_port().unwrap());

    let started = Instant::now();
    let error = wait_for_http(&mut child, &url, DEADLINE).unwrap_err();

    assert!(started.elapsed() < DEADLINE);
    assert_eq!(
        error.to_string(),
        "service ended unexpectedly (exit code 3); its last lines:\nport 4000 is taken"
    );
}

#[test]
fn waiting_ends_when_the_answer_is_200_and_not_before() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let answered = Arc::new(AtomicUsize::new(0));
    let answers = Arc::clone(&answered);
    std::thread::spawn(move || {
        for status in ["503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            answers.fetch_add(1, Ordering::SeqCst);
            // In one piece: who asked may leave after the status.
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut child = sleeping(folder.path());
    wait_for_http(&mut child, &url, DEADLINE).unwrap();
    assert_eq!(
        answered.load(Ordering::SeqCst),
        2,
        "both answers were needed"
    );
}

#[test]
fn waiting_ends_at_the_deadline_when_nothing_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sleeping(folder.path());
    let url = format!("http://127.0.0.1:{}/", free_port().unwrap());
    let error = wait_for_http(&mut child, &url, Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, StartError::NotReady { .. }), "{error}");
}

#[test]
fn only_plain_http_on_loopback_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sleeping(folder.path());
    for url in [
        "https://127.0.0.1:1/",
        "http://192.0.2.1:80/",
        "http://127.0.0.1:1/a b",
        "http://localhost/",
    ] {
        let error = wait_for_http(&mut child, url, DEADLINE).unwrap_err();
        assert_eq!(error.code(), "address_invalid", "{url}");
    }
}

fn sleeping(folder: &std::path::Path) -> Child {
    let mut command = Command::new("sleep");
    command.arg("600");
    Child::start("sleep", command, &folder.join("log")).expect("sleep can be started")
}

fn wait_for_end(child: &mut Child) {
    let started = Instant::now();
    while child.exited().is_none() {
        assert!(started.elapsed() < DEADLINE, "the program did not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[should_panic(expected = "dailey-shell logged Some(\"Bearer \")")]
fn a_service_of_ours_that_logs_a_secret_is_found_out_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo authorization: Bearer abc"]);
    let mut child = Child::start("dailey-shell", command, &folder.path().join("log")).unwrap();
    // Also where nothing is left of the place that it wrote to.
    drop(folder);
    wait_for_end(&mut child);
}
