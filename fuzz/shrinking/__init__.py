"""From a failure to the case that a person would have written, with a proof that nothing is left to remove."""
