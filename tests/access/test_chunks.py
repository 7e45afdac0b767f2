"""aws-chunked bodies: AWS's published examples, every way to cut them, every way to spoil them."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.access.chunks import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, Chunks
from fogbank.access.signing import Signed, signing_key
from fogbank.kernel.errors import ServiceException

from .signers import CREDENTIAL, KEY, SECRET

DATE = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
SIGNING_KEY = signing_key(SECRET, "20130524", "us-east-1", "s3")

# "Signature calculations for the Authorization header: transferring payload in multiple chunks", S3 API Reference: 65 KiB of `a`.
SIGNED_BODY = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + b"a" * 65536 + b"\r\n"
    b"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + b"a" * 1024 + b"\r\n"
    b"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
SIGNED_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILER_BODY = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + b"a" * 65536 + b"\r\n"
    b"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + b"a" * 1024 + b"\r\n"
    b"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
UNSIGNED_BODY = b"10000\r\n" + b"a" * 65536 + b"\r\n400\r\n" + b"a" * 1024 + b"\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"

BODIES = {SIGNED: (SIGNED_BODY, SIGNED_SEED), SIGNED_TRAILER: (TRAILER_BODY, TRAILER_SEED), UNSIGNED_TRAILER: (UNSIGNED_BODY, "")}


def chunks(kind: str, length: int | None = 66560) -> Chunks:
    """A decoder for a request whose own signature held."""
    return Chunks(Signed(CREDENTIAL, KEY, "us-east-1", "s3", "header", kind, BODIES[kind][1], SIGNING_KEY, SCOPE, DATE), length)


def decoded(kind: str, pieces: list[bytes], length: int | None = 66560) -> tuple[bytes, Chunks]:
    """The payload of a body that comes in these pieces."""
    decoder = chunks(kind, length)
    out = b"".join(bytes(view) for piece in pieces for view in decoder.feed(piece))
    decoder.end()
    return out, decoder


@pytest.mark.parametrize("kind", BODIES)
def test_the_published_examples(kind: str) -> None:
    """AWS's own example bodies decode, and their signatures hold."""
    out, decoder = decoded(kind, [BODIES[kind][0]])
    assert out == b"a" * 66560
    assert decoder.finished
    assert decoder.trailers == ({} if kind == SIGNED else {"x-amz-checksum-crc32c": "sOO8/Q=="})


@settings(max_examples=60)
@given(
    kind=st.sampled_from(sorted(BODIES)),
    cuts=st.lists(st.integers(0, 67_200), max_size=12),
    ends=st.lists(st.integers(0, 300), max_size=12),
)
def test_any_split_decodes_alike(kind: str, cuts: list[int], ends: list[int]) -> None:
    """It does not matter how the network cuts the body, also within a header line."""
    body = BODIES[kind][0]
    at = sorted({0, len(body), *(cut for cut in cuts if cut < len(body)), *(len(body) - end for end in ends), *ends})
    out, _ = decoded(kind, [body[a:b] for a, b in itertools.pairwise(at)])
    assert out == b"a" * 66560


def test_byte_by_byte() -> None:
    """The smallest pieces there are."""
    body = BODIES[SIGNED_TRAILER][0]
    out, _ = decoded(SIGNED_TRAILER, [body[n : n + 1] for n in range(len(body))])
    assert len(out) == 66560


CASE = ord("a") ^ ord("A")


def letters_of_names(kind: str) -> set[int]:
    """Where the letters of the trailers' names stand."""
    body = BODIES[kind][0]
    return {at for name in re.finditer(rb"\r\n([a-z0-9-]+):", body) for at in range(*name.span(1)) if body[at : at + 1].isalpha()}


def test_a_trailers_name_is_in_any_case() -> None:
    """As any header's name is: it is signed in lower case."""
    for at in letters_of_names(SIGNED_TRAILER):
        body = bytearray(TRAILER_BODY)
        body[at] ^= CASE
        assert decoded(SIGNED_TRAILER, [bytes(body)])[1].trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@settings(max_examples=100)
@given(kind=st.sampled_from([SIGNED, SIGNED_TRAILER]), at=st.integers(0, 67_500), change=st.integers(1, 255))
def test_a_changed_byte_never_passes(kind: str, at: int, change: int) -> None:
    """A signed body with one byte changed, anywhere, is refused (but for the case of a trailer's name, which says nothing)."""
    body = bytearray(BODIES[kind][0])
    at %= len(body)
    body[at] ^= change
    same_line_end = body[at : at + 1] == b"\n" or BODIES[kind][0][at : at + 1] in (b"\r", b"\n")
    if same_line_end or (change == CASE and at in letters_of_names(kind)):
        return
    with pytest.raises(ServiceException):
        decoded(kind, [bytes(body)])


def test_pieces_are_views_of_the_input() -> None:
    """No copies: what comes out of an unsigned body is the memory that went in."""
    body = BODIES[UNSIGNED_TRAILER][0]
    pieces = chunks(UNSIGNED_TRAILER).feed(body)
    assert [len(piece) for piece in pieces] == [65536, 1024]
    assert all(piece.obj is body for piece in pieces)


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_stops_early_is_incomplete(kind: str) -> None:
    """Wherever it stops."""
    body = BODIES[kind][0]
    for cut in (0, 10, 1000, 66_000, len(body) - 5, len(body) - 1):
        with pytest.raises(ServiceException) as caught:
            decoded(kind, [body[:cut]])
        assert (caught.value.code, caught.value.status) == ("IncompleteBody", 400)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"zz\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
        (b"-3\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
        (b"3\r\nabcd\r\n0\r\n\r\n", "IncompleteBody"),
        (b"3\r\nabc\r\n0\r\n\r\nmore", "IncompleteBody"),
        (b"3\r\nabc\r\n0\r\nno-colon\r\n\r\n", "MalformedTrailerError"),
        (b"f" * 40_000, "IncompleteBody"),
    ],
)
def test_a_malformed_body_is_refused(body: bytes, code: str) -> None:
    """Each with S3's code; a header line without end does not fill the memory."""
    with pytest.raises(ServiceException) as caught:
        decoded(UNSIGNED_TRAILER, [body], None)
    assert caught.value.code == code


def test_the_declared_length_must_be_right() -> None:
    """`x-amz-decoded-content-length` is the payload's length."""
    with pytest.raises(ServiceException, match="number of bytes"):
        decoded(UNSIGNED_TRAILER, [UNSIGNED_BODY], 66_561)


def test_only_the_last_signed_chunk_may_be_small() -> None:
    """At least 8 KiB a chunk."""
    signed = Signed(CREDENTIAL, KEY, "us-east-1", "s3", "header", SIGNED, "", SIGNING_KEY, SCOPE, DATE)
    decoder = Chunks(signed)
    with pytest.raises(ServiceException, match="Only the last chunk"):
        decoder.feed(b"1;chunk-signature=0\r\na\r\n1;chunk-signature=0\r\n")


def test_a_trusted_key_needs_no_chunk_signatures() -> None:
    """Where the request's signature was not looked at, those of its chunks are not either."""
    signed = Signed(CREDENTIAL, KEY, "us-east-1", "s3", "header", SIGNED, "", b"", SCOPE, DATE)
    decoder = Chunks(signed)
    assert b"".join(decoder.feed(b"3;chunk-signature=0\r\nabc\r\n0;chunk-signature=0\r\n\r\n")) == b"abc"
    decoder.end()


def test_a_kind_that_aws_does_not_have() -> None:
    """SigV4A's chunks are not spoken here."""
    signed = Signed(CREDENTIAL, KEY, "us-east-1", "s3", "header", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "", b"", SCOPE, DATE)
    with pytest.raises(ServiceException):
        Chunks(signed)
