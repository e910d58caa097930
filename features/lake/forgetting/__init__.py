"""How rows are hidden, rewritten out of every version, removed from the disk, and kept from coming back."""
