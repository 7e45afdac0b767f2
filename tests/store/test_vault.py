"""The vault: what it sealed it opens, what it did not it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.store.vault import ContentCipher, Vault


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
