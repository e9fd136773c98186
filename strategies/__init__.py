"""What to run: cases as plain values, and the grammar that generates and writes them."""
