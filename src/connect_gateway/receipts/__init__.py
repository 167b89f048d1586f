"""Acknowledgement receipts and slips: one model each, rendered to text of 32 columns."""
