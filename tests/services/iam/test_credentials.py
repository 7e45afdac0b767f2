"""Certificates, SSH keys and service-specific credentials."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from .conftest import ACCOUNT


def pair():
    """A certificate and its key, as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(datetime.datetime(2026, 1, 1)).not_valid_after(datetime.datetime(2030, 1, 1))
    made = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), private.decode(), key


@pytest.fixture(scope="module")
def pairs():
    return [pair(), pair()]


def test_server_certificates(iam, pairs, refused):
    """Kept with a key that fits, with the certificate's own end; renamed, tagged, deleted; the key is never shown."""
    (body, key, _), (_, other, _) = pairs
    with refused("KeyPairMismatch"):
        iam.upload_server_certificate(ServerCertificateName="c", CertificateBody=body, PrivateKey=other)
    with refused("MalformedCertificate"):
        iam.upload_server_certificate(ServerCertificateName="c", CertificateBody="x", PrivateKey=key)
    made = iam.upload_server_certificate(ServerCertificateName="c", Path="/p/", CertificateBody=body, PrivateKey=key)[
        "ServerCertificateMetadata"
    ]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/p/c"
    assert made["Expiration"].year == 2030
    iam.update_server_certificate(ServerCertificateName="c", NewServerCertificateName="d")
    found = iam.get_server_certificate(ServerCertificateName="d")["ServerCertificate"]
    assert found["CertificateBody"].strip() == body.strip()
    assert "PrivateKey" not in found
    iam.tag_server_certificate(ServerCertificateName="d", Tags=[{"Key": "a", "Value": "1"}])
    assert iam.list_server_certificate_tags(ServerCertificateName="d")["Tags"] == [{"Key": "a", "Value": "1"}]
    assert len(iam.list_server_certificates()["ServerCertificateMetadataList"]) == 1
    iam.delete_server_certificate(ServerCertificateName="d")
    with refused("NoSuchEntity", "The Server Certificate with name d cannot be found."):
        iam.get_server_certificate(ServerCertificateName="d")


def test_signing_certificates(iam, pairs, refused):
    """Two at most, each once; switched off and on."""
    iam.create_user(UserName="bob")
    made = iam.upload_signing_certificate(UserName="bob", CertificateBody=pairs[0][0])["Certificate"]
    with refused("DuplicateCertificate"):
        iam.upload_signing_certificate(UserName="bob", CertificateBody=pairs[0][0])
    with refused("MalformedCertificate"):
        iam.upload_signing_certificate(UserName="bob", CertificateBody="x")
    iam.update_signing_certificate(UserName="bob", CertificateId=made["CertificateId"], Status="Inactive")
    assert iam.list_signing_certificates(UserName="bob")["Certificates"][0]["Status"] == "Inactive"
    iam.delete_signing_certificate(UserName="bob", CertificateId=made["CertificateId"])
    assert iam.list_signing_certificates(UserName="bob")["Certificates"] == []


def test_ssh_keys(iam, pairs, refused):
    """An RSA key in either form, with its MD5 fingerprint."""
    iam.create_user(UserName="bob")
    public = pairs[0][2].public_key()
    ssh = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    made = iam.upload_ssh_public_key(UserName="bob", SSHPublicKeyBody=ssh)["SSHPublicKey"]
    assert made["SSHPublicKeyId"].startswith("APKA")
    assert len(made["Fingerprint"].split(":")) == 16
    with refused("DuplicateSSHPublicKey"):
        iam.upload_ssh_public_key(UserName="bob", SSHPublicKeyBody=pem)
    with refused("UnrecognizedPublicKeyEncoding"):
        iam.upload_ssh_public_key(UserName="bob", SSHPublicKeyBody="ssh-rsa nonsense")
    found = iam.get_ssh_public_key(UserName="bob", SSHPublicKeyId=made["SSHPublicKeyId"], Encoding="PEM")["SSHPublicKey"]
    assert found["SSHPublicKeyBody"].strip() == pem.strip()
    iam.update_ssh_public_key(UserName="bob", SSHPublicKeyId=made["SSHPublicKeyId"], Status="Inactive")
    assert iam.list_ssh_public_keys(UserName="bob")["SSHPublicKeys"][0]["Status"] == "Inactive"
    iam.delete_ssh_public_key(UserName="bob", SSHPublicKeyId=made["SSHPublicKeyId"])
    with refused("NoSuchEntity"):
        iam.delete_ssh_public_key(UserName="bob", SSHPublicKeyId=made["SSHPublicKeyId"])


def test_service_credentials(iam, refused):
    """Two for a service; the password is shown when made and when reset."""
    iam.create_user(UserName="bob")
    made = iam.create_service_specific_credential(UserName="bob", ServiceName="codecommit.amazonaws.com")["ServiceSpecificCredential"]
    assert made["ServiceUserName"] == f"bob-at-{ACCOUNT}"
    second = iam.create_service_specific_credential(UserName="bob", ServiceName="codecommit.amazonaws.com")["ServiceSpecificCredential"]
    assert second["ServiceUserName"] == f"bob+1-at-{ACCOUNT}"
    with refused("LimitExceeded"):
        iam.create_service_specific_credential(UserName="bob", ServiceName="codecommit.amazonaws.com")
    with refused("NotSupportedService"):
        iam.create_service_specific_credential(UserName="bob", ServiceName="s3.amazonaws.com")
    id = made["ServiceSpecificCredentialId"]
    reset = iam.reset_service_specific_credential(UserName="bob", ServiceSpecificCredentialId=id)["ServiceSpecificCredential"]
    assert reset["ServicePassword"] != made["ServicePassword"]
    iam.update_service_specific_credential(UserName="bob", ServiceSpecificCredentialId=id, Status="Inactive")
    listed = iam.list_service_specific_credentials(UserName="bob")["ServiceSpecificCredentials"]
    assert {c["Status"] for c in listed} == {"Active", "Inactive"}
    assert all("ServicePassword" not in c for c in listed)
    iam.delete_service_specific_credential(UserName="bob", ServiceSpecificCredentialId=id)
    assert len(iam.list_service_specific_credentials(UserName="bob")["ServiceSpecificCredentials"]) == 1
