"""PyJWT in the protocol of src/speaker.rs: a command a line, a line of JSON for each."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

house = json.load(open(sys.argv[1]))
REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
keys = {}
for jwk in house["jwks"]["keys"]:
    try:
        key = jwt.PyJWK(jwk, algorithm="RS256")
        keys.setdefault(jwk["kid"], key)
    except Exception:  # a key that it does not read
        pass


def decode(token, key, issuer, audiences):
    options = {"require": REQUIRED, "enforce_minimum_key_length": True}
    return jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=audiences, leeway=30, options=options)


def pyjwt(token):
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return decode(token, key, house["issuer"], house["audiences"])


signed, _, signature = house["token"].rpartition(".")
signature = jwt.utils.base64url_decode(signature)
floor_key = keys[house["kid"]].key if house["kid"] in keys else None


def floor(_):
    floor_key.verify(signature, signed.encode(), PKCS1v15(), SHA256())


ROWS = [("bare verify (Python cryptography)", floor), ("PyJWT", pyjwt)]


def accepts(run, token):
    try:
        run(token)
        return True
    except Exception:
        return False


def measure(row, milliseconds):
    run, token = ROWS[row][1], house["token"]
    started = time.perf_counter()
    runs = 0
    while (time.perf_counter() - started) * 1000 < milliseconds:
        for _ in range(16):
            run(token)
        runs += 16
    return (time.perf_counter() - started) * 1e9 / runs


live = {}


def start_live(url, issuer, audience):
    client = jwt.PyJWKClient(url)

    def run(token):
        return decode(token, client.get_signing_key_from_jwt(token), issuer, [audience])

    live["PyJWT (PyJWKClient)"] = run
    return list(live)


def verify(name, file, at_once):
    tokens = json.load(open(file))
    with ThreadPoolExecutor(64 if at_once else 1) as pool:
        return sum(pool.map(lambda token: accepts(live[name], token), tokens))


for line in sys.stdin:
    request = json.loads(line)
    command = request.pop("command")
    if command == "rows":
        answer = [name for name, _ in ROWS]
    elif command == "time":
        answer = measure(**request)
    elif command == "judge":
        tokens = json.load(open(request["file"]))
        answer = {name: "".join("A" if accepts(run, token) else "r" for token in tokens) for name, run in ROWS[1:]}
    elif command == "live":
        answer = start_live(**request)
    elif command == "verify":
        answer = verify(**request)
    else:
        answer = None
    print(json.dumps(answer), flush=True)
