"""What runs inside a Python function's environment, alone with the standard library of Python 3.9 and up.

`start.py` is the program, `bootstrap.py` the loop that asks for events, `surroundings.py` what the handler sees (context,
logging) and `answers.py` what becomes of its results and failures. They are copied into the box as
the package /var/runtime/fogbank_runtime, compiled by the interpreter that runs them.
"""
