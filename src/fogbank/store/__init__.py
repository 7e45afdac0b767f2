"""The log: transactions, versions, tables and indexes, watches, branches, blobs. Knows no AWS word.

Read in this order: `tables` (what a service declares), `keys`, `transaction` and `branch` (writing and reading),
`store` (opening, branches, segments), `memory`, `log` and `archive` (where versions are), `archiver` (how they get
from one to the other, and what is forgotten), `blobs` (large values), `snapshot`, `verify`.
"""

from fogbank.store.blobs import Blob, Upload
from fogbank.store.tables import Index, Record, Table, change

__all__ = ["Blob", "Index", "Record", "Table", "Upload", "change"]
