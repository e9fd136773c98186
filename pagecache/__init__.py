"""What Linux does with the pages of a file, and what it promises about them."""
