-- A row that the source writes once a second, so that the age of what the replica has is measured and not
-- guessed (REPL_HEARTBEAT_TABLE=repl_heartbeat.beat). Run once, on the source, after accounts.sql.
-- Times are UTC, whatever the zone of the server; the row carries the server that wrote it.

CREATE DATABASE repl_heartbeat;
CREATE TABLE repl_heartbeat.beat (
  server_uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  ts          DATETIME(6) NOT NULL COMMENT 'UTC'
);

-- The event's definer can do nothing else, and nobody can log in as it.
CREATE USER 'heartbeat'@'localhost' IDENTIFIED WITH caching_sha2_password AS '' ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE, EVENT ON repl_heartbeat.* TO 'heartbeat'@'localhost';

CREATE DEFINER = 'heartbeat'@'localhost' EVENT repl_heartbeat.beat
  ON SCHEDULE EVERY 1 SECOND
  DO INSERT INTO repl_heartbeat.beat (server_uuid, ts) VALUES (@@server_uuid, UTC_TIMESTAMP(6)) AS new
     ON DUPLICATE KEY UPDATE ts = new.ts;

GRANT SELECT ON repl_heartbeat.beat TO 'replmon'@'localhost', 'replmon'@'127.0.0.1';
