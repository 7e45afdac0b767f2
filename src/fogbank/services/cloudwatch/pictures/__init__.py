"""Graphs as pictures, drawn with Pillow; pure.

`chart` says what a graph is; `scales` chooses the ticks of its axes; `canvas` draws text and smooth shapes; `lines`, `shares`
(bars, pies) and `figures` (numbers) draw the views, `drawing` puts a picture together.
"""
