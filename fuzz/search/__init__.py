"""Many runs: scheduling policies, enumeration, exhaustive search, campaigns."""
