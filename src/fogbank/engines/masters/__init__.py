"""Two writers over unmodified PostgreSQL (docs/design/multi-master.md). In reading order:

    pair.py      a cluster with two writers: who is there, how one joins, what happens when one dies
    side.py      one of them: an ordinary cluster of one node, and its half of what lies between
    way.py       what one commits, on its way to the other: when it is acknowledged, when its rows are free
    claiming.py  rows, claimed of the six storage nodes (`fleet/holds.py`: what they make of it)
    door.py      where the sessions of a writer ask for rows
    commands.py  which command of a text is to be carried to the other

In SQL: `inside/extension/aurora_masters--1.0.sql`.
"""
