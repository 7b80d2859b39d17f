"""Drives an authorization server with Authlib, from nothing but its issuer (RFC 8414) and a client's credentials.

Argument: issuer. Standard input: JSON with client_id, client_secret, refresh_token, scope. Prints JSON: the answers, and
the error codes of what must be refused.
"""

import json
import os
import sys

# The tests' Core stands on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

TIMEOUT = 10


def refusal(call) -> str:
    try:
        call()
    except OAuthError as error:
        return error.error
    return "accepted"


def main() -> None:
    (issuer,) = sys.argv[1:]
    given = json.load(sys.stdin)
    answer = requests.get(get_well_known_url(issuer, external=True), timeout=TIMEOUT)
    answer.raise_for_status()
    metadata = AuthorizationServerMetadata(answer.json())
    metadata.validate()
    assert metadata["issuer"] == issuer
    endpoint = metadata["token_endpoint"]

    def session(method: str, secret: str = given["client_secret"]) -> OAuth2Session:
        return OAuth2Session(
            given["client_id"],
            secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )

    said = {}
    for method in metadata["token_endpoint_auth_methods_supported"]:
        with session(method) as client:
            said[method] = client.fetch_token(
                endpoint, grant_type="client_credentials", scope=given["scope"], timeout=TIMEOUT
            )
    with session("client_secret_basic") as client:
        refreshed = client.refresh_token(
            endpoint, refresh_token=given["refresh_token"], timeout=TIMEOUT
        )
        said["refreshed"] = refreshed
        again = lambda token: lambda: client.refresh_token(
            endpoint, refresh_token=token, timeout=TIMEOUT
        )
        said["spent"] = refusal(again(given["refresh_token"]))
        revoked = client.revoke_token(
            metadata["revocation_endpoint"],
            token=refreshed["refresh_token"],
            token_type_hint="refresh_token",
            timeout=TIMEOUT,
        )
        said["revocation"] = revoked.status_code
        said["revoked"] = refusal(again(refreshed["refresh_token"]))
        said["greedy"] = refusal(
            lambda: client.fetch_token(
                endpoint, grant_type="client_credentials", scope="everything", timeout=TIMEOUT
            )
        )
        said["foreign_grant"] = refusal(
            lambda: client.fetch_token(
                endpoint, grant_type="password", username="u", password="p", timeout=TIMEOUT
            )
        )
    with session("client_secret_basic", "wrong") as client:
        said["wrong_secret"] = refusal(
            lambda: client.fetch_token(endpoint, grant_type="client_credentials", timeout=TIMEOUT)
        )
    print(json.dumps(said))


if __name__ == "__main__":
    main()
