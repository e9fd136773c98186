"""What a person reads: ladders, reports, a page to step through."""
