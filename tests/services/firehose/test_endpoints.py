"""Records delivered to an HTTP endpoint."""

from __future__ import annotations

import base64
import datetime
import gzip
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ARN = "arn:aws:firehose:us-east-1:000000000000:deliverystream/stream"


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "endpoint")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "endpoint.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Endpoint:
    """Takes requests; answers each with the next of `says`, or as Firehose expects."""

    def __init__(self, path: Path) -> None:
        self.requests: list[tuple[dict[str, str], Any]] = []
        self.says: list[tuple[int, bytes]] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                said = json.loads(body)
                endpoint.requests.append(({name.lower(): value for name, value in self.headers.items()}, said))
                confirmed = json.dumps({"requestId": said["requestId"], "timestamp": 1}).encode()
                status, content = endpoint.says.pop(0) if endpoint.says else (200, confirmed)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/take"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    made = Endpoint(path)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def make(cloud: Any, firehose: Any, bucket: str, role: str, endpoint: Endpoint) -> Any:
    def call(access_key: str | None = "open-sesame", **members: Any) -> None:
        hints = {"SizeInMBs": 1, "IntervalInSeconds": 60}
        where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}", "BufferingHints": hints}
        asked = {"Url": endpoint.url, "Name": "mine", **({"AccessKey": access_key} if access_key else {})}
        firehose.create_delivery_stream(
            DeliveryStreamName="stream",
            HttpEndpointDestinationConfiguration={
                "EndpointConfiguration": asked,
                "BufferingHints": hints,
                "S3Configuration": where,
                "RoleARN": role,
                "RetryOptions": {"DurationInSeconds": 120},
                **members,
            },
        )
        cloud.settle()

    return call


def test_requests(make: Any, put: Any, endpoint: Endpoint, firehose: Any, cloud: Any, objects: Any) -> None:
    """Records come in one request, with the stream's ARN, the access key and the common attributes; nothing shows the key."""
    attributes = [{"AttributeName": "team", "AttributeValue": "a"}]
    make(RequestConfiguration={"ContentEncoding": "GZIP", "CommonAttributes": attributes})
    put(b"one", b"two")
    cloud.advance(60)
    ((headers, body),) = endpoint.requests
    assert [base64.b64decode(record["data"]) for record in body["records"]] == [b"one", b"two"]
    assert headers["x-amz-firehose-request-id"] == body["requestId"]
    assert headers["x-amz-firehose-source-arn"] == ARN
    assert headers["x-amz-firehose-access-key"] == "open-sesame"
    assert headers["x-amz-firehose-protocol-version"] == "1.0"
    assert json.loads(headers["x-amz-firehose-common-attributes"]) == {"commonAttributes": {"team": "a"}}
    assert body["timestamp"] == cloud.now_ms
    described = firehose.describe_delivery_stream(DeliveryStreamName="stream")["DeliveryStreamDescription"]
    assert described["Destinations"][0]["HttpEndpointDestinationDescription"]["EndpointConfiguration"] == {
        "Url": endpoint.url,
        "Name": "mine",
    }
    assert "sesame" not in str(described)
    assert objects() == {}


def test_tried_again(make: Any, put: Any, endpoint: Endpoint, cloud: Any, objects: Any) -> None:
    """What the endpoint does not confirm is sent again, as the same request."""
    make()
    endpoint.says = [(500, b""), (200, b"{}")]
    put(b"one")
    cloud.advance(60)
    for _ in range(5):
        cloud.advance(5)
    assert len(endpoint.requests) == 3
    assert len({body["requestId"] for _, body in endpoint.requests}) == 1
    assert objects() == {}


def test_given_up(make: Any, put: Any, endpoint: Endpoint, cloud: Any, objects: Any) -> None:
    """After RetryOptions' duration the records go to the bucket, with why."""
    make()
    endpoint.says = [(403, b"")] * 50
    put(b"one")
    for _ in range(20):
        cloud.advance(30)
    ((key, content),) = objects().items()
    assert key.startswith("http-endpoint-failed/")
    said = json.loads(content)
    assert (said["errorCode"], base64.b64decode(said["rawData"])) == ("HttpEndpoint.ClientError", b"one")
    assert said["EndpointUrl"] == endpoint.url


def test_all_data(make: Any, put: Any, endpoint: Endpoint, cloud: Any, objects: Any) -> None:
    """With AllData the records also go to the bucket as they came."""
    make(S3BackupMode="AllData")
    put(b"one")
    cloud.advance(60)
    assert list(objects().values()) == [b"one"]
    assert len(endpoint.requests) == 1


def test_a_secret(make: Any, put: Any, endpoint: Endpoint, cloud: Any, allow: Any, role: str) -> None:
    """The access key may come from Secrets Manager, by the stream's role."""
    secret = cloud.client("secretsmanager").create_secret(Name="key", SecretString=json.dumps({"api_key": "from-the-manager"}))["ARN"]
    allow("s3:PutObject", "secretsmanager:GetSecretValue")
    make(access_key=None, SecretsManagerConfiguration={"Enabled": True, "SecretARN": secret})
    put(b"one")
    cloud.advance(60)
    ((headers, _),) = endpoint.requests
    assert headers["x-amz-firehose-access-key"] == "from-the-manager"
