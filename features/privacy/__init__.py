"""What a person may ask for: to be forgotten, to see what is kept; and the secrets that stand before their names."""
