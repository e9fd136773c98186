"""Failures as litmus tests: one TOML file each, read strictly, written whole or not at all."""
