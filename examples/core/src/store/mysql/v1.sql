-- Times are milliseconds UTC, ids are UUIDs as text, hashes are SHA-256. The same meaning as the SQLite schema: names and
-- addresses are compared byte for byte, without padding.
-- A statement that defines a table commits by itself here, so each may be repeated after a crash in the middle.

CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS apps (
    app_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    name        VARCHAR(100) NOT NULL,
    scopes      VARCHAR(4159) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- 1 for Core's own app, NULL for every other: the unique key lets there be one.
    core        TINYINT,
    disabled_at BIGINT,
    created_at  BIGINT NOT NULL,
    UNIQUE KEY apps_name (name),
    UNIQUE KEY apps_core (core),
    CONSTRAINT apps_core_is_1 CHECK (core = 1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS app_secrets (
    app_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    secret_hash BINARY(32) NOT NULL,
    created_at  BIGINT NOT NULL,
    -- NULL: works until it is replaced.
    expires_at  BIGINT,
    PRIMARY KEY (app_id, secret_hash),
    KEY app_secrets_expiry (expires_at),
    CONSTRAINT app_secrets_app FOREIGN KEY (app_id) REFERENCES apps (app_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS users (
    user_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    email_canonical VARCHAR(254) NOT NULL,
    email           VARCHAR(254) NOT NULL,
    password_hash   VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    is_admin        TINYINT NOT NULL,
    disabled_at     BIGINT,
    created_at      BIGINT NOT NULL,
    UNIQUE KEY users_email (email_canonical),
    CONSTRAINT users_is_admin CHECK (is_admin IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS refresh_tokens (
    token_hash  BINARY(32) NOT NULL PRIMARY KEY,
    family_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    app_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    scope       VARCHAR(4159) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parent_hash BINARY(32),
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    spent_at    BIGINT,
    revoked_at  BIGINT,
    KEY refresh_tokens_family (family_id),
    KEY refresh_tokens_user (user_id),
    KEY refresh_tokens_app (app_id),
    KEY refresh_tokens_expiry (expires_at),
    CONSTRAINT refresh_tokens_user_id FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_app_id FOREIGN KEY (app_id) REFERENCES apps (app_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS login_throttle (
    `key`        VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    failures     BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    locked_until BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS audit (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at         BIGINT NOT NULL,
    event      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subject    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    app_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    address    VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin,
    request_id VARCHAR(255),
    detail     VARCHAR(255),
    KEY audit_at (at),
    -- Which addresses a user has logged in from.
    KEY audit_logins (subject, event, address)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;
