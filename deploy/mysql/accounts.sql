-- The accounts of the cluster. Run once, on the source, as its administrator; replication brings them to
-- the replica. Before that, each {{…_password}} is put in, with no quote or backslash in it, from a file
-- that only root can read:
--   mysql < accounts.sql
-- Everything is REQUIRE SSL that comes over TCP. A socket needs none: it does not leave the machine.

-- Replication, and nothing else: this account reads the binary log, that is every row. It comes through
-- the ssh tunnel, so from this machine.
CREATE USER 'replicator'@'127.0.0.1'
  IDENTIFIED WITH caching_sha2_password BY '{{replicator_password}}' REQUIRE SSL;
GRANT REPLICATION SLAVE ON *.* TO 'replicator'@'127.0.0.1';

-- The checker (core-replica-health): over the socket through ssh, or over TLS. It sees states, not rows.
CREATE USER 'replmon'@'localhost'
  IDENTIFIED WITH caching_sha2_password BY '{{replmon_password}}'
  WITH MAX_USER_CONNECTIONS 10;
CREATE USER 'replmon'@'127.0.0.1'
  IDENTIFIED WITH caching_sha2_password BY '{{replmon_password}}' REQUIRE SSL
  WITH MAX_USER_CONNECTIONS 10;
GRANT REPLICATION CLIENT ON *.* TO 'replmon'@'localhost', 'replmon'@'127.0.0.1';
GRANT SELECT ON performance_schema.replication_connection_status
  TO 'replmon'@'localhost', 'replmon'@'127.0.0.1';
GRANT SELECT ON performance_schema.replication_applier_status
  TO 'replmon'@'localhost', 'replmon'@'127.0.0.1';
GRANT SELECT ON performance_schema.replication_applier_status_by_worker
  TO 'replmon'@'localhost', 'replmon'@'127.0.0.1';
GRANT SELECT ON performance_schema.replication_applier_status_by_coordinator
  TO 'replmon'@'localhost', 'replmon'@'127.0.0.1';

-- Core: its own schema, no other.
CREATE DATABASE core CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;
CREATE USER 'core'@'127.0.0.1'
  IDENTIFIED WITH caching_sha2_password BY '{{core_password}}' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES
  ON core.* TO 'core'@'127.0.0.1';
