"""The PyPI package Authlib, unmodified, against Ostiary: over requests, and over httpx."""

import asyncio
import base64
import html
import os
import re
from urllib.parse import urljoin

import httpx
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

ISSUER = os.environ["ISSUER"]
REDIRECT_URI = os.environ["REDIRECT_URI"]
VERIFIER = "a-code-verifier-of-the-forty-three-characters-that-rfc-7636-asks-for"


def visit(url):
    """Stands in for a person and their browser; gives the URL that the server redirects to at the end."""
    with requests.Session() as browser:
        answer = browser.get(url, allow_redirects=False)
        for _ in range(20):
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["location"])
                if target.startswith(REDIRECT_URI):
                    return target
                answer = browser.get(target, allow_redirects=False)
                continue
            assert answer.status_code == 200, f"{answer.url} answers {answer.status_code}: {answer.text}"
            action, fields = fill_in(answer.text)
            answer = browser.post(urljoin(answer.url, action), data=fields, allow_redirects=False)
    raise AssertionError("too many pages before the redirect")


def fill_in(page):
    """The action and fields of the page's form, as a person fills it in."""
    form = re.search(r'<form\b[^>]*id="(?:login|consent)-form"[^>]*>.*?</form>', page, re.S | re.I)
    assert form, f"no form on {page}"
    fields = {"username": os.environ["SIGN_IN_NAME"], "password": os.environ["PASSWORD"]}
    filled = []
    for tag in re.findall(r"<input\b[^>]*>", form[0], re.I):
        name = attribute(tag, "name")
        if name in fields:
            filled.append((name, fields[name]))
        elif name and (attribute(tag, "type") == "hidden" or re.search(r"\schecked\b", tag)):
            filled.append((name, attribute(tag, "value")))
    if 'id="consent-form"' in form[0]:
        filled.append(("decision", "allow"))
    return attribute(form[0], "action"), filled


def attribute(tag, name):
    found = re.search(rf'\s{name}="([^"]*)"', tag, re.I)
    return html.unescape(found[1]) if found else ""


def check_id_token(metadata, token, nonce):
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"]).json())
    decoded = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
    options = {"iss": {"value": ISSUER}, "aud": {"value": os.environ["CONFIDENTIAL_ID"]}, "nonce": {"value": nonce}}
    params = {"nonce": nonce, "access_token": token["access_token"], "client_id": os.environ["CONFIDENTIAL_ID"]}
    claims = CodeIDToken(decoded.claims, decoded.header, options, params)
    claims.validate()
    return claims["sub"]


def over_requests(metadata):
    session = OAuth2Session(
        os.environ["CONFIDENTIAL_ID"],
        os.environ["CONFIDENTIAL_SECRET"],
        redirect_uri=REDIRECT_URI,
        scope="openid profile offline_access",
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
    )
    url, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=VERIFIER, nonce="a nonce"
    )
    session.fetch_token(authorization_response=visit(url), code_verifier=VERIFIER, state=state)
    subject = check_id_token(metadata, session.token, "a nonce")
    print("ok: requests: a person logs in with a code and PKCE")

    assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == subject
    print("ok: requests: userinfo")

    before = session.token["access_token"]
    session.refresh_token(metadata["token_endpoint"])
    assert session.token["access_token"] != before
    print("ok: requests: refresh")

    def introspect():
        return session.introspect_token(metadata["introspection_endpoint"], token=session.token["access_token"]).json()

    assert introspect()["sub"] == subject
    answer = session.revoke_token(metadata["revocation_endpoint"], token=session.token["access_token"])
    assert answer.status_code == 200
    assert introspect() == {"active": False}
    print("ok: requests: introspection, revocation")

    service = OAuth2Session(os.environ["SERVICE_ID"], os.environ["SERVICE_SECRET"])
    token = service.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["token_type"] == "Bearer" and "refresh_token" not in token
    print("ok: requests: client credentials")

    wrong = OAuth2Session(os.environ["SERVICE_ID"], "not the secret")
    try:
        wrong.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    except OAuthError as error:
        assert error.error == "invalid_client"
    else:
        raise AssertionError("a wrong secret was accepted")
    print("ok: requests: a wrong secret is refused")


def by_assertions(metadata):
    def obtain(client_id, key, method):
        session = OAuth2Session(client_id, key, token_endpoint_auth_method=method.name)
        session.register_client_auth_method(method)
        return session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")

    # Authlib names the token endpoint as the audience: this client is registered so.
    key = ECKey.import_key(base64.b64decode(os.environ["SIGNING_KEY"]))
    assert obtain(os.environ["ASSERTING_ID"], key, PrivateKeyJWT(alg="ES256"))["access_token"]
    assert obtain(os.environ["ASSERTING_ID"], key, PrivateKeyJWT(ISSUER, alg="ES256"))["access_token"]
    print("ok: requests: a client signs with its key")

    secret = os.environ["KEYED_SECRET"]
    assert obtain(os.environ["KEYED_ID"], secret, ClientSecretJWT(ISSUER))["access_token"]
    try:
        obtain(os.environ["KEYED_ID"], secret, ClientSecretJWT())
    except OAuthError as error:
        assert error.error == "invalid_client"
    else:
        raise AssertionError("an assertion for the token endpoint was accepted")
    print("ok: requests: a client makes assertions with its secret")


async def over_httpx(metadata):
    async with AsyncOAuth2Client(
        os.environ["PUBLIC_ID"],
        redirect_uri=REDIRECT_URI,
        scope="openid offline_access",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    ) as client:
        url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=VERIFIER)
        callback = visit(url)
        token = await client.fetch_token(
            metadata["token_endpoint"], authorization_response=callback, code_verifier=VERIFIER, state=state
        )
        rotated = await client.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
        assert rotated["refresh_token"] != token["refresh_token"]
        assert isinstance(await client.get(metadata["userinfo_endpoint"]), httpx.Response)
    print("ok: httpx: a public client logs a person in, and its refresh token rotates")


if __name__ == "__main__":
    METADATA = requests.get(ISSUER + "/.well-known/openid-configuration").json()
    assert METADATA["issuer"] == ISSUER
    over_requests(METADATA)
    by_assertions(METADATA)
    asyncio.run(over_httpx(METADATA))
