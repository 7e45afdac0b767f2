"""The words of SQL."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fogbank.languages import sql


@given(st.text(alphabet="ab:'\"$-/*#\\;`% \n1e_", max_size=60), st.sampled_from(sql.DIALECTS))
def test_words_are_the_statement(text: str, dialect: str) -> None:
    """Whatever a statement is, its words are it, and its digest has no more words."""
    assert "".join(word.text for word in sql.words(text, dialect)) == text
    sql.tokenized(text, dialect)
    sql.many(text, dialect)


def test_digests() -> None:
    """A digest has no literals, comments or line breaks."""
    assert sql.tokenized("select *\n from t -- all\n where a = 'x' and b in (1, -2.5e3, $1);", "postgres") == (
        "select * from t where a = ? and b in (?, -?, ?)"
    )
    assert sql.tokenized('select `1` from t where a = "x" # all', "mariadb") == "select `1` from t where a = ?"
    assert not sql.many("create function f() returns int begin atomic select 1; end", "postgres")
