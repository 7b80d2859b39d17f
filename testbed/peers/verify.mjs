// Verifies a token with jose as an app in another language would: key set by address, issuer, audience.
//
// Arguments: JWKS address, issuer, audience. The token comes on standard input. Prints the subject, or the
// code of the refusal; exit status 0 accepted, 1 refused.

import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const [jwksUrl, issuer, audience] = process.argv.slice(2);
const token = readFileSync(0, 'utf8').trim();
try {
  const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 5000 });
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['RS256'],
    typ: 'at+jwt',
    issuer,
    audience,
    requiredClaims: ['exp', 'iat', 'sub'],
  });
  console.log(payload.sub);
} catch (error) {
  if (!(error instanceof errors.JOSEError)) throw error;
  console.log(error.code);
  process.exitCode = 1;
}
