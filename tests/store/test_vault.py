"""The vault: what it sealed it opens, what it did not it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.store.store import Store
from fogbank.store.vault import ContentCipher, Openings, Vault


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return Vault(tmp_path_factory.mktemp("vault") / "keys")


@given(plaintext=st.binary(), context=st.binary())
def test_what_is_sealed_is_opened(vault: Vault, plaintext: bytes, context: bytes) -> None:
    """In the same context only."""
    sealed = vault.seal(plaintext, context)
    assert vault.open(sealed, context) == plaintext
    with pytest.raises(ValueError):
        vault.open(sealed, context + b"x")


@given(sealed=st.binary(max_size=40))
def test_anything_else_is_refused(vault: Vault, sealed: bytes) -> None:
    """Bytes of any length that were not sealed here raise ValueError, also behind the name of a key that is here."""
    name = vault.seal(b"")[:4]
    for odd in (sealed, name + sealed):
        with pytest.raises(ValueError):
            vault.open(odd)


def test_half_written_keys_are_not_taken_along(tmp_path: Path) -> None:
    """A file that a crash left beside the root keys is none."""
    vault = Vault(tmp_path / "keys")
    vault.seal(b"")
    keys = vault.root_keys()
    assert [len(key) for key in keys] == [32]
    (tmp_path / "keys" / "00000000.new").write_bytes(b"half")
    assert vault.root_keys() == keys
    assert (tmp_path / "keys").stat().st_mode & 0o77 == 0


@given(content=st.binary(max_size=200), start=st.integers(0, 200))
def test_streams_are_read_from_anywhere(content: bytes, start: int) -> None:
    """The rest of a stream is opened without what is before it."""
    sealed = bytes(ContentCipher(bytes(32)).turn(content))
    assert bytes(ContentCipher(bytes(32), start).turn(sealed[start:])) == content[start:]


def test_an_opened_key_serves_its_own_for_a_while(tmp_path: Path) -> None:
    """A key is opened again when its time is over or not come yet, for somebody else, and on another branch; else not."""
    store = Store.open(tmp_path)
    store.create("main", 1)
    store.clone("main", "copy", 1)
    opened: list[str] = []

    def seal(branch: str, whom: str, now_ms: int) -> None:
        def say() -> bytes:
            opened.append(f"{branch} {whom} {now_ms}")
            return bytes(32)

        openings.seal(store.begin(branch, now_ms), whom, b"sealed", now_ms, 100, say)

    openings = Openings()
    for branch, whom, now_ms in (("main", "a", 50), ("main", "a", 149), ("main", "b", 60), ("copy", "a", 60), ("main", "a", 150)):
        seal(branch, whom, now_ms)
    seal("main", "a", 20)
    store.close()
    assert opened == ["main a 50", "main b 60", "copy a 60", "main a 150", "main a 20"]
