"""S3 Select: SQL over one object.

Read in this order: `content` (SelectObjectContent), `language` (SQL, read by sqlglot), `evaluation` (expressions as functions of a
row) over `functions` and `values`, `sources` (rows of CSV, JSON, Parquet), `records` (the answer's CSV or JSON).
"""
