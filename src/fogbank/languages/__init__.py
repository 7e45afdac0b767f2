"""Small languages that several services speak; pure: text in, a compiled thing out, that is asked and asked again.

Read in this order: `documents` (JSON that people send), `matching` (what one value may be: exact, prefix, numeric ...),
`patterns` (event patterns, made of those), `filters` (of sources), `paths` (the JSON paths of input transformers),
`templates`, `schedules` (rate, cron, at); `sql` (its words, and the digest of a statement).
"""
