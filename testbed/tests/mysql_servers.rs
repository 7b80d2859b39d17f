//! Real MySQL servers that belong to a test. They need the part `mysql`, so they are ignored unless asked
//! for; `cargo xtask test` asks.

use std::time::{Duration, Instant};

use testbed::mysql::{Pair, Server};

/// Design: the pair is up within 10 s once it is unpacked. This much more is a busy machine's.
const UP_WITHIN: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
fn a_pair_is_up_soon_and_replicates_over_verified_tls() {
    let started = Instant::now();
    let pair = Pair::start().unwrap();
    let took = started.elapsed();
    println!("up after {took:?}");
    assert!(took < UP_WITHIN, "{took:?}");

    pair.primary
        .sql("CREATE TABLE core.t (id INT PRIMARY KEY); INSERT INTO core.t VALUES (42);")
        .unwrap();
    pair.wait_until_caught_up().unwrap();
    assert_eq!(pair.replica.sql("SELECT id FROM core.t").unwrap(), "42\n");

    let channel = "SELECT CONCAT_WS(' ', SSL_ALLOWED, SSL_VERIFY_SERVER_CERTIFICATE, AUTO_POSITION, \
        CONNECTION_RETRY_COUNT) FROM performance_schema.replication_connection_configuration";
    assert_eq!(pair.replica.sql(channel).unwrap(), "YES YES 1 86400\n");
    // Nothing of its own: not even its root account.
    let own = "SELECT @@super_read_only, LOCATE(@@server_uuid, @@gtid_executed)";
    assert_eq!(pair.replica.sql(own).unwrap(), "1\t0\n");
}

#[test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
fn a_server_has_cores_account_and_its_data_survives_a_crash() {
    let mut server = Server::start().unwrap();
    let accounts = "SELECT user, host, ssl_type FROM mysql.user WHERE user = 'core'";
    assert_eq!(server.sql(accounts).unwrap(), "core\t127.0.0.1\tANY\n");
    server
        .sql("CREATE TABLE core.t (id INT PRIMARY KEY); INSERT INTO core.t VALUES (7);")
        .unwrap();

    server.kill();
    assert!(server.sql("SELECT 1").is_err());
    server.start_again(&[]).unwrap();
    assert_eq!(server.sql("SELECT id FROM core.t").unwrap(), "7\n");
}

#[test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
fn a_refused_statement_is_an_error_in_the_servers_words() {
    let server = Server::start().unwrap();
    let error = server.sql("SELECT nonsense").unwrap_err().to_string();
    assert!(error.contains("ERROR 1054"), "{error}");
}
