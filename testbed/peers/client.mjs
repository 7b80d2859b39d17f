// Drives an authorization server with oauth4webapi, from nothing but its issuer (RFC 8414) and a client's credentials.
//
// Argument: issuer. Standard input: JSON with client_id, client_secret, refresh_token, scope. Prints JSON: the answers,
// and the error codes of what must be refused.

import { readFileSync } from 'node:fs';
import * as oauth from 'oauth4webapi';

const issuer = new URL(process.argv[2]);
const given = JSON.parse(readFileSync(0, 'utf8'));
// The tests' Core stands on loopback.
const options = { [oauth.allowInsecureRequests]: true, signal: () => AbortSignal.timeout(10_000) };

const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options });
const server = await oauth.processDiscoveryResponse(issuer, found);
const client = { client_id: given.client_id };
const basic = oauth.ClientSecretBasic(given.client_secret);
const post = oauth.ClientSecretPost(given.client_secret);
const ways = { client_secret_basic: basic, client_secret_post: post };

async function forItself(authentication, scope) {
  const parameters = new URLSearchParams({ scope });
  const answer = await oauth.clientCredentialsGrantRequest(
    server, client, authentication, parameters, options,
  );
  return oauth.processClientCredentialsResponse(server, client, answer);
}

async function refresh(token) {
  const answer = await oauth.refreshTokenGrantRequest(server, client, basic, token, options);
  return oauth.processRefreshTokenResponse(server, client, answer);
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return error.error;
    // The body stands behind the challenge of a 401.
    if (error instanceof oauth.WWWAuthenticateChallengeError) {
      return (await error.response.json()).error;
    }
    throw error;
  }
  return 'accepted';
}

const said = {};
for (const method of server.token_endpoint_auth_methods_supported) {
  said[method] = await forItself(ways[method], given.scope);
}
// RFC 9068, by the server's metadata and key set.
const request = new Request('https://app.example/', {
  headers: { authorization: `Bearer ${said.client_secret_basic.access_token}` },
});
said.claims = await oauth.validateJwtAccessToken(server, request, given.client_id, options);
said.refreshed = await refresh(given.refresh_token);
said.spent = await refusal(() => refresh(given.refresh_token));
const revocation = await oauth.revocationRequest(
  server, client, basic, said.refreshed.refresh_token, options,
);
await oauth.processRevocationResponse(revocation);
said.revocation = revocation.status;
said.revoked = await refusal(() => refresh(said.refreshed.refresh_token));
said.greedy = await refusal(() => forItself(basic, 'everything'));
said.foreign_grant = await refusal(async () => {
  const parameters = new URLSearchParams({ username: 'u', password: 'p' });
  const answer = await oauth.genericTokenEndpointRequest(
    server, client, basic, 'password', parameters, options,
  );
  return oauth.processGenericTokenEndpointResponse(server, client, answer);
});
said.wrong_secret = await refusal(() => forItself(oauth.ClientSecretBasic('wrong'), given.scope));
console.log(JSON.stringify(said));
