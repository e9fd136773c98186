"""Whole functions of today's kernel with a mistake mended that this fuzzer found: each shows that it is the mistake."""
