"""Verifies tokens with PyJWT as an app in another language would: key set by address, issuer, audience.

Arguments: JWKS address, issuer, audience. Tokens come on standard input, one a line, as long as it is open. Prints for
each the subject, or the name of the refusal; exit status 0 all accepted, 1 one or more refused.
"""

import sys

import jwt

# A key set may be a second old here, and not the usual five minutes: tests rotate within seconds what takes hours.
CACHED_SECONDS = 1


def main() -> int:
    jwks_url, issuer, audience = sys.argv[1:]
    keys = jwt.PyJWKClient(jwks_url, timeout=5, lifespan=CACHED_SECONDS)
    status = 0
    for line in sys.stdin:
        token = line.strip()
        try:
            claims = jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                issuer=issuer,
                audience=audience,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            print(type(error).__name__, flush=True)
            status = 1
        else:
            print(claims["sub"], flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
