"""A certificate authority, and the certificate that all endpoints show. Runs in fogbank, not in the front."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fogbank.engines import processes

_AUTHORITY_KEY = "ca.key"
_YEARS = 10
_SKEW = datetime.timedelta(days=1)


class Certificates(NamedTuple):
    """Files: `authority` is what a user gives as sslrootcert; `chain` and `key` are the front's."""

    authority: Path
    chain: Path
    key: Path


def make(folder: Path, addresses: Iterable[str], names: Iterable[str] = ()) -> Certificates:
    """The certificates below a folder. The authority is made once; the server's anew when it does not cover an address or a name."""
    files = Certificates(authority(folder), folder / "server.pem", folder / "server.key")
    wanted = {x509.IPAddress(ipaddress.ip_address(each)) for each in addresses} | {x509.DNSName(each) for each in names}
    had = _covered(files.chain) if files.key.exists() else set()
    if not had or not wanted <= had:
        _server(files, folder / _AUTHORITY_KEY, sorted(wanted | had, key=repr))
    return files


def authority(folder: Path) -> Path:
    """The authority's certificate, made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    path, key_path = folder / "ca.pem", folder / _AUTHORITY_KEY
    if not (path.exists() and key_path.exists()):
        _authority(path, key_path)
    return path


def _covered(chain: Path) -> set[x509.GeneralName]:
    if not chain.exists():
        return set()
    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _authority(path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fogbank RDS Root CA")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _pem(key))
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _server(files: Certificates, authority_key: Path, alternatives: list[x509.GeneralName]) -> None:
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    signer = serialization.load_pem_private_key(authority_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rds.fogbank")])
    certificate = (
        _builder(name, authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write(files.key, _pem(key))
    processes.give(files.key)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    files.chain.write_bytes(pem + authority.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """For its owner only."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
