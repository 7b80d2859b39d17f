-- Points coredb2 at coredb1. Run on coredb2 as its administrator, while it is empty or just seeded
-- (core-replica-seed does it by itself). The address is this end of the ssh tunnel; TLS goes through it to
-- coredb1, whose certificate must name that address.

CHANGE REPLICATION SOURCE TO
  SOURCE_HOST = '127.0.0.1',
  SOURCE_PORT = 3307,
  SOURCE_USER = 'replicator',
  SOURCE_PASSWORD = '{{replicator_password}}',
  SOURCE_AUTO_POSITION = 1,
  SOURCE_SSL = 1,
  SOURCE_SSL_CA = '/etc/mysql/tls/ca.pem',
  SOURCE_SSL_VERIFY_SERVER_CERT = 1,
  SOURCE_HEARTBEAT_PERIOD = 5,
  -- 10 days. The default of 10 tries stops for good after a few minutes without the source.
  SOURCE_CONNECT_RETRY = 10,
  SOURCE_RETRY_COUNT = 86400;
START REPLICA;
