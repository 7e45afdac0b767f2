"""OpenID Connect and SAML providers, and roles for the bearers of tokens."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from fogbank.services.iam import oidc_keys

from .conftest import ACCOUNT, policy, trust


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """An OpenID Connect issuer on this machine: discovery, keys, tokens."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.asked: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/pool"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def document(self, path: str) -> dict:
        if path.endswith("openid-configuration"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        one, two = self.rsa.public_key().public_numbers(), self.ec.public_key().public_numbers()
        return {
            "keys": [
                {"kid": "r", "kty": "RSA", "use": "sig", "alg": "RS256", "n": number(one.n), "e": number(one.e)},
                {
                    "kid": "e",
                    "kty": "EC",
                    "use": "sig",
                    "crv": "P-256",
                    "x": b64(two.x.to_bytes(32, "big")),
                    "y": b64(two.y.to_bytes(32, "big")),
                },
            ]
        }

    def token(self, now_s: int, algorithm: str = "RS256", **claims: object) -> str:
        header = {"alg": algorithm, "kid": {"RS256": "r", "ES256": "e"}.get(algorithm, "r"), "typ": "JWT"}
        whole = {"iss": self.url, "sub": "me", "aud": "app", "iat": now_s, "exp": now_s + 600, **claims}
        signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(whole).encode())}"
        if algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.ec.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        else:
            signature = self.rsa.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64(signature)}"


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.server.shutdown()


@pytest.fixture
def unsigned(cloud):
    """A client without credentials: the token is all that it has."""
    return boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=cloud.endpoint,
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def provider(iam, issuer, monkeypatch):
    """The issuer, as IAM knows it. It is here, but may have to wait for its turn."""
    monkeypatch.setattr(oidc_keys, "_TIMEOUT_S", 60)
    return iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"], ThumbprintList=["a" * 40])["OpenIDConnectProviderArn"]


@pytest.fixture
def role(people, provider, issuer):
    """A role for the subject "me" of the issuer."""
    name = issuer.url.removeprefix("http://")
    condition = {"StringEquals": {f"{name}:aud": "app", f"{name}:sub": "me"}}
    trusted = trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", "sts:TagSession", Condition=condition)
    return people.role("r", trusted, policy({"Action": "iam:ListUsers"}))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_role_for_a_token(people, cloud, unsigned, issuer, provider, role, algorithm):
    """A token with a good signature opens a session of the role, unsigned."""
    token = issuer.token(cloud.now_ms // 1000, algorithm)
    answer = unsigned.assume_role_with_web_identity(RoleArn=role, RoleSessionName="web", WebIdentityToken=token)
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"], answer["Provider"]) == ("me", "app", provider)
    session = people.session(answer)
    assert session("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/web"
    session("iam").list_users()


def test_keys_are_fetched_once(cloud, unsigned, issuer, role):
    """The issuer is asked for its keys at the first token only."""
    before = len(issuer.asked)
    for _ in range(3):
        unsigned.assume_role_with_web_identity(RoleArn=role, RoleSessionName="web", WebIdentityToken=issuer.token(cloud.now_ms // 1000))
    assert issuer.asked[before:] == ["/pool/.well-known/openid-configuration", "/pool/jwks"]


def test_tokens_that_are_refused(cloud, unsigned, issuer, role, refused):
    """Forged, expired, for another audience, of another subject, of another issuer, and no token at all."""
    now = cloud.now_ms // 1000
    ask = lambda token: unsigned.assume_role_with_web_identity(RoleArn=role, RoleSessionName="web", WebIdentityToken=token)  # noqa: E731
    head, body, signature = issuer.token(now).split(".")
    forged = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged["sub"] = "eve"
    with refused("InvalidIdentityToken", "signature"):
        ask(f"{head}.{b64(json.dumps(forged).encode())}.{signature}")
    with refused("InvalidIdentityToken"):
        ask(f"{b64(json.dumps({'alg': 'none'}).encode())}.{body}.")
    with refused("ExpiredTokenException", "must be before the expiration"):
        ask(issuer.token(now, exp=now - 1))
    with refused("InvalidIdentityToken", "Incorrect token audience"):
        ask(issuer.token(now, aud="other"))
    with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        ask(issuer.token(now, sub="eve"))
    with refused("InvalidIdentityToken", "No OpenIDConnect provider found"):
        ask(issuer.token(now, iss="http://localhost:1/other"))
    with refused("InvalidIdentityToken"):
        ask("not.a.token")


def test_token_expires_by_the_clock(cloud, unsigned, issuer, role, refused):
    """The cloud's clock counts for tokens too."""
    token = issuer.token(cloud.now_ms // 1000)
    cloud.advance(601)
    with refused("ExpiredTokenException"):
        unsigned.assume_role_with_web_identity(RoleArn=role, RoleSessionName="web", WebIdentityToken=token)


def test_issuer_that_cannot_be_reached(iam, people, cloud, unsigned, issuer, refused):
    """An issuer that is not on this machine, or does not answer, is IDPCommunicationError."""
    for url in ("https://idp.example.com", "http://localhost:9"):
        arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
        role = people.role(f"r{len(url)}", trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity"))
        with refused("IDPCommunicationError"):
            unsigned.assume_role_with_web_identity(
                RoleArn=role, RoleSessionName="web", WebIdentityToken=issuer.token(cloud.now_ms // 1000, iss=url)
            )


def test_tags_in_a_token(people, cloud, unsigned, issuer, role):
    """The provider's claim makes session tags."""
    document = policy({"Action": "iam:ListUsers", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}}})
    people.iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
    claim = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["a"]}}}
    token = issuer.token(cloud.now_ms // 1000, **claim)
    people.session(unsigned.assume_role_with_web_identity(RoleArn=role, RoleSessionName="web", WebIdentityToken=token))("iam").list_users()


def test_oidc_providers(iam, refused):
    """Made once for a URL, with clients, thumbprints and tags that change."""
    arn = iam.create_open_id_connect_provider(Url="https://idp.example.com/x", ClientIDList=["a"])["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com/x"
    with refused("EntityAlreadyExists", "Provider with url https://idp.example.com/x already exists."):
        iam.create_open_id_connect_provider(Url="https://idp.example.com/x")
    for url in ("http://idp.example.com", "idp.example.com", "https://idp.example.com/?q"):
        with refused("InvalidInput"):
            iam.create_open_id_connect_provider(Url=url)
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == ("idp.example.com/x", ["b"], ["b" * 40])
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    with refused("NoSuchEntity", "OpenIDConnect Provider not found for arn"):
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)


METADATA = (
    '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com" validUntil="2030-01-01T00:00:00Z">'
    '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
    '<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>'
    "</IDPSSODescriptor></EntityDescriptor>" + " " * 1000
)


def test_saml_providers(iam, refused):
    """Made from metadata that is one, which tells when it ends."""
    with refused("InvalidInput", "Could not parse metadata"):
        iam.create_saml_provider(Name="s", SAMLMetadataDocument="<x>" + " " * 1000)
    arn = iam.create_saml_provider(Name="s", SAMLMetadataDocument=METADATA, Tags=[{"Key": "a", "Value": "1"}])["SAMLProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:saml-provider/s"
    found = iam.get_saml_provider(SAMLProviderArn=arn)
    assert found["ValidUntil"].year == 2030
    assert found["Tags"] == [{"Key": "a", "Value": "1"}]
    with refused("EntityAlreadyExists"):
        iam.create_saml_provider(Name="S", SAMLMetadataDocument=METADATA)
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=METADATA.replace("2030", "2031"))
    assert iam.list_saml_providers()["SAMLProviderList"][0]["ValidUntil"].year == 2031
    iam.untag_saml_provider(SAMLProviderArn=arn, TagKeys=["a"])
    assert iam.list_saml_provider_tags(SAMLProviderArn=arn)["Tags"] == []
    iam.delete_saml_provider(SAMLProviderArn=arn)
    with refused("NoSuchEntity"):
        iam.get_saml_provider(SAMLProviderArn=arn)
