// The processes of one machine under PM2. Settings are in the `.env` of each program's folder, mode 0600; this file
// holds no secret. After a change of either: `pm2 restart ecosystem.config.cjs --update-env`.

const fs = require("node:fs");
const path = require("node:path");

// Where `docs/operate.md` puts everything.
const home = process.env.DAILEY_HOME || "/srv/dailey";

// The settings of a program that does not read its `.env` itself: read when pm2 starts it, or restarts it from this
// file with --update-env.
function settings(name) {
  const file = path.join(home, name, ".env");
  // Where `--only core` starts Core before there is anything else.
  if (!fs.existsSync(file)) return {};
  if ((fs.statSync(file).mode & 0o077) !== 0) {
    throw new Error(`${file} may be read by others: chmod 600 it`);
  }
  const lines = fs.readFileSync(file, "utf8").split("\n");
  const pairs = lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const at = line.indexOf("=");
      if (at < 1) throw new Error(`${file}: a line is not KEY=value`);
      return [line.slice(0, at), line.slice(at + 1)];
    });
  return Object.fromEntries(pairs);
}

function program(name, script, args, env, rest) {
  return {
    name,
    script: path.join(home, "bin", script),
    args,
    cwd: path.join(home, name),
    interpreter: "none",
    exec_mode: "fork",
    instances: 1,
    autorestart: true,
    // A program that keeps failing is left alone, and shows as errored.
    min_uptime: "5s",
    max_restarts: 10,
    exp_backoff_restart_delay: 200,
    // They end in order on SIGINT, which pm2 sends (and on SIGTERM, with PM2_KILL_SIGNAL): DMAPI gives the proxy 5 s
    // to notice, both have 25 s for requests under way.
    kill_timeout: 35_000,
    env: { NODE_ENV: "production", DAILEY_ENV: "production", ...env },
    ...rest,
  };
}

// Core reads its settings itself, again on SIGHUP; what came through here would win over them.
const core = (name) => program(name, "dailey-core", "serve", {}, { max_memory_restart: "512M" });
const dmapi = (name) => program(name, "dailey-media", "serve", settings(name), { max_memory_restart: "1G" });

const programs = [core("core"), dmapi("dmapi")];

// A second one, where there are settings for it.
if (fs.existsSync(path.join(home, "core-2", ".env"))) programs.push(core("core-2"));
if (fs.existsSync(path.join(home, "dmapi-2", ".env"))) programs.push(dmapi("dmapi-2"));

// Only where there are two database servers to compare.
if (fs.existsSync(path.join(home, "core-replica-health", ".env"))) {
  programs.push(
    program(
      "core-replica-health",
      "core-replica-health",
      "watch --state-file state.json --metrics-file metrics.prom",
      settings("core-replica-health"),
      { kill_timeout: 10_000 },
    ),
  );
}

module.exports = { apps: programs };
