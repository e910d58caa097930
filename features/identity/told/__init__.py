"""What linking is asked: who holds a key and why, why nobody does, how much of everything has somebody behind it."""
