"""Measurements of the gateway against what somebody would use instead: `python -m bench`, or `make bench`.

Every figure is a ratio of two things measured in turn in one run, on one machine, with the same database; absolute
figures of a shared machine say little. `plan` has the sizes, `rows_*` one measurement each, `ground` the database that
all sides stand on, `load` what drives them, `peers/` the others.
"""
