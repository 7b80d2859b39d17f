-- Times are milliseconds UTC, ids are UUIDs as text, hashes are SHA-256.

CREATE TABLE schema_version (
    version INTEGER NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE apps (
    app_id      TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    scopes      TEXT    NOT NULL,
    -- 1 for Core's own app, NULL for every other: UNIQUE lets there be one.
    core        INTEGER UNIQUE CHECK (core = 1),
    disabled_at INTEGER,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE app_secrets (
    app_id      TEXT    NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    secret_hash BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    -- NULL: works until it is replaced.
    expires_at  INTEGER,
    PRIMARY KEY (app_id, secret_hash)
) STRICT;

CREATE TABLE users (
    user_id         TEXT    NOT NULL PRIMARY KEY,
    email_canonical TEXT    NOT NULL UNIQUE,
    email           TEXT    NOT NULL,
    password_hash   TEXT    NOT NULL,
    is_admin        INTEGER NOT NULL CHECK (is_admin IN (0, 1)),
    disabled_at     INTEGER,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE refresh_tokens (
    token_hash  BLOB    NOT NULL PRIMARY KEY,
    family_id   TEXT    NOT NULL,
    user_id     TEXT    NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    app_id      TEXT    NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    scope       TEXT    NOT NULL,
    parent_hash BLOB,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    spent_at    INTEGER,
    revoked_at  INTEGER
) STRICT;
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_app ON refresh_tokens (app_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE login_throttle (
    key          TEXT    NOT NULL PRIMARY KEY,
    failures     INTEGER NOT NULL,
    window_start INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    subject    TEXT,
    app_id     TEXT,
    address    TEXT,
    request_id TEXT,
    detail     TEXT
) STRICT;
CREATE INDEX audit_at ON audit (at);
-- Which addresses a user has logged in from.
CREATE INDEX audit_logins ON audit (subject, address) WHERE event = 'login.succeeded';
