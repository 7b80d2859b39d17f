"""Verifies a token with PyJWT as an app in another language would: key set by address, issuer, audience.

Arguments: JWKS address, issuer, audience. The token comes on standard input. Prints the subject, or the
name of the refusal; exit status 0 accepted, 1 refused.
"""

import sys

import jwt


def main() -> int:
    jwks_url, issuer, audience = sys.argv[1:]
    token = sys.stdin.readline().strip()
    try:
        key = jwt.PyJWKClient(jwks_url, timeout=5).get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        print(type(error).__name__)
        return 1
    print(claims["sub"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
