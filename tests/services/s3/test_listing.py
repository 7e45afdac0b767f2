from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.services.s3 import listing, rules
from fogbank.services.s3.state import OBJECTS, Object
from fogbank.store.store import Store
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code

KEYS = st.text(alphabet="ab/\0é\ud7ff\ue000\U0010ffff", min_size=1, max_size=5)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    made = Store.open(None)
    made.create("t", 0)
    yield made
    made.close()


def an_object(key: str, bucket: str) -> Object:
    return Object(
        bucket=bucket, key=key, rank=-1, version_id="null", etag='"e"', size=0, modified_at_ms=0, storage_class="STANDARD", checksum=None
    )


def naive(keys: set[str], prefix: str, delimiter: str, after: str | None, size: int) -> tuple[list[str], bool]:
    """A listing by definition: all keys sorted as UTF-8, rolled up, cut off. The names shown, and whether there is more."""
    shown: list[str] = []
    for key in sorted(keys, key=lambda k: k.encode("utf-8", "surrogatepass")):
        if not key.startswith(prefix):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if end < 0 else key[: end + len(delimiter)]
        if after is not None and (key.encode() <= after.encode() or (end >= 0 and name == after)):
            continue
        if shown and shown[-1] == name and end >= 0:
            continue
        if len(shown) == size:
            return shown, True
        shown.append(name)
    return shown, False


@settings(max_examples=200)
@given(
    st.sets(KEYS, max_size=30),
    st.text("ab/", max_size=2),
    st.sampled_from(["", "/", "a", "b/"]),
    st.one_of(st.none(), KEYS),
    st.integers(1, 6),
)
def test_pages_are_what_a_naive_listing_shows(
    store: Store, keys: set[str], prefix: str, delimiter: str, start: str | None, size: int
) -> None:
    """Whatever prefix, delimiter, start and page size: the same names in the same order, page by page."""
    tx = store.begin("t", 0)
    for bucket, key in [("a", "aa"), ("c", "aa"), *(("b", key) for key in keys)]:
        OBJECTS.put(tx, an_object(key, bucket))
    after = start
    while True:
        scan = listing._objects(tx, "b", prefix)  # type: ignore[arg-type]
        found = listing.page(scan, prefix, delimiter, after, size)
        names = sorted([o.key for o in found.entries] + found.prefixes, key=lambda k: k.encode("utf-8", "surrogatepass"))
        wanted, more = naive(keys, prefix, delimiter, after, size)
        assert names == wanted
        assert (found.last is not None) == more
        if not more:
            break
        after = found.last if isinstance(found.last, str) else found.last.key
        assert after == wanted[-1]
    tx.undo()


@given(st.text(max_size=4), st.text(max_size=4))
def test_the_successor_follows_all_that_begin_so(prefix: str, rest: str) -> None:
    """successor(p) is greater than p + anything, and nothing without that prefix lies between."""
    after = rules.successor(prefix)
    if after:
        assert prefix + rest < after
        assert not after.startswith(prefix)
    else:
        assert set(prefix) <= {"\U0010ffff"}


def fill(s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key)


def test_listing_by_folder(s3: Any, bucket: str) -> None:
    """Prefix and delimiter make folders of keys, in both forms of the operation."""
    fill(s3, bucket, "a/1", "a/2", "a/b/3", "b", "c d/ü", "c+d")
    for list_objects in (s3.list_objects, s3.list_objects_v2):
        top = list_objects(Bucket=bucket, Delimiter="/")
        assert [o["Key"] for o in top["Contents"]] == ["b", "c+d"]
        assert [p["Prefix"] for p in top["CommonPrefixes"]] == ["a/", "c d/"]
        folder = list_objects(Bucket=bucket, Delimiter="/", Prefix="a/")
        assert [o["Key"] for o in folder["Contents"]] == ["a/1", "a/2"]
        assert [p["Prefix"] for p in folder["CommonPrefixes"]] == ["a/b/"]
        assert list_objects(Bucket=bucket, Prefix="c d/")["Contents"][0]["Key"] == "c d/ü"
    assert s3.list_objects_v2(Bucket=bucket, Delimiter="/")["KeyCount"] == 4


def test_listing_in_pages(s3: Any, bucket: str) -> None:
    """Tokens and markers go on where the page ended; keys and common prefixes count together."""
    keys = [f"k{i}" for i in range(5)] + ["p/1", "p/2", "q/1"]
    fill(s3, bucket, *keys)
    for paged in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(paged).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
        shown = [e.get("Key") or e.get("Prefix") for page in pages for e in page.get("Contents", []) + page.get("CommonPrefixes", [])]
        assert shown == ["k0", "k1", "k2", "k3", "k4", "p/", "q/"]
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=3)
    assert (first["IsTruncated"], first["KeyCount"], first["MaxKeys"]) == (True, 3, 3)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, StartAfter="k3")["Contents"]] == ["k4", "p/1", "p/2", "q/1"]
    none = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)
    assert code(s3.list_objects_v2, Bucket=bucket, MaxKeys=-1) == "InvalidArgument"
    assert code(s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense!") == "InvalidArgument"
    assert "NextMarker" not in s3.list_objects(Bucket=bucket, MaxKeys=3)


def test_owners_are_fetched_when_asked_for(s3: Any, bucket: str) -> None:
    """ListObjectsV2 leaves the owner out unless FetchOwner; ListObjects always tells."""
    fill(s3, bucket, "k")
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    owner = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]
    assert owner == s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"] == s3.list_buckets()["Owner"]


def test_all_versions_in_pages(s3: Any, versioned: str) -> None:
    """Any page size shows the same versions and markers in the same order; common prefixes roll them up."""
    for _ in range(3):
        fill(s3, versioned, "a", "b", "c/1", "c/2")
    s3.delete_object(Bucket=versioned, Key="b")
    s3.delete_object(Bucket=versioned, Key="c/1")

    def shown(size: int, **members: Any) -> list[tuple[str, str, bool]]:
        out: list[tuple[str, str, bool]] = []
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": size}, **members):
            entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
            out += sorted(((e["Key"], e["VersionId"], e["IsLatest"]) for e in entries), key=lambda e: e[0])
        return out

    whole = shown(1000)
    assert len(whole) == 14
    assert [key for key, _, latest in whole if latest] == ["a", "b", "c/1", "c/2"]
    for size in (1, 2, 3, 5):
        assert sorted(shown(size)) == sorted(whole)
    rolled = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert [p["Prefix"] for p in rolled["CommonPrefixes"]] == ["c/"]
    assert {v["Key"] for v in rolled["Versions"]} == {"a", "b"}
    assert code(s3.list_object_versions, Bucket=versioned, VersionIdMarker="x") == "InvalidArgument"


def test_prefixes_are_a_condition(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:prefix and s3:max-keys let a user see their own folder only."""
    fill(s3, bucket, "home/ann/1", "home/bob/1")
    mine = {"Condition": {"StringLike": {"s3:prefix": "home/ann/*"}, "NumericLessThanEquals": {"s3:max-keys": "10"}}}
    ann = as_user(cloud, "ann", allow("s3:ListBucket", on=f"arn:aws:s3:::{bucket}", **mine))
    assert [o["Key"] for o in ann.list_objects_v2(Bucket=bucket, Prefix="home/ann/", MaxKeys=10)["Contents"]] == ["home/ann/1"]
    assert code(ann.list_objects_v2, Bucket=bucket, Prefix="home/bob/", MaxKeys=10) == "AccessDenied"
    assert code(ann.list_objects_v2, Bucket=bucket, Prefix="home/ann/", MaxKeys=11) == "AccessDenied"
    assert code(ann.list_objects_v2, Bucket=bucket, MaxKeys=10) == "AccessDenied"
