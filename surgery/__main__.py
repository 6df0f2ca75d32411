"""`python -m surgery`: the command line."""

from surgery.cli import main

main(prog_name="surgery")
