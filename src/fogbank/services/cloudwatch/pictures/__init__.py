"""Graphs as pictures, drawn with Pillow; pure.

`chart` says what a graph is; `scales` chooses the ticks of its axes; `canvas` draws text and smooth shapes; `lines` and
`shares` (bars, pies, numbers) draw the views, `drawing` puts a picture together.
"""
