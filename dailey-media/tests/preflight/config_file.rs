//! A configuration file that cannot be read as one is an error at once, and never a wait.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::ground::{Ground, causes, pipe, write};

/// Where nothing hangs, it ends in much less, and where a file is waited for, in no less than five seconds.
const AT_ONCE: Duration = Duration::from_secs(4);

/// So often at most, since this machine may pause.
const TRIES: usize = 3;

/// What `serve` says before it ends, and how long it took.
async fn serve(ground: &Ground, config: &Path, environment: &str) -> (String, Duration) {
    let mut command = ground.command();
    command.args(["serve", "--config"]).arg(config);
    command.env("DAILEY_ENV", environment).stdin(Stdio::null());
    let started = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    (text, started.elapsed())
}

#[tokio::test]
async fn what_is_no_plain_small_file_is_refused_at_once() {
    let ground = Ground::new().await;
    pipe(&ground.path("pipe"));
    write(&ground.path("large"), &"# filler\n".repeat(8000));
    for (config, said) in [
        (ground.path("pipe"), "it is not a file"),
        ("/dev/zero".into(), "it is not a file"),
        (ground.path(""), "it is not a file"),
        (ground.path("large"), "it is larger than 64 KiB"),
        (ground.path("absent"), "No such file"),
    ] {
        // With the preflight in front, and without.
        for environment in ["production", "development"] {
            let mut fastest = Duration::MAX;
            for _ in 0..TRIES {
                let (text, took) = serve(&ground, &config, environment).await;
                assert!(text.contains(said), "{said} in {text}");
                fastest = fastest.min(took);
                if fastest < AT_ONCE {
                    break;
                }
            }
            assert!(fastest < AT_ONCE, "{config:?}: {fastest:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs perl: `cargo xtask test` runs this"]
async fn a_disk_that_hangs_is_told() {
    let mut ground = Ground::new().await;
    let config = ground.path("config.toml");
    write(&config, "");
    // Whoever opens a file under a write lease waits until its holder gives it up (fcntl(2), F_SETLEASE).
    let hold = "$SIG{IO} = 'IGNORE'; open(my $file, '+<', $ARGV[0]) or die; fcntl($file, 1024, 1) or die; \
                $| = 1; print qq(held\n); sleep 120;";
    let mut command = Command::new("perl");
    command.args(["-e", hold]).arg(&config);
    let holder = testbed::Child::start("perl", command, &ground.path("held")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holder.log_tail(1).contains("held") {
        assert!(Instant::now() < deadline, "the file is not held");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = "config.toml: cannot be read: the disk that it lies on does not answer";
    for environment in ["production", "development"] {
        let (text, took) = serve(&ground, &config, environment).await;
        assert!(text.contains(told), "{text}");
        // By itself it would end with the lease, which takes much longer.
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    ground.set("DAILEY_CONFIG", config.display().to_string());
    let (report, status) = ground.preflight(&[]).await;
    assert_eq!(status, Some(1));
    assert_eq!(causes(&report), ["config"], "{report:#}");
    assert!(report.to_string().contains(told), "{report:#}");
}
