//! Two of each behind the edge, as `docs/operate.md` brings them up, each of them killed once while all are asked; and
//! what nginx asks the other for ([`handed_on`]).

#![allow(clippy::unwrap_used)]

mod client;
mod handed_on;
mod logins;
mod objects;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deploy_tests::operator::{Operator, PAGE, TWO_OF_EACH};
use deploy_tests::page::{Block, blocks};
use deploy_tests::store::Store;
use deploy_tests::visitor;
use deploy_tests::world::{World, in_a_world};
use serde_json::Value;
use testbed::mysql::Server;
use tokio::task::JoinSet;

use client::Client;
use logins::Logins;
use objects::Writer;

/// How long all are up before the next accident.
const CALM: Duration = Duration::from_millis(1500);

/// How many write objects at once.
const WRITERS: usize = 3;

/// Between two users who register: two requests a second are what one address has there.
const PACE_OF_LOGINS: Duration = Duration::from_millis(500);

/// Who is killed, one after the other, and where each is asked how it is.
const REPLICAS: [(&str, &str); 4] = [
    ("dmapi", "127.0.0.1:4100"),
    ("core", "127.0.0.1:4000"),
    ("dmapi-2", "127.0.0.2:4100"),
    ("core-2", "127.0.0.2:4000"),
];

#[test]
#[ignore = "needs nginx, pm2, MySQL and moto: `cargo xtask test` sets them up and runs this"]
fn nothing_that_was_acknowledged_is_lost_with_a_replica() {
    in_a_world(|world| {
        let mut operator = Operator::new(world);
        let _store = Store::start(&operator.public_ca);
        let database = database(world);
        bring_up(&mut operator, &database);
        let client = Client::new(visitor::client(&operator.public_ca));
        let ended = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let load = scope.spawn(|| visitor::run(load(&client, &ended)));
            for (name, address) in REPLICAS {
                std::thread::sleep(CALM);
                kill(&mut operator, name, address);
            }
            std::thread::sleep(CALM);
            ended.store(true, Ordering::Relaxed);
            load.join().unwrap();
        });
        // What was under way at the one that was killed, and nothing else.
        let clients = WRITERS + 1;
        let unanswered = client.unanswered();
        assert!(unanswered <= REPLICAS.len() * clients, "{unanswered}");
        assert_each_was_asked();
        for folder in ["dmapi", "dmapi-2"] {
            operator.run(&format!(
                "as_dailey {folder} dailey-media audit verify audit.log"
            ));
        }
    });
}

/// Asks everybody for everything until `ended`, and then for all that was acknowledged.
async fn load(client: &Client, ended: &Arc<AtomicBool>) {
    let read = |file: &str| fs::read_to_string(format!("/root/{file}")).unwrap();
    let id = |file: &str, name: &str| -> String {
        let made: Value = serde_json::from_str(&read(file)).unwrap();
        made[name].as_str().unwrap().to_owned()
    };
    let app_id = id("photos.json", "app_id");
    let password = read("core-admin-password");
    let admin = logins::log_in(
        client,
        &id("core.json", "core_app_id"),
        "admin@dailey.cloud",
        password.trim_end(),
    )
    .await;
    let mut logins = Logins::new(
        client,
        &app_id,
        admin["access_token"].as_str().unwrap().to_owned(),
    );
    let mut clients = JoinSet::new();
    for number in 0..WRITERS {
        let email = format!("writer-{number}@example.com");
        let token = logins::new_user(client, &app_id, &email).await;
        let (mut writer, ended) = (Writer::new(client, token), Arc::clone(ended));
        clients.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                writer.round().await;
            }
            writer.read_all().await;
        });
    }
    let ended = Arc::clone(ended);
    clients.spawn(async move {
        while !ended.load(Ordering::Relaxed) {
            logins.round().await;
            tokio::time::sleep(PACE_OF_LOGINS).await;
        }
        logins.look_at_all().await;
    });
    clients.join_all().await;
}

/// MySQL on the machine.
fn database(world: &World) -> Server {
    let mut server = Server::start().unwrap_or_else(|error| panic!("{error}"));
    // It was made in the internet, where the test is.
    server.stop();
    let way_in = world.way_in();
    let wrapper: Vec<&str> = way_in.iter().map(String::as_str).collect();
    server
        .start_again_in(&wrapper, &[])
        .unwrap_or_else(|error| panic!("{error}"));
    server
}

/// Follows the page as far as the services, with the settings for MySQL and S3, and then its section on two of each.
fn bring_up(operator: &mut Operator, database: &Server) {
    let blocks = blocks(PAGE);
    let follow = |operator: &mut Operator, section: &str| {
        let mut of_section: Vec<&Block> = blocks.iter().collect();
        of_section.retain(|block| block.section.starts_with(section));
        assert!(!of_section.is_empty(), "{section}");
        for block in of_section {
            operator.follow(block);
            if block.text.contains("cat > /srv/dailey/core/.env") {
                live_on_mysql(operator, database);
            }
        }
    };
    for section in ["1.", "2.", "3.", "4."] {
        follow(operator, section);
    }
    let text = Store::settings();
    operator.run(&format!(
        "cat > /srv/dailey/dmapi/dailey-media.toml <<'END'\n{text}END\nchown dailey: /srv/dailey/dmapi/dailey-media.toml"
    ));
    // Each in its own folder.
    operator.run("export AUDIT_LOG_FILE=audit.log");
    follow(operator, "5.");
    follow(operator, TWO_OF_EACH);
}

/// What `.env` has besides for a Core on MySQL, where users may register themselves.
fn live_on_mysql(operator: &mut Operator, database: &Server) {
    let (authority, port, name) = (database.ca_file(), database.port(), database.name());
    let password = &database.passwords().core;
    operator.run(&format!(
        "install -D -m 644 {} /etc/mysql/tls/ca.pem
echo {password} > /srv/dailey/core/database-password
chown dailey: /srv/dailey/core/database-password
cat >> /srv/dailey/core/.env <<'END'
DATABASE_URL=mysql://core@127.0.0.1:{port}/core?ssl-ca=/etc/mysql/tls/ca.pem&tls-hostname={name}
DATABASE_PASSWORD_FILE=/srv/dailey/core/database-password
ALLOW_REGISTRATION=true
END",
        authority.display()
    ));
}

/// Kills one, and waits until pm2 has brought it back.
fn kill(operator: &mut Operator, name: &str, address: &str) {
    operator.run(&format!(
        "kill -9 $(as_dailey . pm2 pid {name})
timeout 60 sh -c 'until curl --silent --fail --output /dev/null http://{address}/health; do sleep 0.1; done'"
    ));
}

/// nginx gave requests to both of each, and to the other where one was gone.
fn assert_each_was_asked() {
    let log = fs::read_to_string("/var/log/nginx/access.log").unwrap();
    for (name, address) in REPLICAS {
        let answered = format!("\"upstream\":\"{address}\"");
        assert!(log.contains(&answered), "{name} was not asked");
    }
    // An entry with two addresses.
    assert!(log.contains(", 127.0.0."), "nothing was handed on");
}
