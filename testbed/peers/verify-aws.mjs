// Verifies tokens with aws-jwt-verify; arguments, input and output as verify.mjs. The name of the refusal is its class.
//
// Its own fetcher speaks https only and the tests' Core stands on loopback, so it is given one on `fetch`. When it
// fetches, and what it keeps, is its own affair.

import { createInterface } from 'node:readline';
import { JwtVerifier } from 'aws-jwt-verify';
import { JwtBaseError } from 'aws-jwt-verify/error';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';

const [jwksUri, issuer, audience] = process.argv.slice(2);
const fetcher = {
  fetch: async (address) => {
    const response = await fetch(address, { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.arrayBuffer();
  },
};
const verifier = JwtVerifier.create(
  { issuer, audience, jwksUri },
  { jwksCache: new SimpleJwksCache({ fetcher }) },
);
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const payload = await verifier.verify(line.trim());
    console.log(payload.sub);
  } catch (error) {
    if (!(error instanceof JwtBaseError)) throw error;
    console.log(error.constructor.name);
    process.exitCode = 1;
  }
}
