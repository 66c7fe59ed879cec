"""What `generate.py` runs: wire (bytes), rows (expected rows), and the tables of cases."""
