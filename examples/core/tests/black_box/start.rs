//! What `serve` and `check` refuse before anything is served, and in which words.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::core_process::{Home, text};

/// `serve` and `check` refuse alike.
fn refused(home: &Home, words: &str) {
    for command in ["check", "serve"] {
        let said = home.refused(&[command], "");
        assert!(
            said.contains(words),
            "{command} should say {words:?} and said:\n{said}"
        );
    }
}

fn write_key(path: &Path, pem: &str) {
    std::fs::write(path, pem).unwrap();
    chmod(path, 0o600);
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn keys_that_cannot_sign_are_refused() {
    let home = Home::initialised();
    let file = home.path("keys/core.pem");
    let good = std::fs::read_to_string(&file).unwrap();
    let rsa = |options: &[&str]| {
        openssl(
            &[
                &["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt"],
                options,
            ]
            .concat(),
        )
    };
    let table = [
        ("hello".to_owned(), "not PEM"),
        (rsa(&["rsa_keygen_bits:1024"]), "shorter than 2048"),
        (rsa(&["rsa_keygen_bits:5120"]), "longer than 4096"),
        (
            rsa(&["rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"]),
            "exponent is not 65537",
        ),
        (
            rsa(&["rsa_keygen_bits:2048", "-aes256", "-pass", "pass:secret"]),
            "encrypted",
        ),
        (
            openssl(&[
                "genpkey",
                "-quiet",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ]),
            "elliptic-curve",
        ),
        (
            openssl(&["genpkey", "-quiet", "-algorithm", "ED25519"]),
            "Ed25519",
        ),
        (
            openssl(&["rsa", "-in", file.to_str().unwrap(), "-pubout"]),
            "public key",
        ),
    ];
    for (pem, words) in table {
        write_key(&file, &pem);
        refused(&home, words);
    }
    // PKCS#1 is taken like PKCS#8.
    write_key(&home.path("pkcs8.pem"), &good);
    write_key(
        &file,
        &openssl(&[
            "rsa",
            "-traditional",
            "-in",
            home.path("pkcs8.pem").to_str().unwrap(),
        ]),
    );
    assert!(home.run(&["check"], "").status.success());
    for mode in [0o640, 0o604, 0o620] {
        chmod(&file, mode);
        refused(&home, "chmod 600");
    }
    std::fs::remove_file(&file).unwrap();
    refused(&home, "no such file");
}

#[test]
fn a_key_of_another_user_is_refused() {
    let mut home = Home::initialised();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(home.path("keys/core.pem"), Some(12_345), None).unwrap();
    } else {
        // A file of root's: whose it is comes before what it is.
        home.set("JWT_PRIVATE_KEY_FILE", "/etc/passwd");
    }
    refused(&home, "belongs to user");
}

#[test]
fn published_keys_that_mislead_verifiers_are_refused() {
    let home = Home::initialised();
    let kid = text(&home.json(&["init"], ""), "kid");
    std::fs::create_dir(home.path("keys/public")).unwrap();
    let file = |name: &str| home.path(&format!("keys/public/{name}.pem"));
    let key = |bits: &str| {
        openssl(&[
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            &format!("rsa_keygen_bits:{bits}"),
        ])
    };
    let public = |private: &str| {
        write_key(&home.path("private.pem"), private);
        openssl(&[
            "rsa",
            "-in",
            home.path("private.pem").to_str().unwrap(),
            "-pubout",
        ])
    };
    let other = public(&key("2048"));
    let table = [
        ("k", key("2048"), "holds a private key"),
        ("k", public(&key("1024")), "shorter than 2048"),
        (
            kid.as_str(),
            other.clone(),
            "two different keys have the kid",
        ),
        ("a b", other.clone(), "its kid"),
    ];
    for (name, pem, words) in table {
        write_key(&file(name), &pem);
        refused(&home, words);
        std::fs::remove_file(file(name)).unwrap();
    }
    write_key(&file("one"), &other);
    assert!(home.run(&["check"], "").status.success());
    chmod(&file("one"), 0o666);
    refused(&home, "others may write to it");
    chmod(&file("one"), 0o644);
    write_key(&file("two"), &other);
    refused(&home, "under two kids");
}

#[test]
fn production_is_strict() {
    let mut home = Home::initialised();
    let kid = text(&home.json(&["init"], ""), "kid");
    home.set("DAILEY_ENV", "production");
    for key in ["JWT_ISSUER", "JWT_PRIVATE_KEY_FILE", "JWT_ACTIVE_KID"] {
        refused(&home, &format!("{key}: "));
    }
    home.set("JWT_ISSUER", "https://core.example.com");
    home.set("JWT_PRIVATE_KEY_FILE", "keys/core.pem");
    home.set("JWT_ACTIVE_KID", "another");
    refused(&home, "JWT_ACTIVE_KID matches no key");
    home.set("JWT_ACTIVE_KID", kid);
    assert!(home.run(&["check"], "").status.success());
    std::fs::write(home.path(".env"), "# nothing\n").unwrap();
    chmod(&home.path(".env"), 0o644);
    refused(&home, "chmod 600 .env");
    chmod(&home.path(".env"), 0o600);
    assert!(home.run(&["check"], "").status.success());
    std::fs::rename(home.path("keys/core.pem"), home.path("keys/real.pem")).unwrap();
    symlink("real.pem", home.path("keys/core.pem")).unwrap();
    refused(&home, "symbolic link");
    home.set("DAILEY_ENV", "development");
    home.unset("JWT_ACTIVE_KID");
    assert!(home.run(&["check"], "").status.success());
}

#[test]
fn a_database_that_is_not_set_up_or_newer_is_refused() {
    refused(&Home::empty(), "run `dailey-core init`");
    let home = Home::initialised();
    home.database
        .execute("INSERT INTO schema_version (version) VALUES (99)");
    refused(&home, "newer version");
    let said = home.refused(&["apps", "list"], "");
    assert!(said.contains("newer version"), "{said}");
}

#[test]
fn a_missing_file_does_not_become_an_empty_database() {
    let home = Home::empty_on_sqlite().and_initialised();
    std::fs::remove_file(home.path("core.db")).unwrap();
    refused(&home, "run `dailey-core init`");
    assert!(!home.path("core.db").exists(), "neither makes one");
}

#[test]
fn a_taken_port_is_said() {
    let mut home = Home::initialised();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    home.set("PORT", listener.local_addr().unwrap().port().to_string());
    refused(&home, "is taken");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut home = Home::empty();
    home.set("JWT_TTL_SECONDS", "5");
    home.set("ALLOWED_ORIGINS", "*");
    home.set("DATABASE_URL", "mysql://core@localhost/core");
    let said = home.refused(&["check"], "");
    for key in ["JWT_TTL_SECONDS", "ALLOWED_ORIGINS", "DATABASE_URL"] {
        assert!(said.contains(&format!("{key}: ")), "{said}");
    }
    let output = home.run(&["check", "--json"], "");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &report["ok"]),
        (Some(1), &serde_json::json!(false))
    );
    assert_eq!(report["problems"].as_array().unwrap().len(), 3);
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    let home = Home::empty();
    for arguments in [
        &["no-such-command"][..],
        &[],
        &["keys", "retire"],
        &["users", "create", "a@b", "password"],
    ] {
        assert_eq!(
            home.run(arguments, "").status.code(),
            Some(64),
            "{arguments:?}"
        );
    }
    assert_eq!(home.run(&["--help"], "").status.code(), Some(0));
}

#[test]
fn a_dotenv_file_is_read_under_the_environment() {
    let mut home = Home::initialised();
    std::fs::write(
        home.path(".env"),
        "JWT_ISSUER=http://127.0.0.1:1\nJWT_TTL_SECONDS=5\n",
    )
    .unwrap();
    refused(&home, "JWT_TTL_SECONDS: ");
    home.set("JWT_TTL_SECONDS", "60");
    assert!(home.run(&["check"], "").status.success());
}

#[tokio::test]
async fn blocking_work_that_never_ends_does_not_keep_it_alive() {
    let home = Home::initialised();
    let mut core = home.serve();
    let pipe = home.path(".env");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    core.child.signal(testbed::Signal::Hangup).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // A pipe opens for writing as soon as somebody reads it: the reload, which now waits for as long as it is open.
    let _writer = loop {
        let opened = rustix::fs::open(
            &pipe,
            rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
            rustix::fs::Mode::empty(),
        );
        if let Ok(writer) = opened {
            break writer;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the reload reads .env"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    core.child.signal(testbed::Signal::Terminate).unwrap();
    while core.child.exited().is_none() {
        assert!(
            std::time::Instant::now() < deadline,
            "it ends after its grace"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn production_answers_to_the_issuers_host_alone_and_sends_plain_http_there() {
    let mut home = Home::initialised();
    let kid = text(&home.json(&["init"], ""), "kid");
    for (key, value) in [
        ("DAILEY_ENV", "production"),
        ("JWT_ISSUER", "https://core.example.com"),
        ("JWT_PRIVATE_KEY_FILE", "keys/core.pem"),
        ("JWT_ACTIVE_KID", &kid),
    ] {
        home.set(key, value);
    }
    let core = home.serve();
    let jwks = "/.well-known/jwks.json";
    let ask = |method, host, proto| {
        let request = core.request(method, jwks).header("host", host);
        request.header("x-forwarded-proto", proto).send()
    };
    let get = reqwest::Method::GET;
    for (host, proto, status) in [
        ("core.example.com", "https", 200),
        ("evil.example.com", "https", 421),
        ("core.example.com.evil.example", "https", 421),
        ("core.example.com", "http", 308),
    ] {
        let answer = ask(get.clone(), host, proto).await.unwrap();
        assert_eq!(answer.status(), status, "{host} {proto}");
        if status == 308 {
            let location = format!("https://core.example.com{jwks}");
            assert_eq!(answer.headers()["location"], location);
        }
    }
    let post = ask(reqwest::Method::POST, "core.example.com", "http").await;
    assert_eq!(post.unwrap().status(), 403);
}
