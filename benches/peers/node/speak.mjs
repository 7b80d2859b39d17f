// The verifiers of Node in the protocol of src/speaker.rs: a command a line, a line of JSON for each.

import { createPublicKey, createVerify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { JwtVerifier } from 'aws-jwt-verify';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';
import { createDecoder, createVerifier } from 'fast-jwt';
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';

const house = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { issuer, audiences, token } = house;
const required = ['exp', 'iat', 'sub', 'aud', 'iss'];

// What an app does with a key set and a library that takes one key: the first of that id.
const keys = new Map();
for (const jwk of house.jwks.keys) {
  if (typeof jwk?.kid !== 'string' || keys.has(jwk.kid)) continue;
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    keys.set(jwk.kid, { jwk, key, pem: key.export({ type: 'spki', format: 'pem' }) });
  } catch { /* a key that Node does not read */ }
}

const joseOptions = { algorithms: ['RS256'], typ: 'at+jwt', issuer, audience: audiences, requiredClaims: required, clockTolerance: 30 };
// It takes a set as a whole, so it is given what it can take.
const isObject = (jwk) => jwk !== null && typeof jwk === 'object' && !Array.isArray(jwk);
const localSet = createLocalJWKSet({ keys: house.jwks.keys.filter(isObject) });
const jose = (set) => (text) => jwtVerify(text, set, joseOptions);

const decode = createDecoder({ complete: true });
const fastJwt = (cache) => {
  const verifiers = new Map();
  return (text) => {
    const kid = verifiers.size === 1 && keys.size === 1 ? verifiers.keys().next().value : decode(text).header.kid;
    if (!verifiers.has(kid)) {
      const key = keys.get(kid).pem;
      verifiers.set(kid, createVerifier({
        key, cache, algorithms: ['RS256'], allowedIss: issuer, allowedAud: audiences, requiredClaims: required,
        checkTyp: 'at+jwt', clockTolerance: 30_000,
      }));
    }
    return verifiers.get(kid)(text);
  };
};

const npmJsonwebtoken = (text) => {
  const { header } = jsonwebtoken.decode(text, { complete: true });
  return jsonwebtoken.verify(text, keys.get(header.kid).key, { algorithms: ['RS256'], issuer, audience: audiences, clockTolerance: 30 });
};

const awsOptions = { issuer, audience: audiences, graceSeconds: 30 };
const aws = JwtVerifier.create({ ...awsOptions, jwksUri: 'https://core.example/jwks.json' });
// Nor does this one.
const takes = (jwk) => {
  try {
    JwtVerifier.create({ ...awsOptions, jwksUri: 'https://core.example/1' }).cacheJwks({ keys: [jwk] });
    return true;
  } catch { return false; }
};
aws.cacheJwks({ keys: house.jwks.keys.filter(takes) });

const [signed, signature] = [token.slice(0, token.lastIndexOf('.')), Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')];
const floorKey = keys.get(house.kid)?.key;
const rows = [
  ['bare crypto.verify (Node)', () => { if (!createVerify('RSA-SHA256').update(signed).verify(floorKey, signature)) throw new Error(); }],
  ['jose', jose(localSet)],
  ['fast-jwt', fastJwt(false)],
  ['fast-jwt, cache on', fastJwt(true)],
  ['aws-jwt-verify', (text) => aws.verifySync(text)],
  ['jsonwebtoken (npm)', npmJsonwebtoken],
];

async function time(run, milliseconds) {
  const end = performance.now() + milliseconds;
  const started = performance.now();
  let runs = 0;
  while (performance.now() < end) {
    for (let turn = 0; turn < 16; turn++) {
      const result = run(token);
      if (result instanceof Promise) await result;
    }
    runs += 16;
  }
  return ((performance.now() - started) * 1e6) / runs;
}

async function accepts(run, text) {
  try {
    await run(text);
    return true;
  } catch { return false; }
}

let live = {};
const commands = {
  rows: () => rows.map(([name]) => name),
  time: ({ row, milliseconds }) => time(rows[row][1], milliseconds),
  judge: async ({ file }) => {
    const tokens = JSON.parse(readFileSync(file, 'utf8'));
    const verdicts = {};
    for (const [name, run] of rows.slice(1)) {
      verdicts[name] = '';
      for (const text of tokens) verdicts[name] += (await accepts(run, text)) ? 'A' : 'r';
    }
    return verdicts;
  },
  live: ({ url, issuer, audience }) => {
    const fetcher = {
      fetch: async (address) => {
        const response = await fetch(address, { signal: AbortSignal.timeout(3000) });
        if (!response.ok) throw new Error(`status ${response.status}`);
        return response.arrayBuffer();
      },
    };
    const remote = createRemoteJWKSet(new URL(url));
    const verifier = JwtVerifier.create({ issuer, audience, jwksUri: url }, { jwksCache: new SimpleJwksCache({ fetcher }) });
    live = {
      jose: (text) => jwtVerify(text, remote, { issuer, audience, algorithms: ['RS256'] }),
      'aws-jwt-verify': (text) => verifier.verify(text),
    };
    return Object.keys(live);
  },
  verify: async ({ name, file, at_once }) => {
    const tokens = JSON.parse(readFileSync(file, 'utf8'));
    const results = [];
    if (at_once) results.push(...await Promise.all(tokens.map((text) => accepts(live[name], text))));
    else for (const text of tokens) results.push(await accepts(live[name], text));
    return results.filter(Boolean).length;
  },
  shift: () => null,
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(await commands[request.command](request)));
}
