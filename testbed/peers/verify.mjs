// Verifies tokens with jose as an app in another language would: key set by address, issuer, audience.
//
// Arguments: JWKS address, issuer, audience. Tokens come on standard input, one a line, as long as it is open. Prints
// for each the subject, or the code of the refusal; exit status 0 all accepted, 1 one or more refused.

import { createInterface } from 'node:readline';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

// A key set may be a second old here, and not the usual ten minutes: tests rotate within seconds what takes hours.
const caching = { cacheMaxAge: 1000, cooldownDuration: 1000 };

const [jwksUrl, issuer, audience] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 5000, ...caching });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jwtVerify(line.trim(), keys, {
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
}
