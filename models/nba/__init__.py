"""Next best action: what the operator can do, who may get it, and what each thing is worth for one person."""
