"""The sandbox: people's code runs here, with limits that hold.

`box.py` says what a box is (one program, closed in), `function.py` what Lambda runs in boxes and how that ends.
"""
